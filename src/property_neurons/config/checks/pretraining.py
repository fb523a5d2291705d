"""Check that pre-training runs name defined models, corpora and targets."""

from property_neurons.config.checks.references import not_defined
from property_neurons.config.root import Config


def problems(config: Config) -> list[str]:
    """What is wrong with the runs of pre-training."""
    references, found = [], []
    for name, run in config.pretraining.items():
        key = f"pretraining.{name}"
        references.append((f"{key}.corpus", run.corpus, config.corpora))
        references.append((f"{key}.stages.initial.model", run.starts_from, config.models))
        for number, stage in enumerate(run.stages, start=1):
            references.append((f"{key}.stages.targets.model", stage.targets.model, config.models))
            references.append((f"{key}.stages.targets_of", stage.targets_of, config.pretraining))
            if stage.targets_of in config.pretraining:
                found += _targets_problems(config, name, number, stage.targets_of)
    return not_defined(references) + found


def _targets_problems(config: Config, name: str, number: int, other: str) -> list[str]:
    """Why stage `number` of the run `name` cannot take over the targets of the run `other`, if so."""
    key, run, owner = f"pretraining.{name}.stages.targets_of", config.pretraining[name], config.pretraining[other]
    if other == name:
        return [f"{key}: {other!r} is this run itself; name another, or leave it out"]
    if number > len(owner.stages):
        return [
            f"{key}: expected a stage {number} of {other!r}, found {len(owner.stages)} stages; name a run with as many"
        ]
    if (third := owner.stages[number - 1].targets_of) is not None:
        return [f"{key}: stage {number} of {other!r} takes over the targets of {third!r}; name the run that makes them"]
    if owner.corpus != run.corpus:
        return [f"{key}: expected a run on {run.corpus!r}, found {other!r} on {owner.corpus!r}; name one on it"]
    return []
