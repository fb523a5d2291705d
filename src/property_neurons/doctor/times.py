"""Rough times of the results, without trainings of tasks, pruning and erasure.

Every number was measured on one core of a two-core AMD EPYC or Intel Xeon (docs/benchmarks.md, docs/scale.md and
docs/pitch.md), but for those of the GPU, which are arithmetic. Another machine may well take half or twice as long.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from property_neurons import plan
from property_neurons.config.corpora import DemoCorpus, VoxCelebCorpus
from property_neurons.config.models import DistilledModel, PrunedModel, TunedModel
from property_neurons.config.root import Config
from property_neurons.doctor.needs import Needs
from property_neurons.doctor.shapes import Shape, shape_of, shape_of_run
from property_neurons.doctor.speech import FRAMES_PER_SECOND, speech_of, subset_speech
from property_neurons.progress import duration
from property_neurons.ranks.sites import active_neurons

# Seconds that a job takes before it works: imports, and for a model its weights.
_START, _MODEL_START = 4.0, 9.0
# Seconds for an hour of speech.
_SYNTHESIS, _ALIGNMENT, _SCAN, _LABELS = 25.0, 130.0, 2.4, 2.0
_PITCH = {"yaapt": 80.0, "praat": 7.0, "pyin": 300.0, "bins": 0.0, "none": 0.0}
# Counting one property: seconds for an hour of speech, and more for each active neuron of a frame.
_COUNTING, _COUNTING_PER_ID = 1.5, 0.012
# Scaling a layer's patterns with one seed.
_PLANE = 0.11
# What is held against chance, of one property in the default config: the one measurement that there is.
_NULL, _PERMUTATIONS = 5.0, 1000
_PROPERTIES = 4
_FIGURES = 7
# Operations a second: of one core on a base model, and on one too small to keep it busy.
_CORE, _CORE_SMALL, _SMALL_PARAMETERS = 77e9, 31e9, 30e6
# An A100's peaks in fp32 and bf16, of which 35 % is assumed.
_GPU, _GPU_BF16 = 0.35 * 19.5e12, 0.35 * 312e12
# Convolutions of HuBERT and its kin over a second of waveform.
_CONVOLUTIONS = 4.9e9
# A training step is a forward and a backward pass; however small the model, a GPU waits for what is to be done.
_PASSES, _GPU_STEP = 3, 0.01


@dataclass(frozen=True)
class TimeUse:
    """The time of one kind of work.

    core: seconds on one core; gpu: seconds on an A100, of what a GPU does, None for the rest.
    lacking: the share of it that is not done yet.
    """

    what: str
    detail: str
    core: float
    gpu: float | None
    lacking: float = 1.0


def time_uses(config: Config, needs: Needs) -> list[TimeUse]:
    """The time that the results will take, step by step; finished steps take none."""
    uses = [*_corpora(config, needs), *_ranks(config, needs), *_analysis(config, needs), *_pretraining(config, needs)]
    return [use for use in uses if use.lacking and use.core]


def together(uses: list[TimeUse]) -> float:
    """Seconds on one core."""
    return sum(use.core * use.lacking for use in uses)


def with_gpu(uses: list[TimeUse]) -> tuple[float, float]:
    """Seconds on an A100 of what a GPU can do, and on one core of the rest."""
    on_gpu = sum(use.gpu * use.lacking for use in uses if use.gpu is not None)
    return on_gpu, sum(use.core * use.lacking for use in uses if use.gpu is None)


def not_estimated(config: Config, needs: Needs) -> list[str]:
    """What of all that is needed has no estimate."""
    found = []
    for name in needs.models:
        match config.models[name]:
            case TunedModel():
                found.append(f"the training of {name}")
            case DistilledModel():
                found.append(f"the distillation of {name}")
            case PrunedModel() as model if model.score == "l0":
                found.append(f"the learning of {name}'s gates")
            case PrunedModel() as model if model.needs_calibration:
                found.append(f"the calibration of {name}")
    return found + [
        f"the pass of a model for clusters {name}" for name in plan.clusters.used(config) if config.clusters[name].model
    ]


def operations(shape: Shape, seconds: float, utterances: int) -> float:
    """Floating-point operations of a forward pass over some speech.

    Whisper takes windows of 30 s, however short the utterance.
    """
    if shape.window_seconds:
        seconds = max(seconds, utterances * shape.window_seconds)
    convolutions = _CONVOLUTIONS if shape.reads_waveform else 0.0
    return seconds * (2 * FRAMES_PER_SECOND * shape.parameters + convolutions)


def _on_core(shape: Shape, n_operations: float) -> float:
    return n_operations / (_CORE if shape.parameters >= _SMALL_PARAMETERS else _CORE_SMALL)


def _corpora(config: Config, needs: Needs) -> Iterator[TimeUse]:
    for corpus in needs.corpora:
        section, speech = config.corpora[corpus], speech_of(config, corpus)
        hours, folder = speech.seconds / 3600, plan.paths.corpus(config, corpus)
        done = Path(f"{folder}/utterances.parquet").is_file()
        synthesis = hours * _SYNTHESIS if isinstance(section, DemoCorpus) else 0.0
        detail = f"{duration(speech.seconds)} of speech"
        yield TimeUse(f"scan of {corpus}", detail, synthesis + hours * _SCAN + 3 * _START, None, float(not done))
        if isinstance(section, VoxCelebCorpus):
            continue
        for subset in plan.corpora.subsets(config, corpus):
            if plan.corpora.aligned_here(config, corpus, subset):
                work = _START + subset_speech(config, corpus, subset).seconds / 3600 * _ALIGNMENT
                manifest = plan.paths.manifest(plan.corpora.alignment_source(config, corpus, subset)["path"])
                lacking = float(not Path(manifest).is_file())
                yield TimeUse(f"alignment of {corpus}/{subset}", "PocketSphinx", work, None, lacking)
        jobs, method = len(plan.corpora.shards(config, corpus)), section.pitch.method
        lacking = _lacking(config, corpus, plan.paths.frames(config, corpus))
        work = jobs * _START + hours * (_LABELS + _PITCH[method])
        if any(of == corpus for _, of in needs.ranks):
            yield TimeUse(f"frames and F0 of {corpus}", method, work, None, lacking)


def _ranks(config: Config, needs: Needs) -> Iterator[TimeUse]:
    for model, corpus in needs.ranks:
        speech, shape = speech_of(config, corpus), shape_of(config, model)
        n_operations = operations(shape, speech.seconds, speech.utterances)
        start = _MODEL_START * len(plan.corpora.shards(config, corpus))
        lacking = _lacking(config, corpus, plan.paths.ranks(config, model, corpus))
        detail = "a base model assumed" if shape.assumed else f"{shape.parameters / 1e6:,.0f} million parameters"
        core, gpu = start + _on_core(shape, n_operations), start + n_operations / _GPU
        yield TimeUse(f"ranks of {model} on {corpus}", detail, core, gpu, lacking)


def _analysis(config: Config, needs: Needs) -> Iterator[TimeUse]:
    """Preparing models, counting (by cell and by unit), finding, scaling and drawing."""
    seconds = to_do = 0.0
    for model, corpus in needs.ranks:
        speech, shape = speech_of(config, corpus), shape_of(config, model)
        active = sum(active_neurons(config.analysis.lambda_, width) for width in shape.widths)
        counting = speech.seconds / 3600 * (_COUNTING + _COUNTING_PER_ID * active)
        null = _NULL * config.statistics.permutations / _PERMUTATIONS
        plane = _PLANE * len(shape.widths) * len(config.embedding.seeds)
        of_model = _MODEL_START + _PROPERTIES * (4 * _START + 2 * counting + null + plane)
        seconds += of_model
        to_do += of_model * (not Path(plan.paths.counts(config, model, corpus, "any")).parent.is_dir())
    drawing = _FIGURES * _START
    done = Path(f"{config.results}/figures/fig2.tsv").is_file()
    seconds, to_do = seconds + drawing, to_do + drawing * (not done)
    detail = f"{len(needs.ranks)} x model and corpus"
    yield TimeUse("counts, neurons, planes, figures", detail, seconds, None, to_do / seconds)


def _pretraining(config: Config, needs: Needs) -> Iterator[TimeUse]:
    for run in needs.runs:
        shape, speech = shape_of_run(config, run), speech_of(config, config.pretraining[run].corpus)
        mean_seconds = speech.seconds / max(1, speech.utterances)
        for number, stage in enumerate(config.pretraining[run].stages, start=1):
            crops = stage.steps * stage.batch_size
            n_operations = _PASSES * operations(shape, crops * min(stage.crop_seconds, mean_seconds), crops)
            lacking = float(not Path(plan.paths.manifest(plan.paths.checkpoint(config, run, number))).is_file())
            detail = f"{stage.steps:,} steps at most; targets and validation not counted"
            core, gpu = _on_core(shape, n_operations), max(stage.steps * _GPU_STEP, n_operations / _GPU_BF16)
            yield TimeUse(f"pre-training {run}, stage {number}", detail, core, gpu, lacking)


def _lacking(config: Config, corpus: str, folder: str) -> float:
    """The share of a corpus's shards of which `folder` holds nothing yet."""
    manifests = plan.corpora.shard_manifests(config, corpus, folder)
    return sum(not Path(manifest).is_file() for manifest in manifests) / max(1, len(manifests))
