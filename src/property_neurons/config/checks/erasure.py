"""Check that erasure studies fit the task and the property that they name."""

from property_neurons.config.checks.names import is_taken
from property_neurons.config.checks.references import groups_of, not_defined, unknown_groups
from property_neurons.config.erasure import Erasure
from property_neurons.config.properties import F0Property, source_of
from property_neurons.config.root import Config
from property_neurons.editing.divided_by import DIVIDED_BY
from property_neurons.erasure.table_terms import NOT_A_GROUP


def problems(config: Config) -> list[str]:
    """What is wrong with the erasure studies."""
    return [problem for name, study in config.erasure.items() for problem in _study(config, f"erasure.{name}", study)]


def _study(config: Config, key: str, study: Erasure) -> list[str]:
    found = not_defined(
        [
            (f"{key}.model", study.model, config.models),
            (f"{key}.task", study.task, config.tasks),
            (f"{key}.corpus", study.corpus, config.corpora),
            (f"{key}.property", study.property, config.properties),
        ]
    )
    if is_taken(key.removeprefix("erasure.")):
        found.append(f"{key}: another figure or table has this name; choose another")
    task, section = config.tasks.get(study.task), config.properties.get(study.property)
    if task is not None and task.mode != "fine_tuned":
        found.append(f"{key}.task: {study.task!r} leaves the model as it is; set mode: fine_tuned")
    if task is not None and section is not None and source_of(section) not in DIVIDED_BY[task.kind]:
        found.append(
            f"{key}.property: a property of {source_of(section)} does not divide the errors of {task.kind}; expected "
            f"one of {', '.join(DIVIDED_BY[task.kind])}"
        )
    if isinstance(section, F0Property) and section.within == "speaker" and task is not None and "f0" in task.kind:
        found.append(
            f"{key}.property: {study.property!r} is cut within: speaker, and errors of F0 are divided by cuts in Hz; "
            "name a property within: corpus"
        )
    if taken := NOT_A_GROUP & set(study.groups or groups_of(section) or []):
        found.append(
            f"{key}.property: tables of erasures call the utterances of several groups {', '.join(sorted(taken))}; "
            f"give that group of {study.property!r} another name"
        )
    sigma = config.analysis.sigma
    if study.selectors and study.sigmas and study.sigmas[0] != sigma:
        found.append(
            f"{key}.selectors: they choose as many neurons as there are at analysis.sigma ({sigma}); begin "
            f"{key}.sigmas with {sigma}, or leave the one or the other out"
        )
    if study.selectors and config.statistics.balance:
        found.append(
            f"{key}.selectors: statistics.balance thins the frames that they choose by, and a study's sets are of all "
            "frames; set balance: false"
        )
    return found + unknown_groups(config, f"{key}.groups", study.property, study.groups or [], study.corpus)
