"""The Trainer that scores dev by the task's own metric and keeps the best state.

transformers' `load_best_model_at_end` would keep it in a checkpoint, so that every scoring of dev would write one, the
optimiser's state included; and it notices neither a best state that is damaged nor one of another training.
"""

import hashlib
import json
import logging
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from property_neurons.errors import DivergedError, StoreError
from property_neurons.models.backend import transformers
from property_neurons.models.precision import full_precision
from property_neurons.stores import files
from property_neurons.tasks.examples import Examples
from property_neurons.tasks.model import TaskModel, weights_of
from property_neurons.tasks.scores import rate
from property_neurons.tasks.utterance_errors import log_likelihoods, utterance_error

log = logging.getLogger(__name__)


class TaskTrainer(transformers.Trainer):
    """transformers' Trainer that scores dev by the task's own metric and keeps the best state seen."""

    best_file: Path
    identity: str

    def evaluate(self, eval_dataset=None, ignore_keys=None, metric_key_prefix="eval"):
        """The metric over all dev utterances; a new best one is kept on disk."""
        value = rate(self.scores(self.eval_dataset))
        metrics = {f"{metric_key_prefix}_value": value}
        self.log(metrics)
        known = self._best()
        if known is None or value < known["value"]:
            step = self.state.global_step
            with files.atomic_path(self.best_file) as temporary:
                noted = {"identity": self.identity, "step": str(step), "value": repr(value)}
                weights = weights_of(self.model)
                # Several entries are written in an order that differs from process to process; here that is no matter.
                save_file(weights, temporary, metadata=noted | {"digest": _digest(noted, weights)})
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def restore_best(self) -> dict[str, Any]:
        """Give the model its best state; says its step and dev value."""
        if not any(
            "eval_value" in entry and entry["step"] == self.state.global_step for entry in self.state.log_history
        ):
            # Not every release of transformers scores the last step by itself.
            self.evaluate()
        kept = self._kept()
        if kept is None:
            raise StoreError(
                f"{self.best_file}: expected the best state of this training, found none that is whole; delete "
                f"{self.best_file.parent} and run again: the training begins anew"
            )
        best, weights = kept
        self.model.load_state_dict(weights, strict=True)
        return best

    def has_best_of(self, checkpoint: Path) -> bool:
        """Whether the best state on disk is the one of the checkpoint, or a later one."""
        history = transformers.TrainerState.load_from_json(str(checkpoint / "trainer_state.json")).log_history
        values = [entry["eval_value"] for entry in history if "eval_value" in entry]
        best = self._best()
        # (A training that has diverged has NaN, which is not greater than anything.)
        if not values or (best is not None and not best["value"] > min(values)):
            return True
        if best is None:
            log.warning("%s: expected the best state so far, found none; training begins anew.", self.best_file)
        else:
            log.warning(
                "%s: expected the best state so far (%s), found one of %s; training begins anew.",
                *(self.best_file, min(values), best["value"]),
            )
        return False

    def _best(self) -> dict[str, Any] | None:
        """Step and dev value of the best state kept."""
        kept = self._kept()
        return None if kept is None else kept[0]

    def _kept(self) -> tuple[dict[str, Any], dict[str, torch.Tensor]] | None:
        """Step and dev value of the best state kept, and its weights; one that is damaged is named and removed."""
        if not self.best_file.is_file():
            return None
        try:
            with safe_open(self.best_file, "pt") as file:
                noted = file.metadata() or {}
                weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError, ValueError) as error:
            return self._without(f"expected a safetensors file, found {error}")
        said = {key: noted.get(key, "") for key in ("identity", "step", "value")}
        if noted.get("digest") != _digest(said, weights):
            return self._without("expected what was written, found another content")
        if said["identity"] != self.identity:
            return None
        return {"step": int(said["step"]), "value": float(said["value"])}, weights

    def _without(self, trouble: str) -> None:
        log.warning("%s: %s. It is removed.", self.best_file, trouble)
        self.best_file.unlink()

    @full_precision()
    @torch.no_grad()
    def scores(self, examples: Examples) -> pd.DataFrame:
        """A row for each utterance: utterance, speaker, gender, error, weight, and of F0 the sums of its targets.

        Where clips are scored, error and weight are sums over those of the utterance. Of speaker identification
        utterance_error says whether the clips together, by the product of their probabilities, name another speaker.

        Raises:
            DivergedError: the model put out something that is not finite.
        """
        rows, likelihoods, speaker, kind = [], defaultdict(float), {}, self.model.head.kind
        self.model.eval()
        for batch in self.get_eval_dataloader(examples):
            batch = self._prepare_inputs(batch)
            labels = batch.pop("labels").cpu().numpy()
            # Not by the model's own `forward`, which accelerate has put under autocast where training is in bf16:
            # what an edited model is held against is scored in fp32.
            found = TaskModel.forward(self.model, **batch)
            outputs, lengths = found["outputs"].float().cpu().numpy(), found["lengths"].tolist()
            for place, index in enumerate(batch["index"].tolist()):
                # The largest of NaN is the first, which would pass for an answer.
                own = outputs[place] if kind == "speaker_identification" else outputs[place][: lengths[place]]
                if not np.isfinite(own).all():
                    raise DivergedError(
                        f"utterance {examples.table.loc[index, 'utterance']}: expected finite outputs, found NaN or "
                        f"infinite ones after {self.state.global_step} steps; if the training has diverged, lower its "
                        "learning_rate; otherwise the model's weights are damaged"
                    )
                rows.append((index, *utterance_error(kind, outputs[place], lengths[place], labels[place])))
                if kind == "speaker_identification":
                    likelihoods[index] += log_likelihoods(own)
                    speaker[index] = labels[place].item()
        self.model.train()
        columns = ["index", "error", "weight", "target_sum", "target_square_sum"]
        table = pd.DataFrame(rows, columns=columns).groupby("index").sum()
        if kind == "speaker_identification":
            table["utterance_error"] = [float(likelihoods[at].argmax() != speaker[at]) for at in table.index]
        known = examples.table.loc[table.index, ["utterance", "speaker", "gender"]]
        left_out = [] if kind == "f0_reconstruction" else columns[3:]
        return known.join(table.drop(columns=left_out)).sort_values("utterance", ignore_index=True)


def _digest(said: Mapping[str, str], weights: Mapping[str, torch.Tensor]) -> str:
    """A digest of the content of a best-state file."""
    digest = hashlib.blake2b(json.dumps(said, sort_keys=True).encode(), digest_size=16)
    for name, value in sorted(weights.items()):
        digest.update(f"{name} {value.dtype} {list(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()
