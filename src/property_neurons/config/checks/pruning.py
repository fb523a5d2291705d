"""Check that pruning studies name defined models and corpora, and tasks that fit."""

from collections.abc import Mapping

from property_neurons.config.checks.models import frequency_problems
from property_neurons.config.checks.names import is_taken
from property_neurons.config.checks.references import not_defined
from property_neurons.config.models import PrunedModel
from property_neurons.config.pruning import GeneralPruning, TaskPruning, TaskSpecificPruning
from property_neurons.config.root import Config
from property_neurons.pruning.vocabulary import score_of


def problems(config: Config) -> list[str]:
    """What is wrong with the pruning studies."""
    found = []
    for key, study in config.pruning.by_key().items():
        found += _general(config, key, study) if isinstance(study, GeneralPruning) else _specific(config, key, study)
    for name in config.pruning.studies:
        if is_taken(name) or name in config.erasure or name in config.properties:
            found.append(f"pruning.studies.{name}: another figure or study has this name; choose another")
    return found


def _general(config: Config, key: str, study: GeneralPruning) -> list[str]:
    found = _common(config, key, study, {key: study})
    for name in ("fine_tuning", "distillation"):
        if (recovery := getattr(study, name)) is not None:
            found += not_defined([(f"{key}.{name}.corpus", recovery.corpus, config.corpora)])
    if "l0" in study.arms and study.rows is None:
        found.append(f"{key}.arms: `l0` learns gates for a size; set rows")
    return found + [
        f"{key}.arms: `{arm}` needs the loss of a task, which this study's models do not have; take a fisher one"
        for arm in study.arms
        if score_of(arm) == "taylor"
    ]


def _specific(config: Config, key: str, study: TaskSpecificPruning) -> list[str]:
    found = _common(config, key, study, {f"{key}.tasks.{name}": task for name, task in study.tasks.items()})
    return found + [
        f"{key}.tasks.{name}: pruning steps go with fine-tuning; set mode: fine_tuned in the task"
        for name in study.tasks
        if name in config.tasks and config.tasks[name].mode != "fine_tuned"
    ]


def _common(
    config: Config,
    key: str,
    study: GeneralPruning | TaskSpecificPruning,
    protected: Mapping[str, GeneralPruning | TaskPruning],
) -> list[str]:
    """Checks of both studies; `protected`: the sections that list properties, by key."""
    references = [(f"{key}.model", study.model, config.models), (f"{key}.corpus", study.corpus, config.corpora)]
    references += [(f"{key}.tasks", task, config.tasks) for task in study.tasks]
    found = []
    for place, section in protected.items():
        references += [(f"{place}.properties", name, config.properties) for name in section.properties]
        arms = [PrunedModel(kind="pruned", of="any", criterion=arm, rows=1, random=study.random) for arm in study.arms]
        if any(arm.needs_frequencies for arm in arms):
            found += frequency_problems(config, f"{place}.properties", section.properties)
    return not_defined(references) + found
