"""The description of a task's training, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from property_neurons.stores import files, manifests
from property_neurons.training.optimisation import WITHOUT_RESULT, Optimisation


@dataclass(frozen=True, kw_only=True)
class TaskTraining(Optimisation):
    """How a task is trained; see `optimisation.Optimisation` for what is not said here.

    projector: width of the head's first linear layer; F0 has none.
    layers: of a frozen model, "all" (a learned weighted sum) or "last"; a fine-tuned model is read at the last.
    crop_seconds: longest piece of an utterance in training; None for none.
    test_seconds, test_clips: length and number of the clips of each utterance that is scored; None for whole ones.
    group_by_length: whether the utterances of a batch are of similar lengths.
    evaluate_every: steps between scorings of dev, the best of which is kept.
    """

    max_grad_norm: float = 1.0
    projector: int = 256
    layers: str = "all"
    crop_seconds: float | None = None
    test_seconds: float | None = None
    test_clips: int = 1
    group_by_length: bool = False

    @property
    def clips(self) -> tuple[float, int] | None:
        """Length and number of the clips that are scored, as `examples.Examples` takes them."""
        return None if self.test_seconds is None else (self.test_seconds, self.test_clips)


@dataclass(frozen=True)
class TaskJob:
    """Everything one job needs, as plain values.

    task, model_name: names, for messages and metrics.
    mode: "frozen" or "fine_tuned".
    data: manifest of the task's table.
    model: manifest of the prepared model.
    roots: the folder that each corpus's audio paths start from.
    states: for each corpus the manifest of the model's stored states; empty: the model runs in the training. Crops
        are then cut out of the audio, and not out of the states of whole utterances.
    settings: fields of `TaskTraining`.
    folder: to write; its manifest lies beside it.
    work: where the Trainer keeps its checkpoints; removed when done.
    initial: folder of a training of this task whose head is trained on; None = a new head.
    device: "cpu" or "cuda".
    tensorboard: folder of TensorBoard logs, or None.
    code: fingerprint of the code, so that a checkpoint of other code is not resumed.
    """

    task: str
    model_name: str
    mode: str
    data: str
    model: str
    roots: Mapping[str, str]
    settings: Mapping[str, Any]
    folder: str
    work: str
    states: Mapping[str, str] = field(default_factory=dict)
    initial: str | None = None
    device: str = "cpu"
    tensorboard: str | None = None
    code: str = ""

    @property
    def name(self) -> str:
        """For messages and the progress bar."""
        return f"{self.task} on {self.model_name}, seed {self.settings.get('seed', 0)}"

    def items_before(self) -> int:
        """The items that the trainings before this one have drawn; this one goes on from there."""
        return 0 if self.initial is None else files.read_json(Path(self.initial) / "training.json").get("items", 0)

    def identity(self) -> str:
        """A digest of what the result depends on."""
        settings = {key: value for key, value in self.settings.items() if key not in WITHOUT_RESULT}
        inputs = [self.data, self.model, *([f"{self.initial}.manifest.json"] if self.initial else [])]
        content = {
            "mode": self.mode,
            "settings": settings,
            "half_precision": bool(self.states),
            "code": self.code,
            "inputs": [manifests.read_manifest(manifest)["digest"] for manifest in inputs],
        }
        return manifests.digest_of(content)
