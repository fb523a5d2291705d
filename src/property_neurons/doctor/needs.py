"""Which models and corpora a configuration needs, for the default target and for the rest."""

from dataclasses import dataclass, field

from property_neurons import plan
from property_neurons.config.expand_studies import expand
from property_neurons.config.models import (
    DistilledModel,
    EditedModel,
    PretrainedModel,
    PrunedModel,
    RandomTwinModel,
    TunedModel,
)
from property_neurons.config.pretraining import InitialModel
from property_neurons.config.root import Config
from property_neurons.config.splits import split_corpora


@dataclass
class Needs:
    """Models, corpora and pre-training runs by name, each once, in the order of need.

    ranks, values, probed: (model, corpus) of ranks, of activation values, of layers that are probed.
    scored: (task, model, seed).
    """

    models: dict[str, None] = field(default_factory=dict)
    corpora: dict[str, None] = field(default_factory=dict)
    runs: dict[str, None] = field(default_factory=dict)
    ranks: dict[tuple[str, str], None] = field(default_factory=dict)
    values: dict[tuple[str, str], None] = field(default_factory=dict)
    probed: dict[tuple[str, str], None] = field(default_factory=dict)
    scored: dict[tuple[str, str, int], None] = field(default_factory=dict)


def default_needs(config: Config) -> Needs:
    """What the default target needs: the figures of the analysis, and the curves of the runs its models come from."""
    figures, needs = config.figures, Needs()
    models = [figures.model, *([figures.control] if figures.control else []), *(figures.compare or config.models)]
    for model in models:
        _rank(config, model, figures.corpus, needs)
    for run in plan.pretraining.trained_runs(config):
        _add_run(config, run, needs)
    return needs


def all_needs(config: Config) -> Needs:
    """What everything needs that the configuration defines, studies included."""
    needs = default_needs(config)
    for model in config.models:
        _add_model(config, model, needs)
    for run in config.pretraining:
        _add_run(config, run, needs)
    for name, study in config.erasure.items():
        for seed in study.seeds:
            for corpus in plan.erasure.found_on(config, name):
                _rank(config, plan.erasure.model(config, name, seed), corpus, needs)
    for run in expand(config).runs:
        needs.scored[(run.trained, run.model, run.seed)] = None
    _add_pages(config, needs)
    for task in config.tasks.values():
        _add_corpora(split_corpora(config.splits[task.split]), needs)
    _add_corpora(config.corpora, needs)
    return needs


def _add_pages(config: Config, needs: Needs) -> None:
    """Activation values of the browsers and of selectors, and the layers of the figure of probes."""
    shown = [(model, config.figures.corpus) for model in plan.figures.shown_models(config)]
    needs.values.update(dict.fromkeys(shown))
    needs.probed.update(dict.fromkeys(shown))
    for name, study in config.erasure.items():
        for model in (plan.erasure.model(config, name, seed) for seed in study.seeds):
            corpora = plan.selectors.corpora_of_values(config, model, corpus=study.corpus, task=study.task)
            needs.values.update(dict.fromkeys((model, corpus) for corpus in corpora))


def _rank(config: Config, model: str, corpus: str, needs: Needs) -> None:
    needs.ranks[(model, corpus)] = None
    _add_corpora([corpus], needs)
    _add_model(config, model, needs)


def _add_corpora(names, needs: Needs) -> None:
    needs.corpora.update(dict.fromkeys(names))


def _add_model(config: Config, model: str, needs: Needs) -> None:
    if model in needs.models:
        return
    needs.models[model] = None
    section = config.models[model]
    match section:
        case RandomTwinModel():
            _add_model(config, section.of, needs)
        case PrunedModel():
            _add_model(config, section.of, needs)
            if section.needs_neurons:
                _rank(config, section.sizes_of or section.of, plan.models.found_on(config, model), needs)
            if section.needs_frequencies:
                _rank(config, section.of, plan.models.found_on(config, model), needs)
        case DistilledModel():
            _add_model(config, section.of, needs)
            _add_model(config, section.teacher, needs)
            _add_corpora([section.corpus], needs)
        case EditedModel():
            _rank(config, section.of, plan.models.found_on(config, model), needs)
        case TunedModel():
            _add_model(config, section.of, needs)
            _add_corpora(split_corpora(config.splits[config.tasks[section.task].split]), needs)
        case PretrainedModel():
            _add_run(config, section.run, needs)


def _add_run(config: Config, run: str, needs: Needs) -> None:
    if run in needs.runs:
        return
    needs.runs[run] = None
    section = config.pretraining[run]
    _add_corpora([section.corpus], needs)
    for stage in section.stages:
        if stage.targets_of is not None:
            _add_run(config, stage.targets_of, needs)
        if stage.targets.model is not None:
            _add_model(config, stage.targets.model, needs)
        if isinstance(stage.initial, InitialModel):
            _add_model(config, stage.initial.model, needs)
