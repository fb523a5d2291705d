"""Recovery without labels, for every architecture: a pruned model learns the hidden states of the unpruned one.

One job trains one model; a killed job goes on from its last whole checkpoint.
"""

import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch

from property_neurons.corpus.recordings import Recording, naming, read_recording, recordings_of
from property_neurons.errors import ModelError
from property_neurons.jobs import locks
from property_neurons.models.backend import quiet_transformers, transformers
from property_neurons.models.features import SAMPLING_RATE, FrontEnd, Window
from property_neurons.models.loading import SpeechEncoder, load_encoder
from property_neurons.models.precision import full_precision
from property_neurons.models.prepared import PRUNED_LOADER, save_derived
from property_neurons.models.pruned import ffn_widths
from property_neurons.models.states import hidden_states
from property_neurons.stores import manifests
from property_neurons.tasks.model import batch_norm_fixed, training_habits_off
from property_neurons.training import held_out, learning_rates
from property_neurons.training.checkpoints import resume_point
from property_neurons.training.learning_curves import learning_curves
from property_neurons.training.optimisation import WITHOUT_RESULT, Optimisation
from property_neurons.training.order import EpochOrder
from property_neurons.training.trainer import StopWhenFlat, add_callbacks, check_finite, train_from, training_arguments

log = logging.getLogger(__name__)

RECORD = "distillation.json"
"""File of a distilled model's folder: its settings, its losses before and after, and on how much speech."""
CURVES = {"loss": ("loss", "eval_loss")}

Loss = Literal["l1_cosine", "l1", "cosine"]


@dataclass(frozen=True, kw_only=True)
class Distillation(Optimisation):
    """How a model is distilled; see `optimisation.Optimisation` for what is not said here.

    steps: at most.
    patience: see `trainer.StopWhenFlat`; None = all steps.
    crop_seconds: longest piece of an utterance in training, at most a window of the model; validation is by pieces of
        this length, too.
    layers: Transformer blocks, from 1, whose outputs are learnt; None = all.
    loss: see `state_loss`.
    cosine_weight: of the cosine's part in "l1_cosine".
    """

    max_grad_norm: float = 1.0
    patience: int | None = None
    crop_seconds: float = 10.0
    layers: Sequence[int] | None = None
    loss: Loss = "l1_cosine"
    cosine_weight: float = 1.0


@dataclass(frozen=True)
class DistillationJob:
    """Everything one job needs, as plain values.

    model: manifest of the prepared model to train.
    teacher: manifest of the prepared model whose states it learns to give.
    corpus: manifest of the corpus that they are from.
    validation_share: of the speech, held out by speaker.
    settings: fields of `Distillation`.
    folder, manifest: the prepared model to write.
    work: where the Trainer keeps its checkpoints; removed when done.
    device: "cpu" or "cuda".
    tensorboard: folder of TensorBoard logs, or None.
    code: fingerprint of the code, so that a checkpoint of other code is not resumed.
    """

    name: str
    model: str
    teacher: str
    corpus: str
    validation_share: float
    settings: Mapping[str, Any]
    folder: str
    manifest: str
    work: str
    device: str = "cpu"
    tensorboard: str | None = None
    code: str = ""

    def identity(self) -> str:
        """A digest of everything that the trained weights depend on."""
        content = {
            "settings": {key: value for key, value in self.settings.items() if key not in WITHOUT_RESULT},
            "validation_share": self.validation_share,
            "code": self.code,
            "inputs": [manifests.read_manifest(one)["digest"] for one in (self.model, self.teacher, self.corpus)],
        }
        return manifests.digest_of(content)


def state_loss(
    student: torch.Tensor, teacher: torch.Tensor, loss: Loss = "l1_cosine", cosine_weight: float = 1.0
) -> torch.Tensor:
    """The distance of hidden states from those of the teacher: a mean over layers and frames, a scalar.

    "l1": the mean over coordinates of |h - h'|; "cosine": -log sigmoid(cos(h, h')); "l1_cosine": the first plus
    `cosine_weight` times the second (Chang et al., DistilHuBERT, ICASSP 2022, equation 1; Peng et al., DPHuBERT,
    Interspeech 2023).

    Args:
        student, teacher: float [layers, frames, hidden size].
    """
    distance = (student - teacher).abs().mean(-1)
    angle = -torch.nn.functional.logsigmoid(torch.nn.functional.cosine_similarity(student, teacher, dim=-1))
    match loss:
        case "l1":
            return distance.mean()
        case "cosine":
            return angle.mean()
    return (distance + cosine_weight * angle).mean()


class Distiller(torch.nn.Module):
    """A model that is trained, beside one that is not.

    Args:
        student: base model to train.
        teacher: base model of the same depth and hidden size.
        settings: layers and loss.
    """

    # What takes **kwargs would be taken to divide the loss by what a step accumulates itself; the Trainer shall do it.
    accepts_loss_kwargs = False

    def __init__(self, student: torch.nn.Module, teacher: torch.nn.Module, settings: Distillation):
        super().__init__()
        self.student = student
        # In a tuple, where torch does not look for weights.
        self._teacher = (teacher.eval().requires_grad_(False),)
        self._settings = settings
        # The first state is what the first block takes in.
        self._states = settings.layers or range(1, student.config.num_hidden_layers + 1)

    def train(self, mode: bool = True) -> "Distiller":
        """Set training mode, except for batch norm, which keeps the statistics of the unpruned model."""
        return batch_norm_fixed(super().train(mode))

    def forward(self, windows: Sequence[Sequence[Window]], labels: torch.Tensor, **kwargs) -> dict[str, torch.Tensor]:
        """The loss of a batch, a mean over its frames.

        Args:
            labels: unused; the Trainer validates only batches that have some.
        """
        with torch.no_grad(), full_precision():
            wanted = hidden_states(self._teacher[0], windows, self._states)
        given = hidden_states(self.student, windows, self._states)
        together = (torch.cat(states, dim=1).float() for states in (given, wanted))
        return {"loss": state_loss(*together, self._settings.loss, self._settings.cosine_weight)}


class Pieces(torch.utils.data.Dataset):
    """Pieces of utterances as a model takes them in: each is a pure function of its number.

    Args:
        recordings: of the utterances.
        front_end: of both models.
        samples: longest piece; shorter utterances are taken whole.
        n_pieces: epoch by epoch through all utterances, each time in a new order; None = each once.
        seed: of order and pieces.
    """

    def __init__(
        self,
        recordings: Sequence[Recording],
        front_end: FrontEnd,
        samples: int,
        *,
        n_pieces: int | None = None,
        seed: int = 0,
    ):
        self._recordings, self._front_end, self._samples = recordings, front_end, samples
        self._order = range(len(recordings)) if n_pieces is None else EpochOrder(len(recordings), seed)
        self._length = len(recordings) if n_pieces is None else n_pieces
        self._seed = seed

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, item: int) -> list[Window]:
        """The windows of a piece."""
        recording = self._recordings[self._order[item]]
        waveform = read_recording(recording)
        with naming(recording.utterance):
            room = len(waveform) - self._samples
            if room > 0:
                start = int(np.random.default_rng([self._seed, item]).integers(room + 1))
                waveform = waveform[start : start + self._samples]
            return list(self._front_end.windows(waveform))


def collate(items: Sequence[list[Window]]) -> dict[str, Any]:
    """Pieces to one batch; see `Distiller.forward` for labels."""
    return {"windows": list(items), "labels": torch.zeros(len(items))}


def hold_out(recordings: Sequence[Recording], speakers: Sequence[str], share: float) -> tuple[list, list]:
    """Divide recordings into those to train on and those to validate on, by speaker (`training.held_out`).

    Raises:
        ModelError: one side would be empty.
    """
    parts = held_out.hold_out(recordings, speakers, [recording.n_samples for recording in recordings], share)
    if not all(parts):
        raise ModelError(
            f"distillation: expected speakers to train on and others to validate on, found {len(set(speakers))} "
            "speakers; name a corpus of several speakers, or another validation_share"
        )
    return parts


def distil(job: DistillationJob, utterances: pd.DataFrame, root: str | Path) -> None:
    """Train a model to give another one's hidden states, and write it as a prepared model, whole or not at all.

    In its folder, beside the model: `RECORD`, curves.tsv (see `learning_curves`).

    Args:
        utterances: the table of the corpus.
        root: the folder that its audio paths start from.

    Raises:
        ModelError: the models do not fit together, layers that they do not have, or the training has diverged.
        StoreError: an input is absent or damaged, or another process trains this.
    """
    with locks.sole_process(job.work), quiet_transformers():

        def validation_loss(trial: DistillationJob) -> float:
            history = _train(trial, utterances, root).trainer.state.log_history
            return next(entry["eval_loss"] for entry in reversed(history) if "eval_loss" in entry)

        chosen, tried = learning_rates.choose(job, validation_loss)
        _write(chosen, _train(chosen, utterances, root), tried)
        learning_rates.clear(job)


@dataclass(frozen=True)
class _Trained:
    """A training at its end; parts: what was trained on, and what was held out."""

    student: SpeechEncoder
    trainer: "DistillationTrainer"
    parts: Sequence[Sequence[Recording]]


def _train(job: DistillationJob, utterances: pd.DataFrame, root: str | Path) -> _Trained:
    settings = Distillation(**job.settings)
    identity = job.identity()
    student, teacher = (
        load_encoder(manifests.described_folder(manifest), manifest=manifest, device=job.device)
        for manifest in (job.model, job.teacher)
    )
    _check(job.name, student, teacher, settings)
    utterances = utterances.sort_values("utterance")
    recordings = recordings_of(utterances, root)
    train, validation = hold_out(recordings, utterances["speaker"].tolist(), job.validation_share)
    # A second window, of what a crop has too much, would be silence for the most part.
    samples = min(round(settings.crop_seconds * SAMPLING_RATE), student.front_end.window_samples or sys.maxsize)
    pieces = Pieces(
        train, student.front_end, samples, n_pieces=settings.steps * settings.batch_size, seed=settings.seed
    )
    trainer = DistillationTrainer(
        model=Distiller(student.model, teacher.model, settings),
        args=training_arguments(job.name, job.work, job.device, settings),
        data_collator=collate,
        train_dataset=pieces,
        eval_dataset=Pieces(validation, student.front_end, samples),
    )
    if settings.patience is not None:
        trainer.add_callback(StopWhenFlat(settings.patience))
    add_callbacks(trainer, job.name, identity, tensorboard=job.tensorboard)
    with training_habits_off(student.model):
        checkpoint = resume_point(job.work, identity)
        trainer.args.eval_on_start = checkpoint is None
        train_from(trainer, checkpoint, settings.patience)
        if not _validated(trainer):
            trainer.evaluate()
    return _Trained(student, trainer, (train, validation))


def _check(name: str, student: SpeechEncoder, teacher: SpeechEncoder, settings: Distillation) -> None:
    blocks = len({site.layer for site in student.sites})
    found = [
        (encoder.model.config.hidden_size, len({site.layer for site in encoder.sites}))
        for encoder in (student, teacher)
    ]
    if found[0] != found[1]:
        raise ModelError(
            f"{name}: expected a model of hidden size {found[1][0]} and {found[1][1]} blocks, as the one it learns "
            f"from, found {found[0][0]} and {found[0][1]}; name a model that was pruned out of that one"
        )
    if not _read_alike(student, teacher):
        raise ModelError(
            f"{name}: expected a model that is given speech in the same form as the one it learns from, found another "
            "form (architecture, frame rate, normalisation or window); name a model that was pruned out of that one"
        )
    wrong = [layer for layer in settings.layers or () if not 1 <= layer <= blocks]
    if wrong:
        raise ModelError(f"{name}: expected layers from 1 to {blocks}, found {wrong[0]}; correct `layers`")


def _read_alike(student: SpeechEncoder, teacher: SpeechEncoder) -> bool:
    """Whether both front ends make the same input, and the same frames, of the same speech.

    Both models are given the student's windows, and their states are held against each other row by row.
    """
    samples = max(SAMPLING_RATE, student.front_end.min_samples, teacher.front_end.min_samples)
    noise = np.random.default_rng(0).normal(0, 0.1, samples).astype(np.float32)
    own, others = (list(encoder.front_end.windows(noise)) for encoder in (student, teacher))
    return len(own) == len(others) and all(
        (one.rows, one.speech_rows) == (other.rows, other.speech_rows) and torch.equal(one.values, other.values)
        for one, other in zip(own, others, strict=True)
    )


def _validated(trainer: "transformers.Trainer") -> bool:
    last = trainer.state.global_step
    return any("eval_loss" in entry and entry["step"] == last for entry in trainer.state.log_history)


class DistillationTrainer(transformers.Trainer):
    """transformers' Trainer, which refuses a loss that is not finite."""

    def evaluate(self, eval_dataset=None, ignore_keys=None, metric_key_prefix="eval"):
        """The mean loss over the validation pieces.

        Raises:
            ModelError: the loss is not finite.
        """
        losses = []
        self.model.eval()
        with torch.no_grad(), full_precision():
            for batch in self.get_eval_dataloader(eval_dataset):
                batch = self._prepare_inputs(batch)
                # Not by the model's own `forward`, which accelerate has put under autocast where training is in bf16.
                losses += [float(Distiller.forward(self.model, **batch)["loss"])] * len(batch["windows"])
        self.model.train()
        loss = float(np.mean(losses))
        check_finite(loss, self.state.global_step)
        metrics = {f"{metric_key_prefix}_loss": loss}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics


def _write(job: DistillationJob, done: _Trained, tried: Mapping[str, float | None]) -> None:
    table = learning_curves(done.trainer.state.log_history, CURVES)
    losses = table.loc[table["split"] == "validation", "loss"]
    hours = [sum(one.n_samples for one in part) / SAMPLING_RATE / 3600 for part in done.parts]
    record = {
        "settings": {key: value for key, value in job.settings.items() if key not in WITHOUT_RESULT},
        "learning_rates": tried,
        "steps": done.trainer.state.global_step,
        "loss_before": losses.iloc[0],
        "loss_after": losses.iloc[-1],
        "hours": {"train": hours[0], "validation": hours[1]},
    }
    folders = [manifests.described_folder(one) for one in (job.model, job.teacher)]
    digests = [manifests.read_manifest(one)["digest"] for one in (job.model, job.teacher)]
    origin = {"kind": "distilled", "of": str(folders[0]), "teacher": str(folders[1])}
    origin |= dict(zip(("digest", "teacher_digest"), digests, strict=True))
    model, tables = done.student.model.eval(), {"curves.tsv": table}
    copies = [PRUNED_LOADER] if ffn_widths(model.config) else []
    save_derived(
        job.folder, job.manifest, model, folders[0], origin, (RECORD, record), tables, copies=copies, replace=True
    )
