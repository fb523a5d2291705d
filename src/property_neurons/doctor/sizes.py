"""How much speech a corpus holds, and how much room what is made of it takes, without reading any audio."""

import json
import math
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import huggingface_hub

from property_neurons import plan
from property_neurons.config.corpora import DemoCorpus, VoxCelebCorpus
from property_neurons.config.models import (
    EditedModel,
    HubModel,
    PretrainedModel,
    PrunedModel,
    RandomTwinModel,
    TunedModel,
    WhisperWheelModel,
)
from property_neurons.config.root import Config
from property_neurons.corpus.audio import SAMPLE_RATE
from property_neurons.doctor.needs import Needs
from property_neurons.errors import StoreError
from property_neurons.ranks.store import active_neurons
from property_neurons.stores.files import read_table
from property_neurons.stores.manifests import read_manifest

FRAMES_PER_SECOND = 50
# Subset of LibriSpeech: hours, utterances, speakers.
LIBRISPEECH = {
    "dev-clean": (5.39, 2703, 40),
    "dev-other": (5.12, 2864, 33),
    "test-clean": (5.40, 2620, 40),
    "test-other": (5.34, 2939, 33),
    "train-clean-100": (100.59, 28_539, 251),
    "train-clean-360": (363.61, 104_014, 921),
    "train-other-500": (496.86, 148_688, 1166),
}
_VOXCELEB1 = (352.0, 153_516)
# Bytes a second of 16 kHz speech takes: 16-bit samples; what FLAC makes of LibriSpeech; 64 kbit/s.
_AUDIO_BYTES = {".wav": 32_000, ".flac": 17_400, ".mp3": 8_000, ".ogg": 8_000}
# Sentences are whole and every voice speaks its share: 18.4 minutes come of the 16 asked for.
_DEMO_SURPLUS = 1.15
# Middle frames of segments, as a share of all frames (LibriSpeech dev-clean).
_MIDDLE_SHARE = 0.21
_LOG_MEL_BYTES_PER_SECOND = 16_000
_FRAME_STORE_BYTES_PER_SECOND = 230
# Counts of all properties of one model: 7.5 MB for 12 x 328 cells x 3072 neurons, int64, compressed (measured).
_COUNT_BYTES_PER_NEURON = 203
_BASE = ((3072,) * 12, 94_400_000, 13 * 768)
_WHISPER_TINY = ((1536,) * 4, 8_200_000, 5 * 384)


@dataclass(frozen=True)
class Speech:
    """Seconds and utterances of a corpus, and how they are known."""

    seconds: float
    utterances: int
    source: str


@dataclass(frozen=True)
class Shape:
    """What is known of a model before it is there.

    widths: neurons of each feed-forward network.
    parameters: about.
    states: values of its hidden states in one frame, (blocks + 1) x hidden size.
    assumed: nothing told, so the shape of a base model is taken.
    """

    widths: tuple[int, ...]
    parameters: int
    states: int
    assumed: bool = False


@dataclass(frozen=True)
class Room:
    """What some part of the results will take.

    n_bytes: in the end; missing: the part of it that is still to be written.
    """

    what: str
    detail: str
    n_bytes: float
    missing: float


def speech_of(config: Config, corpus: str) -> Speech:
    """How much speech a corpus holds: as scanned, else by LibriSpeech's known sizes, else by the size of its files."""
    section = config.corpora[corpus]
    if isinstance(section, DemoCorpus):
        seconds = section.minutes * 60 * _DEMO_SURPLUS
        return Speech(seconds, round(seconds / 10), "as configured")
    if isinstance(section, VoxCelebCorpus):
        return Speech(_VOXCELEB1[0] * 3600, _VOXCELEB1[1], "known size of VoxCeleb1")
    parts = [_subset_speech(config, corpus, subset) for subset in plan.corpora.subsets(config, corpus)]
    sources = dict.fromkeys(part.source for part in parts)
    return Speech(sum(part.seconds for part in parts), sum(part.utterances for part in parts), ", ".join(sources))


def _subset_speech(config: Config, corpus: str, subset: str) -> Speech:
    table = f"{plan.paths.subset(config, corpus, subset)}/utterances.parquet"
    # One that is damaged tells nothing; `sources.corpus_findings` names it.
    with suppress(StoreError):
        samples = read_table(table, columns=["n_samples"])["n_samples"]
        return Speech(samples.sum() / SAMPLE_RATE, len(samples), "as scanned")
    folder = Path(plan.corpora.root(config, corpus)) / subset
    if subset in LIBRISPEECH:
        hours, utterances, speakers = LIBRISPEECH[subset]
        found = _folders_in(folder)
        if found is None or found >= speakers:
            return Speech(hours * 3600, utterances, "known size of LibriSpeech")
    return _speech_by_size(folder)


def _folders_in(folder: Path) -> int | None:
    """How many folders it holds; None where it cannot be looked into."""
    try:
        return sum(entry.is_dir() for entry in os.scandir(folder))
    except OSError:
        return None


def _speech_by_size(folder: Path) -> Speech:
    seconds, utterances = 0.0, 0
    for path, _, files in os.walk(folder):
        for file in files:
            rate = _AUDIO_BYTES.get(Path(file).suffix.lower())
            if rate is not None:
                seconds += (Path(path) / file).stat().st_size / rate
                utterances += 1
    return Speech(seconds, utterances, "by the size of the audio files")


def shape_of(config: Config, model: str) -> Shape:
    """The shape of a model: as prepared, else by its config.json or the configuration, else that of a base model."""
    prepared = plan.paths.model(config, model)
    with suppress(StoreError):
        content = read_manifest(plan.paths.manifest(prepared))
        states = _shape_in(f"{prepared}/config.json").states
        return Shape(tuple(site["width"] for site in content["sites"]), content["n_parameters"], states)
    section = config.models[model]
    match section:
        case EditedModel() | PrunedModel() | RandomTwinModel() | TunedModel():
            return shape_of(config, section.of)
        case PretrainedModel():
            run = config.pretraining[section.run]
            return shape_of(config, run.starts_from) if run.starts_from else _shape(run.architecture.model_dump())
        case WhisperWheelModel():
            return Shape(*_WHISPER_TINY)
        case HubModel():
            cached = huggingface_hub.try_to_load_from_cache(section.id, "config.json", revision=section.revision)
            return _shape_in(cached) if isinstance(cached, str) else Shape(*_BASE, assumed=True)
    folder = plan.models.source(config, model).get("path")
    return _shape_in(f"{folder}/config.json") if folder else Shape(*_BASE, assumed=True)


def _shape_in(file: str) -> Shape:
    try:
        return _shape(json.loads(Path(file).read_text()))
    except (OSError, ValueError, KeyError, TypeError):
        return Shape(*_BASE, assumed=True)


def _shape(fields: dict) -> Shape:
    layers = fields.get("encoder_layers") or fields["num_hidden_layers"]
    width = fields.get("encoder_ffn_dim") or fields["intermediate_size"]
    hidden = fields.get("d_model") or fields["hidden_size"]
    per_block = 2 if fields.get("model_type") in ("wav2vec2-conformer", "wav2vec2-bert") else 1
    widths = tuple(fields.get("intermediate_sizes") or (width,) * (layers * per_block))
    # Attention, feed-forward networks, and the convolution that tells positions (in 16 groups).
    parameters = layers * 4 * hidden**2 + 2 * hidden * sum(widths) + 8 * hidden**2
    return Shape(widths, parameters, (layers + 1) * hidden)


def rank_bytes(shape: Shape, seconds: float, config: Config) -> float:
    """What the ranks of some speech take on disk, in bytes.

    uint16 ids of the lambda_max * width most active neurons of every stored frame; compression leaves the bits in
    which ids differ, 12 of 16 for 3072 neurons (measured: 0.53 to 0.62 of the raw size).
    """
    frames = seconds * FRAMES_PER_SECOND * (1 if config.ranks.frames == "all" else _MIDDLE_SHARE)
    return sum(
        frames * active_neurons(config.ranks.lambda_max, width) * math.ceil(math.log2(max(2, width))) / 8
        for width in shape.widths
    )


def rooms(config: Config, needs: Needs) -> list[Room]:
    """What the results will take, the small kinds left out.

    Ranks, frame stores, counts, log-Mel frames, hidden states, models, checkpoints of what was trained, and a training
    in progress.
    """
    found = []
    for model, corpus in needs.ranks:
        speech, shape = speech_of(config, corpus), shape_of(config, model)
        size = rank_bytes(shape, speech.seconds, config)
        detail = f"{speech.seconds / 3600:,.1f} h ({speech.source}), {_listing(shape, config)}"
        folder = plan.paths.ranks(config, model, corpus)
        found.append(Room(f"ranks of {model} on {corpus}", detail, size, size * _missing(config, folder, corpus)))
    for corpus in dict.fromkeys(corpus for _, corpus in needs.ranks):
        seconds = speech_of(config, corpus).seconds
        size = seconds * _FRAME_STORE_BYTES_PER_SECOND
        missing = size * _missing(config, plan.paths.frames(config, corpus), corpus)
        found.append(Room(f"frames of {corpus}", f"{seconds / 3600:,.1f} h", size, missing))
    counts = {pair: _COUNT_BYTES_PER_NEURON * sum(shape_of(config, pair[0]).widths) for pair in needs.ranks}
    to_count = sum(
        size
        for (model, corpus), size in counts.items()
        if not Path(f"{config.results}/counts/{model}/{corpus}").is_dir()
    )
    found.append(Room("counts", f"{len(counts)} x model and corpus", sum(counts.values()), to_count))
    for corpus in dict.fromkeys(config.pretraining[run].corpus for run in needs.runs):
        seconds = speech_of(config, corpus).seconds
        size = seconds * _LOG_MEL_BYTES_PER_SECOND * (1 + plan.pretraining.needs_mp3(config, corpus))
        missing = size * _missing(config, plan.paths.log_mel(config, corpus), corpus)
        found.append(Room(f"log-Mel frames of {corpus}", f"{seconds / 3600:,.1f} h", size, missing))
    if states := _stored_states(config, needs):
        size, there = sum(states.values()), sum(size for stem, size in states.items() if _is_there(stem))
        detail = "at most: deleted as soon as the tasks that share them are done"
        found.append(Room(f"hidden states of {len(states)} x model and corpus", detail, size, size - there))
    sizes = {model: 4.0 * shape_of(config, model).parameters for model in needs.models}
    to_write = sum(size for model, size in sizes.items() if not _is_there(plan.paths.model(config, model)))
    found.append(Room(f"{len(sizes)} models", "fp32", sum(sizes.values()), to_write))
    trained = [model for model in needs.models if isinstance(config.models[model], PretrainedModel | TunedModel)]
    if trained:
        written = _checkpoints(config, trained)
        missing = sum(size for stem, size in written.items() if not _is_there(stem))
        found.append(Room(f"{len(written)} checkpoints", "fp32, as trained", sum(written.values()), missing))
        # A running training holds two checkpoints of weights and both moments of Adam.
        largest = max(sizes[model] for model in trained)
        detail = "two checkpoints with Adam's moments, for each training that runs at the time"
        found.append(Room("a training", detail, 6 * largest, 6 * largest))
    return found


def _stored_states(config: Config, needs: Needs) -> dict[str, float]:
    """Bytes of the hidden states that tasks share (`precompute`), by the stem of their manifest."""
    found = {}
    for task, model in needs.scored:
        for stem in plan.tasks.stored_states(config, task, model):
            frames = speech_of(config, Path(stem).name).seconds * FRAMES_PER_SECOND
            found[stem] = 2.0 * frames * shape_of(config, model).states
    return found


def _checkpoints(config: Config, models: Sequence[str]) -> dict[str, float]:
    """Bytes of every checkpoint that trained models come from, by the stem of its manifest."""
    found: dict[str, float] = {}
    for model in models:
        section, size = config.models[model], 4.0 * shape_of(config, model).parameters
        if isinstance(section, TunedModel):
            found[plan.paths.training(config, section.task, section.of, section.seed)] = size
        else:
            last = section.stage or len(config.pretraining[section.run].stages)
            found |= {plan.paths.checkpoint(config, section.run, stage): size for stage in range(1, last + 1)}
    return found


def _listing(shape: Shape, config: Config) -> str:
    kept = [active_neurons(config.ranks.lambda_max, width) for width in shape.widths]
    what = f"{len(kept)} x {max(kept)} ids of {max(shape.widths)}" if kept else "no layers"
    return f"{what}, {'a base model assumed' if shape.assumed else config.ranks.frames}"


def _missing(config: Config, folder: str, corpus: str) -> float:
    """The share of a corpus's shards that have nothing in `folder` yet."""
    manifests = plan.corpora.shard_manifests(config, corpus, folder)
    return sum(not Path(manifest).is_file() for manifest in manifests) / max(1, len(manifests))


def _is_there(stem: str) -> bool:
    return Path(plan.paths.manifest(stem)).is_file()


def shown(n_bytes: float) -> str:
    """Bytes in powers of ten, two digits."""
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if n_bytes >= size:
            return f"{n_bytes / size:.{0 if n_bytes >= 10 * size else 1}f} {unit}"
    return f"{n_bytes / 1e3:.0f} kB"


def total(rooms_: Sequence[Room]) -> float:
    """Bytes still to be written."""
    return sum(room.missing for room in rooms_)
