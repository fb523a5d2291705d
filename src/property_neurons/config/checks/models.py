"""Check that models are made of defined models, and never of themselves."""

from property_neurons.config.checks.names import OF_SPEED_TABLES
from property_neurons.config.checks.references import not_defined, unknown_groups
from property_neurons.config.models import (
    DistilledModel,
    EditedModel,
    PretrainedModel,
    PrunedModel,
    RandomTwinModel,
    TunedModel,
)
from property_neurons.config.pretraining import InitialModel, Pretraining
from property_neurons.config.properties import frequency_property
from property_neurons.config.root import Config


def problems(config: Config) -> list[str]:
    """What is wrong with models that are made of others."""
    found = []
    for name, model in config.models.items():
        key = f"models.{name}"
        if name == OF_SPEED_TABLES:
            found.append(f"{key}: tables of speeds call the unpruned model {name!r}; choose another name")
        match model:
            case RandomTwinModel():
                found += _twin_problems(config, key, model)
            case PrunedModel():
                found += _pruned_problems(config, key, model)
            case EditedModel():
                found += _edited_problems(config, key, model)
            case TunedModel():
                found += _tuned_problems(config, key, model)
            case DistilledModel():
                references = [("of", model.of, config.models), ("teacher", model.teacher, config.models)]
                references.append(("corpus", model.corpus, config.corpora))
                found += not_defined([(f"{key}.{field}", *named) for field, *named in references])
            case PretrainedModel():
                found += _pretrained_problems(config, name, model)
        if not isinstance(model, PretrainedModel) and name in ancestors(config, name):
            found.append(f"{key}.of: leads back to {name!r} itself; name another model")
    return found


def _twin_problems(config: Config, key: str, model: RandomTwinModel) -> list[str]:
    if isinstance(config.models.get(model.of), RandomTwinModel):
        return [f"{key}.of: {model.of!r} is a random twin itself; name the original"]
    return not_defined([(f"{key}.of", model.of, config.models)])


def _pruned_problems(config: Config, key: str, model: PrunedModel) -> list[str]:
    found = not_defined(
        [
            (f"{key}.of", model.of, config.models),
            *((f"{key}.properties", name, config.properties) for name in model.properties),
            (f"{key}.corpus", model.corpus, config.corpora),
            (f"{key}.sizes_of", model.sizes_of, config.models),
        ]
    )
    if model.score == "taylor" and tuned_under(config, model.of) is None:
        found.append(
            f"{key}.criterion: `taylor` needs the loss of a task, and {model.of!r} is not fine-tuned on one; take "
            "`fisher`, or prune a model of kind tuned"
        )
    if model.needs_frequencies:
        found += frequency_problems(config, f"{key}.properties", model.properties)
    return found


def frequency_problems(config: Config, key: str, properties: list[str]) -> list[str]:
    """Where a pruned model needs activation frequencies and none of its properties counts every frame.

    Undefined properties are reported elsewhere.
    """
    known = frequency_property(properties, config.properties) is not None
    if known or not set(properties) <= set(config.properties):
        return []
    found = ", ".join(properties)
    return [
        f"{key}: activation frequencies need one that counts every frame, found {found}; add gender or phone, or leave "
        "out `frequency` and set `random: size`"
    ]


def tuned_under(config: Config, name: str) -> TunedModel | None:
    """The fine-tuned model that a model is, or was pruned out of; None where there is none."""
    seen: set[str] = set()
    model = config.models.get(name)
    while isinstance(model, PrunedModel) and model.of not in seen:
        seen.add(model.of)
        model = config.models.get(model.of)
    return model if isinstance(model, TunedModel) else None


def _edited_problems(config: Config, key: str, model: EditedModel) -> list[str]:
    found = not_defined(
        [
            (f"{key}.of", model.of, config.models),
            (f"{key}.property", model.property, config.properties),
            (f"{key}.corpus", model.corpus, config.corpora),
        ]
    )
    return found + unknown_groups(config, f"{key}.groups", model.property, model.groups, model.corpus)


def _tuned_problems(config: Config, key: str, model: TunedModel) -> list[str]:
    found = not_defined([(f"{key}.of", model.of, config.models), (f"{key}.task", model.task, config.tasks)])
    if model.task in config.tasks and config.tasks[model.task].mode != "fine_tuned":
        found.append(f"{key}.task: {model.task!r} leaves the model as it is; set mode: fine_tuned")
    return found


def _pretrained_problems(config: Config, name: str, model: PretrainedModel) -> list[str]:
    run, key = config.pretraining.get(model.run), f"models.{name}"
    if run is None:
        defined = ", ".join(config.pretraining) or "none"
        return [f"{key}.run: {model.run!r} is not defined; under pretraining there is {defined}"]
    if model.stage is not None and model.stage > len(run.stages):
        return [f"{key}.stage: {model.run!r} has {len(run.stages)} stages, found {model.stage}"]
    if name in ancestors(config, name):
        return [
            f"{key}.run: pretraining.{model.run} leads back to {name!r} itself; start that run from, or take its "
            "targets from, another model"
        ]
    return []


def ancestors(config: Config, name: str) -> set[str]:
    """The models that a model is made of, directly or through others."""
    found: set[str] = set()
    waiting = _parents(config, name)
    while waiting:
        parent = waiting.pop()
        if parent not in found:
            found.add(parent)
            waiting |= _parents(config, parent)
    return found


def _parents(config: Config, name: str) -> set[str]:
    model = config.models.get(name)
    if not isinstance(model, PretrainedModel):
        made_of = (getattr(model, field, None) for field in ("of", "sizes_of", "teacher"))
        return {one for one in made_of if one is not None}
    run = config.pretraining.get(model.run)
    return set() if run is None else _parents_of_stage(config, run, model.stage or len(run.stages))


def _parents_of_stage(config: Config, run: Pretraining, number: int) -> set[str]:
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
