"""The studies of pruning and erasure spelled out: every model, training and scoring they stand for.

The rules know no studies. A study becomes pruned, pretrained and tuned models, as anyone may write them into a
config, and a list of runs that figures collect.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from property_neurons.config.models import DistilledModel, Model, PretrainedModel, PrunedModel, TunedModel
from property_neurons.config.pretraining import InitialModel, Pretraining
from property_neurons.config.pruning import GeneralPruning, TaskSpecificPruning
from property_neurons.config.root import Config
from property_neurons.config.tasks import Task
from property_neurons.errors import ConfigError
from property_neurons.pruning.vocabulary import Criterion, score_of, shield_of

_LEAST_SCORINGS = 4
LONGEST_NAME = 120
"""Characters: file systems end at 255, and a file beside the folder bears its name and more."""


def _is_random(criterion: str) -> bool:
    """Whether a criterion differs from seed to seed."""
    return shield_of(criterion) == "random_protect" or score_of(criterion) == "random"


@dataclass(frozen=True)
class Run:
    """One training of a study, whose scores its figure shows.

    arm: the criterion that the model was pruned by; "unpruned", or "fine_tuned" for the unpruned model with the
        fine-tuning of the others.
    step: pruning steps made so far.
    trained: the task that is trained, which differs from `task` in its number of optimiser steps once a model was
        pruned.
    recovered: whether the model was fine-tuned after each pruning step; otherwise one step prunes the unpruned model.
    paired: whether the runs of a seed are a pair: their models are cut from one fine-tuned model.
    """

    study: str
    arm: str
    step: int
    seed: int
    task: str
    trained: str
    model: str
    recovered: bool = True
    paired: bool = False

    def as_dict(self) -> dict[str, Any]:
        """The run as plain values."""
        return asdict(self)


class _Added(dict[str, Any]):
    """What studies add to a section of a config, by name.

    Raises:
        ConfigError: a name is given to two things that differ, or that are one folder where case does not matter.
    """

    def __init__(self, section: str) -> None:
        super().__init__()
        self._section = section
        self._written: dict[str, str] = {}

    def __setitem__(self, name: str, part: Any) -> None:
        written = self._written.setdefault(name.casefold(), name)
        if written != name or self.get(name, part) != part:
            raise ConfigError(
                f"{self._section}.{name}: two studies make this, each in its own way"
                f"{'' if written == name else f' (one calls it {written})'}; give one of the studies another name"
            )
        super().__setitem__(name, part)


@dataclass
class Expansion:
    """What the studies add to a config, and the runs they consist of.

    given: the models of the config itself.
    """

    given: Mapping[str, Model] = field(default_factory=dict)
    models: dict[str, Model] = field(default_factory=lambda: _Added("models"))
    pretraining: dict[str, Pretraining] = field(default_factory=lambda: _Added("pretraining"))
    tasks: dict[str, Task] = field(default_factory=lambda: _Added("tasks"))
    runs: list[Run] = field(default_factory=list)


def with_studies(config: Config) -> Config:
    """The config with the models and tasks of its studies added; Figure 5 compares the models of the section `models`.

    Raises:
        ConfigError: a name is taken, by the config itself or by another study.
    """
    added = expand(config)
    sections: dict[str, Any] = {}
    for key in ("models", "pretraining", "tasks"):
        own, new = getattr(config, key), getattr(added, key)
        used = {name.casefold() for name in new}
        taken = sorted(name for name in own if name.casefold() in used)
        if taken:
            raise ConfigError(f"{key}.{taken[0]}: the studies use this name; choose another")
        longest = max(new, key=len, default="")
        if len(longest) > LONGEST_NAME:
            raise ConfigError(
                f"{key}: a study makes {longest!r}, a folder of {len(longest)} characters; shorten the names of its "
                f"task and model, so that it has at most {LONGEST_NAME}"
            )
        sections[key] = own | new
    if not added.models:
        return config
    compare = config.figures.compare or list(config.models)
    sections["figures"] = config.figures.model_copy(update={"compare": compare})
    return config.model_copy(update=sections)


def expand(config: Config) -> Expansion:
    """The models and tasks that the studies of a config need."""
    added = Expansion(given=config.models)
    for name, study in config.pruning.by_name().items():
        add_pruning(added, name, study, config.tasks)
    for study in config.erasure.values():
        for seed in study.seeds:
            _add_tuned(added, TunedModel(kind="tuned", of=study.model, task=study.task, seed=seed))
    return added


def _add_tuned(added: Expansion, tuned: TunedModel) -> str:
    """Add the model of a training; returns its name, which is the same whichever studies need it.

    Raises:
        ConfigError: the training of another task on another model would have the same name.
    """
    for name, model in added.given.items():
        if model == tuned:
            return name
    name = f"{tuned.task}-{tuned.of}-s{tuned.seed}"
    other = added.models.get(name, tuned)
    if other != tuned:
        raise ConfigError(
            f"models.{name}: the task {tuned.task} on the model {tuned.of} and the task {other.task} on the model "
            f"{other.of} would give two models of this name; call one of the tasks or models otherwise"
        )
    added.models[name] = tuned
    return name


def add_pruning(
    added: Expansion, name: str, study: GeneralPruning | TaskSpecificPruning, tasks: dict[str, Task]
) -> None:
    """Add the models and tasks of one pruning study."""
    if isinstance(study, GeneralPruning):
        _add_general(added, name, study)
    else:
        _add_task_specific(added, name, study, tasks)


def _add_general(added: Expansion, name: str, study: GeneralPruning) -> None:
    """Prune and recover without labels, step by step; then train every task on the result."""
    recover = _by_masked_prediction(added, name, study) if study.fine_tuning else _by_distillation(added, study)

    def scored(arm: str, step: int, seed: int, model: str, recovered: bool = True) -> Iterator[Run]:
        for task in study.tasks:
            yield Run(name, arm, step, seed, task, task, model, recovered)

    steps = study.rows or [None]
    for seed in study.seeds:
        added.runs += scored("unpruned", 0, seed, study.model)
        if study.fine_tuned_control:
            control = study.model
            for step in range(1, len(steps) + 1):
                own = f"-step{step}" if step > 1 else ""
                control = recover(f"{name}-fine_tuned-s{seed}{own}", control, seed)
            added.runs += scored("fine_tuned", 0, seed, control)
        for arm in study.arms:
            model = sizes_of = study.model
            for step, rows in enumerate(steps, start=1):
                # The first step of a criterion that is not random is the same for every seed.
                own = f"-s{seed}" if _is_random(arm) or step > 1 else ""
                pruned = f"{name}-{arm}{own}-cut{step}"
                added.models[pruned] = _pruned(study, model, sizes_of, arm, study.properties, rows, seed)
                if study.cost_of_cut:
                    drawn = f"-s{seed}" if _is_random(arm) else ""
                    alone = pruned if step == 1 else f"{name}-{arm}{drawn}-alone{step}"
                    added.models[alone] = _pruned(study, study.model, study.model, arm, study.properties, rows, seed)
                    added.runs += scored(arm, step, seed, alone, recovered=False)
                model = recover(f"{name}-{arm}-s{seed}-step{step}", pruned, seed)
                sizes_of = f"{name}-protect-s{seed}-step{step}"
            added.runs += scored(arm, len(steps), seed, model)


Recover = Callable[[str, str, int], str]
"""Adds a model of the first name, the second one recovered with a seed, and gives its name back."""


def _by_distillation(added: Expansion, study: GeneralPruning) -> Recover:
    """Every pruned model learns to give the hidden states of the unpruned one."""
    settings = study.distillation.model_dump()

    def recover(name: str, pruned: str, seed: int) -> str:
        own = settings | {"of": pruned, "teacher": study.model, "seed": seed}
        added.models[name] = DistilledModel(kind="distilled", **own)
        return name

    return recover


def _by_masked_prediction(added: Expansion, name: str, study: GeneralPruning) -> Recover:
    """Every pruned model goes on with pre-training; the targets are the unpruned model's clusters."""
    tuning, targets_run = study.fine_tuning, f"{name}-targets"
    common = tuning.model_dump(include={"corpus", "validation_share", "gpus"})
    # One run whose targets all others take over, clusters of the unpruned model; it is never trained itself.
    clustered = study.model if tuning.stage.targets.layer is not None else None
    targets = tuning.stage.targets.model_copy(update={"model": clustered})

    def add_run(run: str, start_from: str, **fields: Any) -> None:
        initial = InitialModel(model=start_from)
        stage = tuning.stage.model_copy(update={"targets": targets, "initial": initial, **fields})
        if "targets_of" in fields:
            # Given for the run that makes them.
            stage.model_fields_set.discard("targets")
        added.pretraining[run] = Pretraining(stages=[stage], **common)

    def fine_tuned(run: str, pruned: str, seed: int) -> str:
        add_run(run, pruned, targets_of=targets_run, seed=seed)
        added.models[run] = PretrainedModel(kind="pretrained", run=run)
        return run

    add_run(targets_run, study.model)
    return fine_tuned


def _add_task_specific(added: Expansion, name: str, study: TaskSpecificPruning, tasks: dict[str, Task]) -> None:
    """Fine-tune on a task, then prune and fine-tune in turn; every fine-tuning is scored."""
    for task, pruning in study.tasks.items():
        # Models that no study trains after the cut are scored as the same task; how long others are trained differs.
        untrained = f"{task}-at-cut"
        shorter = f"{task}-after-cut" if name == "task_specific" else f"{name}-{task}-after-cut"
        if pruning.steps:
            added.tasks[shorter] = _shortened(tasks[task], pruning.steps)
        if study.cost_of_cut:
            rates = tasks[task].learning_rate
            nothing = {"steps": 0, "learning_rate": rates[0] if isinstance(rates, list) else rates}
            added.tasks[untrained] = tasks[task].model_copy(update=nothing)
        for seed in study.seeds:
            unpruned = _add_tuned(added, TunedModel(kind="tuned", of=study.model, task=task, seed=seed))
            added.runs.append(Run(name, "unpruned", 0, seed, task, task, study.model, paired=True))
            for arm in study.arms:
                model = sizes_of = unpruned
                stem = f"{name}-{task}-{arm}-s{seed}"
                for step, rows in enumerate(study.rows if study.cost_of_cut else [], start=1):
                    alone = f"{stem}-cut1" if step == 1 else f"{stem}-alone{step}"
                    added.models[alone] = _pruned(study, unpruned, unpruned, arm, pruning.properties, rows, seed)
                    added.runs.append(Run(name, arm, step, seed, task, untrained, alone, recovered=False, paired=True))
                for step, rows in enumerate(study.rows if pruning.steps else [], start=1):
                    pruned = f"{stem}-cut{step}"
                    added.models[pruned] = _pruned(study, model, sizes_of, arm, pruning.properties, rows, seed)
                    added.runs.append(Run(name, arm, step, seed, task, shorter, pruned, paired=True))
                    if step < len(study.rows):
                        model = f"{stem}-step{step}"
                        added.models[model] = TunedModel(kind="tuned", of=pruned, task=shorter, seed=seed)
                    sizes_of = f"{name}-{task}-protect-s{seed}-step{step}"


def _shortened(task: Task, steps: int) -> Task:
    """A task trained for other steps: the warm-up in proportion, each interval a multiple of the one before.

    Dev is scored four times at least: the state that a cut leaves may be better than what some steps make of it.
    """
    scored = min(task.evaluate_every, max(1, steps // _LEAST_SCORINGS))
    log_every = min(task.log_every, scored)
    evaluate_every = _multiple(log_every, scored)
    return task.model_copy(
        update={
            "steps": steps,
            "warmup_steps": round(task.warmup_steps * steps / task.steps),
            "log_every": log_every,
            "evaluate_every": evaluate_every,
            "save_every": _multiple(evaluate_every, min(task.save_every, steps)),
        }
    )


def _multiple(of: int, at_most: int) -> int:
    """The largest multiple of a number that is at most another, and at least the number itself."""
    return max(1, at_most // of) * of


def _pruned(
    study: GeneralPruning | TaskSpecificPruning,
    of: str,
    sizes_of: str,
    criterion: Criterion,
    properties: list[str],
    rows: int | None,
    seed: int,
) -> PrunedModel:
    """One pruning step of an arm; `sizes_of`: the model of the arm `protect` at the same step.

    Random sets of `random: size` have as many neurons as the property neurons of `sizes_of`. Matched random sets have
    as many as the property neurons of their own model. Where all layers compete, the arms differ in width, and random
    sets of either kind follow their own model.
    """
    of_size = shield_of(criterion) == "random_protect" and study.random == "size"
    follows = of_size and "protect" in study.arms and study.match != "global" and sizes_of != of
    return PrunedModel(
        kind="pruned",
        of=of,
        criterion=criterion,
        sizes_of=sizes_of if follows else None,
        properties=properties,
        corpus=study.corpus,
        rows=rows,
        match=study.match,
        bias=study.bias,
        random=study.random,
        seed=seed if _is_random(criterion) else 0,
    )
