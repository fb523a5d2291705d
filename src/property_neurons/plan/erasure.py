"""What rules ask about erasure studies: the fine-tuned model that is edited, and what is done to it."""

from typing import Any

from property_neurons.config.models import TunedModel
from property_neurons.config.properties import F0Property, source_of
from property_neurons.config.root import Config
from property_neurons.errors import ConfigError
from property_neurons.plan import analysis, paths, tasks


def model(config: Config, study: str, seed: int | str) -> str:
    """The name of the fine-tuned model that a study edits."""
    section = config.erasure[study]
    tuned = TunedModel(kind="tuned", of=section.model, task=section.task, seed=int(seed))
    return next(name for name, one in config.models.items() if one == tuned)


def training(config: Config, study: str, seed: int | str) -> str:
    """The folder of the training whose model a study edits."""
    section = config.erasure[study]
    return paths.training(config, section.task, section.model, seed)


def counts(config: Config, study: str, seed: int | str) -> str:
    """Stem of the counts that give the edited neurons."""
    section, tuned = config.erasure[study], model(config, study, seed)
    if section.corpus is None:
        return paths.training_counts(config, tuned, section.task, section.property)
    return paths.counts(config, tuned, section.corpus, section.property)


def selected(config: Config, study: str, seed: int | str) -> str | list[str]:
    """The table of the neurons that a study's selectors choose; none for a study without selectors."""
    section, tuned = config.erasure[study], model(config, study, seed)
    if not section.selectors:
        return []
    if section.corpus is None:
        return f"{paths.training_counts(config, tuned, section.task, section.property)}.selectors.parquet"
    table = paths.neurons(config, tuned, section.corpus, section.property)
    return f"{table.removesuffix('.parquet')}.selectors.parquet"


def found_on(config: Config, study: str) -> list[str]:
    """The corpora whose ranks give the edited neurons: one, or those of the split on which the task is trained."""
    section = config.erasure[study]
    return tasks.corpora_of(config, section.task) if section.corpus is None else [section.corpus]


def found_where(config: Config, study: str) -> str:
    """The same in words."""
    section = config.erasure[study]
    return section.corpus or training_part(section.task)


def training_part(task: str) -> str:
    """The name of the corpus in counts of a task's training utterances."""
    return f"training part of {task}"


def frames(config: Config, study: str) -> list[str]:
    """The manifests of the frame stores whose F0 gives the range of an error; none for other properties."""
    section = config.erasure[study]
    by_f0 = isinstance(config.properties[section.property], F0Property)
    return tasks.references(config, section.task) if by_f0 else []


def counts_shown(config: Config, study: str) -> str:
    """The manifest of the counts of a study's first seed; its cells have the same frames for every seed."""
    return paths.manifest(counts(config, study, config.erasure[study].seeds[0]))


def selector_table(config: Config, study: str) -> str:
    """The table that compares a study's selectors.

    Raises:
        ConfigError: the study has none, so there would be nothing to draw.
    """
    if not config.erasure[study].selectors:
        raise ConfigError(
            f"erasure.{study}.selectors: expected selectors for the figure {study}_selectors, found none; name some"
        )
    return f"{config.results}/erasure/{study}/selectors.tsv"


def settings(config: Config, study: str) -> dict[str, Any]:
    """What an erasure depends on beside its inputs, as fields of `erasure.study.Erasure`."""
    section = config.erasure[study]
    own = {"scale": {"factor"}, "clamp": {"percentile"}}.get(section.action, set())
    # A study without selectors has none in its settings.
    own |= {"selectors"} if section.selectors else set()
    sigmas = section.sigmas or [config.analysis.sigma]
    return section.model_dump(include={"groups", "doses", "draws", "random", "action", "batch_size"} | own) | {
        # The sets that are erased have a sigma of their own.
        "definition": analysis.set_definition(config) | {"sigma": sigmas[0]},
        "column": source_of(config.properties[section.property]),
        "sigmas": sigmas,
    }
