"""A finished training, loaded to be scored again: on the same test utterances, with the model edited."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from property_neurons.errors import ModelError, TaskError
from property_neurons.models.loading import SpeechEncoder, load_encoder
from property_neurons.models.precision import full_precision
from property_neurons.stores import manifests
from property_neurons.tasks.examples import Examples, collate, waveforms
from property_neurons.tasks.job import TaskJob, TaskTraining
from property_neurons.tasks.model import TaskModel, new_head
from property_neurons.tasks.remembered import Remembered
from property_neurons.tasks.table import TaskData, read_task_data


@dataclass(frozen=True)
class FineTuned:
    """A model fine-tuned on a task, with its head, in eval mode.

    model: both; `encoder.model` is the part that can be edited.
    """

    job: TaskJob
    data: TaskData
    encoder: SpeechEncoder
    model: TaskModel

    def examples(self, part: str, roots: Mapping[str, str] | None = None, *, remembered: int = 0) -> Examples:
        """The utterances of "train", "dev" or "test", whole or in the clips that the task scores, the longest first.

        Args:
            roots: the folder that each corpus's audio paths start from, where it is not the training's.
            remembered: bytes of the model's input to keep in memory, for more than one pass.
        """
        table = self.data.part(part)
        source = Remembered(waveforms(table, self.encoder, roots or self.job.roots), remembered)
        return Examples(table, self.data.kind, source, clips=TaskTraining(**self.job.settings).clips)


def load_fine_tuned(training: str | Path, *, model: str | Path | None = None, device: str = "cpu") -> FineTuned:
    """Load a training of mode fine_tuned.

    Args:
        training: its manifest.
        model: manifest of a prepared model that was made of the trained one (edited, say), to put under the head; None:
            the trained model itself.

    Raises:
        TaskError: it is no training, or of a frozen model.
        ModelError, StoreError: something is absent, altered, or of another training.
    """
    folder = manifests.described_folder(training)
    described = manifests.verify_files(folder, training)
    if "mode" not in described.get("job", {}):
        kind = described.get("class", "a pre-training" if "job" in described else "something else")
        raise TaskError(
            f"{training}: expected the manifest of a task's training, found that of {kind}; "
            "name results/tasks/TASK/MODEL/seed0.manifest.json"
        )
    job = TaskJob(**described["job"])
    if job.mode != "fine_tuned":
        raise TaskError(f"{folder}: expected a training of mode fine_tuned, found {job.mode}; train the model too")
    if model is not None:
        _check_made_of(training, described, Path(model))
    data = read_task_data(job.data)
    source = folder / "encoder" if model is None else manifests.described_folder(model)
    encoder = load_encoder(source, manifest=model, device=device)
    head = new_head(replace(job, initial=str(folder), device=device), TaskTraining(**job.settings), data, encoder)
    return FineTuned(job, data, encoder, TaskModel(head, encoder.model, trained=True).eval())


def _check_made_of(training: str | Path, described: Mapping[str, Any], model: Path) -> None:
    """Check that a model was made of the trained one: under this head any other model would give noise."""
    trained = _weights(described["files"], "encoder/")
    manifest, found = model, manifests.read_manifest(model)
    while _weights(found["files"]) != trained:
        source = found.get("source", {})
        if source.get("kind") not in ("edited", "pruned"):
            its = "another" if manifest == model else f"one made of {manifest}, which is another"
            raise ModelError(
                f"{model}: expected the model that {training} trained, or one made of it, found {its}; "
                "name a model and a training that belong together"
            )
        made_of = f"{source['of']}.manifest.json"
        # Where it was written from another working directory, the two may lie side by side.
        places = [place for place in (Path(made_of), manifest.with_name(Path(made_of).name)) if place.is_file()]
        if not places:
            raise ModelError(
                f"{manifest}: expected the model that it was made of, the one that {training} trained, at {made_of}, "
                "found nothing; put it back, or run where it was written"
            )
        manifest, found = places[0], manifests.read_manifest(places[0])
        if found["digest"] != source["digest"]:
            raise ModelError(
                f"{manifest}: expected the model that {model} was made of (digest {source['digest']}), found digest "
                f"{found['digest']}; it was made anew since: edit or prune it again"
            )


def _weights(files: Mapping[str, Any], folder: str = "") -> dict[str, Any]:
    """The entries of a manifest's files that hold weights, by their names in `folder`."""
    return {
        name.removeprefix(folder): tuple(entry)
        for name, entry in files.items()
        if name.startswith(folder) and name.endswith(".safetensors")
    }


def predictions(
    trained: FineTuned, examples: Examples, batch_size: int
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """What the model puts out for each utterance.

    Returns:
        row of `examples.table`; outputs of the head, [frames, units + 1], [speakers] or [frames]; its reference, as
        in `Examples`, filled up
    """
    loader = torch.utils.data.DataLoader(examples, batch_size=batch_size, collate_fn=collate)
    for batch in loader:
        labels = batch.pop("labels")
        outputs, lengths = _outputs(trained.model, batch)
        frames = trained.data.kind != "speaker_identification"
        for place, index in enumerate(batch["index"].tolist()):
            own = outputs[place, : lengths[place]] if frames else outputs[place]
            yield index, own, labels[place].numpy()


# Not around `predictions`: what stands around a generator ends before its first item is asked for.
@full_precision()
@torch.inference_mode()
def _outputs(model: TaskModel, batch: Mapping[str, Any]) -> tuple[np.ndarray, list[int]]:
    """Outputs of the head for a batch, float32 [utterances, ...], and the frames of each utterance."""
    found = model(**batch)
    return found["outputs"].float().cpu().numpy(), found["lengths"].tolist()
