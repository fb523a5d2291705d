"""The contradictions of a configuration that only show across its sections: all of them, and those of corpora."""

from typing import TYPE_CHECKING

from property_neurons.config.checks.models import model_problems, not_defined
from property_neurons.config.checks.tasks import editing_problems, study_problems, task_problems
from property_neurons.config.corpora import VoxCelebCorpus
from property_neurons.config.models import PrunedModel

if TYPE_CHECKING:
    from property_neurons.config.root import Config


def contradictions(config: "Config") -> list[str]:
    """Every contradiction between sections, each with its key, what was found and what to do."""
    return [
        *_unknown_names(config),
        *model_problems(config),
        *task_problems(config),
        *study_problems(config),
        *editing_problems(config),
        *_plain_corpus_problems(config),
        *_analysis_problems(config),
    ]


def _unknown_names(config: "Config") -> list[str]:
    wanted = [
        ("figures.corpus", config.figures.corpus, config.corpora),
        ("figures.model", config.figures.model, config.models),
        *(("figures.compare", name, config.models) for name in config.figures.compare or []),
        *((f"pretraining.{name}.corpus", run.corpus, config.corpora) for name, run in config.pretraining.items()),
    ]
    if config.figures.control is not None:
        wanted.append(("figures.control", config.figures.control, config.models))
    return not_defined(wanted)


def _plain_corpus_problems(config: "Config") -> list[str]:
    """Where a corpus without alignments is asked for more than speakers."""
    uses = [("figures.corpus", config.figures.corpus)]
    uses += [(f"pretraining.{name}.corpus", run.corpus) for name, run in config.pretraining.items()]
    for name, model in config.models.items():
        if isinstance(model, PrunedModel) and model.corpus is not None:
            uses.append((f"models.{name}.corpus", model.corpus))
    general, specific = config.pruning.general, config.pruning.task_specific
    if general is not None:
        uses.append(("pruning.general.corpus", general.corpus))
        uses.append(("pruning.general.fine_tuning.corpus", general.fine_tuning.corpus))
    if specific is not None:
        uses.append(("pruning.task_specific.corpus", specific.corpus))
    uses += [(f"erasure.{name}.corpus", study.corpus) for name, study in config.erasure.items()]
    return [
        f"{key}: {corpus!r} (voxceleb1) has no phone alignments; it serves speaker identification alone"
        for key, corpus in uses
        if isinstance(config.corpora.get(corpus), VoxCelebCorpus)
    ]


def _analysis_problems(config: "Config") -> list[str]:
    problems = []
    if config.analysis.lambda_ > config.ranks.lambda_max:
        problems.append(
            f"analysis.lambda: {config.analysis.lambda_} is above ranks.lambda_max ({config.ranks.lambda_max}), so the "
            "ranks kept are too few; raise ranks.lambda_max (the models run again) or lower lambda"
        )
    options = config.analysis.resolved()
    if config.ranks.frames == "segment_mid" and options.frames == "every":
        problems.append(
            "analysis.frames: `every` needs ranks of every frame, but ranks.frames is `segment_mid`; "
            "set ranks.frames: all, or analysis.frames: segment_mid"
        )
    corpus = config.corpora.get(config.figures.corpus)
    if corpus is not None and not isinstance(corpus, VoxCelebCorpus) and corpus.pitch.method == "none":
        problems.append(
            f"corpora.{config.figures.corpus}.pitch.method: the figures show pitch, so `none` will not do; "
            "choose yaapt, praat, pyin or bins"
        )
    return problems
