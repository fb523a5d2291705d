"""How much disk the results will take; the small kinds of results are left out."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from property_neurons import plan
from property_neurons.config.corpora import DemoCorpus
from property_neurons.config.models import DistilledModel, PretrainedModel, TunedModel
from property_neurons.config.root import Config
from property_neurons.counting.unit_pools import DEALINGS, MOST_COUNTS, summed_up
from property_neurons.doctor.needs import Needs
from property_neurons.doctor.shapes import Shape, shape_of, shape_of_run
from property_neurons.doctor.speech import FRAMES_PER_SECOND, speech_of
from property_neurons.progress import duration
from property_neurons.ranks.sites import active_neurons

# Middle frames of segments, as a share of all frames (LibriSpeech dev-clean).
_MIDDLE_SHARE = 0.21
_LOG_MEL_BYTES_PER_SECOND = 16_000
_FRAME_STORE_BYTES_PER_SECOND = 230
# Counts of all properties of one model: 7.5 MB for 12 x 328 cells x 3072 neurons, int64, compressed (measured).
_COUNT_BYTES_PER_NEURON = 203
# Counts by unit of the five properties, for each frame and active neuron (sample: 64 MB for 486,000 frames x 48).
_UNIT_BYTES_PER_ACTIVE_NEURON = 2.7
# Where they are summed up by speaker: rows of the five properties for each speaker (117 as they are, those of pitch and
# duration by each dealing), bytes for each of their neurons (six in ten are active at least once), and speech of one
# speaker, as in LibriSpeech. Pools keep each of the five within `MOST_COUNTS` of a layer.
_SUMMED_ROWS, _SUMMED_BYTES, _SECONDS_PER_SPEAKER = 117 + 207 * DEALINGS, 1.5, 1480
_PROPERTIES = 5
# Of a neuron in a frame: half precision rounded to 5 bits, compressed (melhubert-mini on 18 minutes: 284 MB).
_VALUE_BYTES = 1.14
# What the workflow makes of recordings is FLAC: 17 kB a second of LibriSpeech, 21 kB of the demo's voices.
_MADE_AUDIO_BYTES_PER_SECOND = 20_000
# `max_frames` of rule store_probed_frames, and the values of a frame of log-Mel in pairs.
_PROBED_FRAMES, _LOG_MEL_PAIR = 60_000, 80
_FP32 = 4.0


@dataclass(frozen=True)
class DiskUse:
    """The disk space of one kind of result.

    n_bytes: of the complete results; to_write: of those that do not exist yet.
    """

    what: str
    detail: str
    n_bytes: float
    to_write: float


def disk_uses(config: Config, needs: Needs) -> list[DiskUse]:
    """What the results will take, kind by kind."""
    return [
        *_ranks(config, needs),
        *_frames(config, needs),
        _counts(config, needs),
        _unit_counts(config, needs),
        *_values(config, needs),
        *_made_audio(config, needs),
        *_log_mel(config, needs),
        *_clustered_frames(config, needs),
        *_hidden_states(config, needs),
        *_probed_frames(config, needs),
        *_models(config, needs),
    ]


def still_to_write(uses: Sequence[DiskUse]) -> float:
    """Bytes that are not there yet."""
    return sum(use.to_write for use in uses)


def shown(n_bytes: float) -> str:
    """Bytes in powers of ten, two digits."""
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if n_bytes >= size:
            return f"{n_bytes / size:.{0 if n_bytes >= 10 * size else 1}f} {unit}"
    return f"{n_bytes / 1e3:.0f} kB"


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


def _ranks(config: Config, needs: Needs) -> Iterator[DiskUse]:
    for model, corpus in needs.ranks:
        speech, shape = speech_of(config, corpus), shape_of(config, model)
        kept = [active_neurons(config.ranks.lambda_max, width) for width in shape.widths]
        layers = f"{len(kept)} x {max(kept)} ids of {max(shape.widths)}" if kept else "no layers"
        assumed = "a base model assumed" if shape.assumed else config.ranks.frames
        detail = f"{duration(speech.seconds)} ({speech.source}), {layers}, {assumed}"
        n_bytes, folder = rank_bytes(shape, speech.seconds, config), plan.paths.ranks(config, model, corpus)
        yield _by_shard(config, corpus, folder, f"ranks of {model} on {corpus}", detail, n_bytes)


def _frames(config: Config, needs: Needs) -> Iterator[DiskUse]:
    for corpus in dict.fromkeys(corpus for _, corpus in needs.ranks):
        seconds, folder = speech_of(config, corpus).seconds, plan.paths.frames(config, corpus)
        n_bytes = seconds * _FRAME_STORE_BYTES_PER_SECOND
        yield _by_shard(config, corpus, folder, f"frames of {corpus}", duration(seconds), n_bytes)


def _log_mel(config: Config, needs: Needs) -> Iterator[DiskUse]:
    coded = {config.pretraining[run].corpus for run in needs.runs if plan.pretraining.takes_coded(config, run)}
    for corpus in dict.fromkeys(config.pretraining[run].corpus for run in needs.runs):
        seconds, folder = speech_of(config, corpus).seconds, plan.paths.log_mel(config, corpus)
        n_bytes = seconds * _LOG_MEL_BYTES_PER_SECOND * (1 + (corpus in coded))
        yield _by_shard(config, corpus, folder, f"log-Mel frames of {corpus}", duration(seconds), n_bytes)


def _by_shard(config: Config, corpus: str, folder: str, what: str, detail: str, n_bytes: float) -> DiskUse:
    """What lies in `folder` shard by shard: those that have a manifest are there."""
    manifests = plan.corpora.shard_manifests(config, corpus, folder)
    lacking = sum(not Path(manifest).is_file() for manifest in manifests) / max(1, len(manifests))
    return DiskUse(what, detail, n_bytes, n_bytes * lacking)


def _counts(config: Config, needs: Needs) -> DiskUse:
    # One folder of all properties for each model and corpus.
    sizes = {
        Path(plan.paths.counts(config, model, corpus, "any")).parent: _COUNT_BYTES_PER_NEURON
        * sum(shape_of(config, model).widths)
        for model, corpus in needs.ranks
    }
    to_write = sum(size for folder, size in sizes.items() if not folder.is_dir())
    return DiskUse("counts", f"{len(sizes)} x model and corpus", sum(sizes.values()), to_write)


def _unit_counts(config: Config, needs: Needs) -> DiskUse:
    sizes = {}
    for model, corpus in needs.ranks:
        seconds, widths = speech_of(config, corpus).seconds, shape_of(config, model).widths
        active = [active_neurons(config.analysis.lambda_, width) for width in widths]
        n_bytes = seconds * FRAMES_PER_SECOND * sum(active) * _UNIT_BYTES_PER_ACTIVE_NEURON
        if summed_up(seconds * FRAMES_PER_SECOND, max(active)):
            counts = seconds / _SECONDS_PER_SPEAKER * _SUMMED_ROWS * sum(widths)
            n_bytes = min(counts, _PROPERTIES * MOST_COUNTS * len(widths)) * _SUMMED_BYTES
        sizes[Path(config.results, "unit_counts", model, corpus)] = n_bytes
    to_write = sum(size for folder, size in sizes.items() if not folder.is_dir())
    return DiskUse("counts by unit", f"{len(sizes)} x model and corpus", sum(sizes.values()), to_write)


def _values(config: Config, needs: Needs) -> Iterator[DiskUse]:
    """The values of all neurons in some minutes of speech, for browsers and selectors."""
    for model, corpus in needs.values:
        whole = speech_of(config, corpus).seconds
        seconds = whole if config.browser.minutes is None else min(whole, 60 * config.browser.minutes)
        n_bytes = seconds * FRAMES_PER_SECOND * sum(shape_of(config, model).widths) * _VALUE_BYTES
        folder = plan.paths.activations(config, model, corpus)
        yield _by_shard(config, corpus, folder, f"values of {model} on {corpus}", duration(seconds), n_bytes)


def _made_audio(config: Config, needs: Needs) -> Iterator[DiskUse]:
    """Speech that is synthesised, and copies of recordings at 16 kHz and mono."""
    for corpus in needs.corpora:
        if isinstance(config.corpora[corpus], DemoCorpus) or plan.corpora.converted(config, corpus):
            seconds = speech_of(config, corpus).seconds
            n_bytes = seconds * _MADE_AUDIO_BYTES_PER_SECOND
            done = Path(f"{plan.paths.corpus(config, corpus)}/utterances.parquet").is_file()
            yield DiskUse(f"audio of {corpus}", f"{duration(seconds)}, FLAC", n_bytes, 0.0 if done else n_bytes)


def _clustered_frames(config: Config, needs: Needs) -> Iterator[DiskUse]:
    """The frames that k-means is fitted on: those of a layer for a stage's targets, those of clusters of frames."""
    for run in needs.runs:
        section = config.pretraining[run]
        for number, stage in enumerate(section.stages, start=1):
            folder = plan.pretraining.sample(config, run, number)
            if folder is None or stage.targets_of is not None:
                continue
            targets = stage.targets
            shape = shape_of_run(config, run) if targets.model is None else shape_of(config, targets.model)
            seconds = min(speech_of(config, section.corpus).seconds, 3600 * targets.fit_hours)
            n_bytes = _FP32 * seconds * FRAMES_PER_SECOND * shape.hidden_size
            what, detail = (
                f"frames that stage {number} of {run} clusters",
                f"{duration(seconds)} of layer {targets.layer}",
            )
            yield _until_clustered(what, detail, n_bytes, Path(folder).parent)
    corpus = config.figures.corpus
    for name in plan.clusters.used(config):
        clusters = config.clusters[name]
        # Of an utterance or a speaker one point is kept.
        if clusters.of == "frames" and any(of == corpus for _, of in needs.ranks):
            width = _LOG_MEL_PAIR if clusters.model is None else shape_of(config, clusters.model).hidden_size
            seconds = min(speech_of(config, corpus).seconds, 3600 * clusters.fit_hours)
            folder = Path(plan.paths.clusters(config, corpus, name))
            n_bytes = _FP32 * seconds * FRAMES_PER_SECOND * width
            yield _until_clustered(f"frames that {name} clusters", duration(seconds), n_bytes, folder)


def _until_clustered(what: str, detail: str, n_bytes: float, folder: Path) -> DiskUse:
    """What is deleted as soon as `folder` has the codebook that was fitted on it."""
    done = (folder / "codebook.safetensors").is_file()
    return DiskUse(what, f"{detail}, deleted as soon as they are clustered", n_bytes, 0.0 if done else n_bytes)


def _probed_frames(config: Config, needs: Needs) -> Iterator[DiskUse]:
    """The frames of phones in all layers that are probed."""
    sizes, to_write = {}, 0.0
    for model, corpus in needs.probed:
        shape, seconds = shape_of(config, model), speech_of(config, corpus).seconds
        values = _LOG_MEL_PAIR + shape.blocks * shape.hidden_size
        sizes[model, corpus] = _FP32 * min(_PROBED_FRAMES, seconds * FRAMES_PER_SECOND) * values
        to_write += sizes[model, corpus] * (not Path(config.results, "probes", model, f"{corpus}.tsv").is_file())
    if sizes:
        detail = "of the figure of probes; at most: deleted as soon as a model is probed"
        yield DiskUse(f"layers to probe of {len(sizes)} x model and corpus", detail, sum(sizes.values()), to_write)


def _hidden_states(config: Config, needs: Needs) -> Iterator[DiskUse]:
    """The hidden states, in half precision, that tasks share (`precompute`)."""
    sizes = {}
    for task, model, _ in needs.scored:
        for folder in plan.tasks.stored_states(config, task, model):
            frames = speech_of(config, Path(folder).name).seconds * FRAMES_PER_SECOND
            sizes[folder] = 2.0 * frames * shape_of(config, model).states
    if sizes:
        detail = "at most: deleted as soon as the tasks that share them are done"
        yield _by_manifest(f"hidden states of {len(sizes)} x model and corpus", detail, sizes)


def _models(config: Config, needs: Needs) -> Iterator[DiskUse]:
    sizes = {model: _FP32 * shape_of(config, model).parameters for model in needs.models}
    folders = {plan.paths.model(config, model): size for model, size in sizes.items()}
    yield _by_manifest(f"{len(sizes)} models", "fp32", folders)
    checkpoints = _checkpoints(config, needs, sizes)
    if checkpoints:
        yield _by_manifest(f"{len(checkpoints)} checkpoints", "fp32, as trained", checkpoints)
    distilled = [size for model, size in sizes.items() if isinstance(config.models[model], DistilledModel)]
    if trained := [*checkpoints.values(), *distilled]:
        # A running training holds two checkpoints of weights and both moments of Adam.
        n_bytes = 6 * max(trained)
        detail = "two checkpoints with Adam's moments, for each training that runs at the time"
        yield DiskUse("a training", detail, n_bytes, n_bytes)


def _checkpoints(config: Config, needs: Needs, sizes: Mapping[str, float]) -> dict[str, float]:
    """The size of every checkpoint of pre-training, and of every training of a task that trains a model, by folder.

    Args:
        sizes: bytes of the models, by name.
    """
    found: dict[str, float] = {}
    for task, model, seed in needs.scored:
        # Of a frozen model the head alone is kept.
        if config.tasks[task].mode == "fine_tuned":
            found[plan.paths.training(config, task, model, seed)] = _FP32 * shape_of(config, model).parameters
    for model, size in sizes.items():
        section = config.models[model]
        if isinstance(section, TunedModel):
            found[plan.paths.training(config, section.task, section.of, section.seed)] = size
        elif isinstance(section, PretrainedModel):
            last = section.stage or len(config.pretraining[section.run].stages)
            found |= {plan.paths.checkpoint(config, section.run, stage): size for stage in range(1, last + 1)}
    return found


def _by_manifest(what: str, detail: str, sizes: Mapping[str, float]) -> DiskUse:
    """What is made folder by folder; `sizes`: bytes by folder."""
    to_write = sum(size for folder, size in sizes.items() if not Path(plan.paths.manifest(folder)).is_file())
    return DiskUse(what, detail, sum(sizes.values()), to_write)
