"""Contradictions about models: what they are made of, and the pre-training that they come from."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from property_neurons.config.models import PretrainedModel, PrunedModel, RandomTwinModel, frequency_property
from property_neurons.config.pretraining import InitialModel, Pretraining

if TYPE_CHECKING:
    from property_neurons.config.root import Config


def model_problems(config: "Config") -> list[str]:
    """What is wrong with random twins, cut models, pre-training runs and the models that come from these."""
    return [*_twin_problems(config), *_pruning_problems(config), *_pretraining_problems(config)]


def _twin_problems(config: "Config") -> list[str]:
    problems = []
    for name, model in config.models.items():
        if not isinstance(model, RandomTwinModel):
            continue
        original = config.models.get(model.of)
        if original is None:
            problems.append(f"models.{name}.of: {model.of!r} is not defined; defined are {', '.join(config.models)}")
        elif isinstance(original, RandomTwinModel):
            problems.append(f"models.{name}.of: {model.of!r} is a random twin itself; name the original")
        else:
            problems += circle_problems(config, name)
    return problems


def _pruning_problems(config: "Config") -> list[str]:
    problems = []
    for name, model in config.models.items():
        if not isinstance(model, PrunedModel):
            continue
        wanted = [
            ("of", model.of, config.models),
            *(("properties", one, config.properties) for one in model.properties),
        ]
        if model.corpus is not None:
            wanted.append(("corpus", model.corpus, config.corpora))
        if model.sizes_of is not None:
            wanted.append(("sizes_of", model.sizes_of, config.models))
        problems += not_defined([(f"models.{name}.{key}", value, known) for key, value, known in wanted])
        problems += circle_problems(config, name)
        if model.criterion == "frequency":
            problems += frequency_problems(config, f"models.{name}.properties", model.properties)
    return problems


def circle_problems(config: "Config", name: str) -> list[str]:
    """Where a model with `of` is, in the end, made of itself."""
    circle = name in _ancestors(config, name)
    return [f"models.{name}.of: leads back to {name!r} itself; name another model"] if circle else []


def frequency_problems(config: "Config", key: str, properties: list[str]) -> list[str]:
    """Where no property of a cut by frequency counts every frame."""
    if frequency_property(properties, config.properties) is not None:
        return []
    found = ", ".join(properties)
    return [f"{key}: `frequency` needs one that counts every frame, found {found}; add gender or phone"]


def _ancestors(config: "Config", name: str) -> set[str]:
    """The models that a model is made of, at once or by way of others."""
    found: set[str] = set()
    waiting = _parents(config, name)
    while waiting:
        parent = waiting.pop()
        if parent not in found:
            found.add(parent)
            waiting |= _parents(config, parent)
    return found


def _parents(config: "Config", name: str) -> set[str]:
    model = config.models.get(name)
    if not isinstance(model, PretrainedModel):
        return {one for one in (getattr(model, "of", None), getattr(model, "sizes_of", None)) if one is not None}
    run = config.pretraining.get(model.run)
    return set() if run is None else _parents_of_stage(config, run, model.stage or len(run.stages))


def _parents_of_stage(config: "Config", run: Pretraining, number: int) -> set[str]:
    """The models of the config that one stage of a run starts from or takes its targets from."""
    if not 1 <= number <= len(run.stages):
        return set()
    stage, parents = run.stages[number - 1], set()
    if isinstance(stage.initial, InitialModel):
        parents.add(stage.initial.model)
    elif stage.initial == "previous":
        parents |= _parents_of_stage(config, run, number - 1)
    owner = run if stage.targets_of is None else config.pretraining.get(stage.targets_of)
    if owner is None or number > len(owner.stages):
        return parents
    targets = owner.stages[number - 1].targets
    if targets.model is not None:
        return parents | {targets.model}
    return parents if targets.layer is None else parents | _parents_of_stage(config, owner, number - 1)


def _pretraining_problems(config: "Config") -> list[str]:
    problems = _run_problems(config)
    for name, model in config.models.items():
        if not isinstance(model, PretrainedModel):
            continue
        run = config.pretraining.get(model.run)
        if run is None:
            defined = ", ".join(config.pretraining) or "none"
            problems.append(f"models.{name}.run: {model.run!r} is not defined; under pretraining there is {defined}")
        elif model.stage is not None and model.stage > len(run.stages):
            problems.append(f"models.{name}.stage: {model.run!r} has {len(run.stages)} stages, found {model.stage}")
        elif name in _ancestors(config, name):
            problems.append(
                f"models.{name}.run: pretraining.{model.run} leads back to {name!r} itself; start that run from, or "
                "take its targets from, another model"
            )
    return problems


def _run_problems(config: "Config") -> list[str]:
    wanted = []
    for name, run in config.pretraining.items():
        key = f"pretraining.{name}.stages"
        if run.starts_from is not None:
            wanted.append((f"{key}.initial.model", run.starts_from, config.models))
        for stage in run.stages:
            if stage.targets.model is not None:
                wanted.append((f"{key}.targets.model", stage.targets.model, config.models))
            if stage.targets_of is not None:
                wanted.append((f"{key}.targets_of", stage.targets_of, config.pretraining))
    problems = not_defined(wanted)
    for name, run in config.pretraining.items():
        for number, stage in enumerate(run.stages, start=1):
            if stage.targets_of in config.pretraining:
                problems += _targets_problems(config, name, number, stage.targets_of)
    return problems


def _targets_problems(config: "Config", name: str, number: int, other: str) -> list[str]:
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


def not_defined(wanted: Iterable[tuple[str, str, Mapping[str, object]]]) -> list[str]:
    """Names that are not defined where they should be; wanted: (key, name, what is defined)."""
    return [
        f"{key}: {name!r} is not defined; defined are {', '.join(known) or 'none'}"
        for key, name, known in wanted
        if name not in known
    ]
