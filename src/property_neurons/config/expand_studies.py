"""The studies of pruning and erasure spelled out: every model, training and scoring they stand for.

A study is nothing that the rules need to know: it becomes pruned, pretrained and tuned models like those that anyone
may write down, and a list of runs that figures collect.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from property_neurons.config.models import Model, PretrainedModel, PrunedModel, TunedModel
from property_neurons.config.pretraining import InitialModel, Pretraining
from property_neurons.config.pruning import Arm, GeneralPruning, TaskSpecificPruning
from property_neurons.config.root import Config
from property_neurons.config.tasks import Task

GENERAL, TASK_SPECIFIC = "general", "task_specific"

_DRAWN = ("random", "random_protect")


@dataclass(frozen=True)
class Run:
    """One training of a study.

    arm: how the model was cut; "unpruned", or "fine_tuned" for the unpruned model with the fine-tuning of the others.
    step: cuts made so far.
    trained: the task that is trained, which differs from `task` in its number of steps after a cut.
    """

    study: str
    arm: str
    step: int
    seed: int
    task: str
    trained: str
    model: str

    def as_dict(self) -> dict[str, Any]:
        """The run as plain values."""
        return asdict(self)


@dataclass
class Expansion:
    """What the studies add to a config."""

    models: dict[str, Model]
    pretraining: dict[str, Pretraining]
    tasks: dict[str, Task]
    runs: list[Run]


def expand(config: Config) -> Expansion:
    """Everything that the studies of a config stand for."""
    added = Expansion({}, {}, {}, [])
    if config.pruning.general is not None:
        _general(config.pruning.general, added)
    if config.pruning.task_specific is not None:
        _task_specific(config, config.pruning.task_specific, added)
    for study in config.erasure.values():
        for seed in study.seeds:
            section = TunedModel(kind="tuned", of=study.model, task=study.task, seed=seed)
            if section not in (config.models | added.models).values():
                added.models[f"{study.task}-{study.model}-s{seed}"] = section
    return added


def _general(study: GeneralPruning, added: Expansion) -> None:
    targets = f"{GENERAL}-targets"
    stage, corpus = study.fine_tuning.stage, study.fine_tuning.corpus
    common = study.fine_tuning.model_dump(include={"validation_share", "gpus"})
    # One run whose targets all others take over, clusters of the unpruned model; it is never trained itself.
    of_whole = stage.targets.model_copy(update={"model": study.model if stage.targets.layer is not None else None})
    start = {"targets": of_whole, "initial": InitialModel(model=study.model)}
    added.pretraining[targets] = Pretraining(corpus=corpus, stages=[stage.model_copy(update=start)], **common)

    def fine_tuned(name: str, initial: str, seed: int) -> str:
        start = {"targets": of_whole, "targets_of": targets, "initial": InitialModel(model=initial), "seed": seed}
        added.pretraining[name] = Pretraining(corpus=corpus, stages=[stage.model_copy(update=start)], **common)
        added.models[name] = PretrainedModel(kind="pretrained", run=name)
        return name

    def judged(arm: str, step: int, seed: int, model: str) -> Iterator[Run]:
        for task in study.tasks:
            yield Run(GENERAL, arm, step, seed, task, task, model)

    for seed in study.seeds:
        added.runs += judged("unpruned", 0, seed, study.model)
        if study.fine_tuned_control:
            added.runs += judged("fine_tuned", 0, seed, fine_tuned(f"{GENERAL}-fine_tuned-s{seed}", study.model, seed))
        for arm in study.arms:
            model = sizes_of = study.model
            for step, rows in enumerate(study.rows or [None], start=1):
                drawn = arm in _DRAWN or step > 1
                cut = f"{GENERAL}-{arm}{f'-s{seed}' if drawn else ''}-cut{step}"
                added.models[cut] = _cut(study, model, sizes_of, arm, study.properties, rows, seed)
                model = fine_tuned(f"{GENERAL}-{arm}-s{seed}-step{step}", cut, seed)
                sizes_of = f"{GENERAL}-protect-s{seed}-step{step}"
            added.runs += judged(arm, len(study.rows or [None]), seed, model)


def _task_specific(config: Config, study: TaskSpecificPruning, added: Expansion) -> None:
    for task, cuts in study.tasks.items():
        between = f"{task}-after-cut"
        section = config.tasks[task]
        pace = {key: min(getattr(section, key), cuts.steps) for key in ("log_every", "evaluate_every", "save_every")}
        warmup = {"warmup_steps": round(section.warmup_steps * cuts.steps / section.steps)}
        added.tasks[between] = section.model_copy(update={"steps": cuts.steps, **warmup, **_whole_points(pace)})
        for seed in study.seeds:
            whole = f"{TASK_SPECIFIC}-{task}-s{seed}-step0"
            added.models[whole] = TunedModel(kind="tuned", of=study.model, task=task, seed=seed)
            added.runs.append(Run(TASK_SPECIFIC, "unpruned", 0, seed, task, task, study.model))
            for arm in study.arms:
                model, stem = whole, f"{TASK_SPECIFIC}-{task}-{arm}-s{seed}"
                sizes_of = whole
                for step, rows in enumerate(study.rows, start=1):
                    cut = f"{stem}-cut{step}"
                    added.models[cut] = _cut(study, model, sizes_of, arm, cuts.properties, rows, seed)
                    added.runs.append(Run(TASK_SPECIFIC, arm, step, seed, task, between, cut))
                    if step < len(study.rows):
                        model = f"{stem}-step{step}"
                        added.models[model] = TunedModel(kind="tuned", of=cut, task=between, seed=seed)
                    sizes_of = f"{TASK_SPECIFIC}-{task}-protect-s{seed}-step{step}"


def _whole_points(pace: dict[str, int]) -> dict[str, int]:
    """Intervals for a shorter training: each a multiple of the one before."""
    log_every = pace["log_every"]
    evaluate_every = max(1, pace["evaluate_every"] // log_every) * log_every
    save_every = max(1, pace["save_every"] // evaluate_every) * evaluate_every
    return {"log_every": log_every, "evaluate_every": evaluate_every, "save_every": save_every}


def _cut(
    study: GeneralPruning | TaskSpecificPruning,
    of: str,
    sizes_of: str,
    arm: Arm,
    properties: list[str],
    rows: int | None,
    seed: int,
) -> PrunedModel:
    """A cut of an arm; `sizes_of`: the model that is protected by its property neurons at the same step.

    Random sets are as large as those of that model. Where all layers compete the arms differ in width, and random sets
    are as large as those of their own model.
    """
    follows = arm == "random_protect" and "protect" in study.arms and study.match != "global" and sizes_of != of
    return PrunedModel(
        kind="pruned",
        of=of,
        criterion=arm,
        sizes_of=sizes_of if follows else None,
        properties=properties,
        corpus=study.corpus,
        rows=rows,
        match=study.match,
        bias=study.bias,
        seed=seed if arm in _DRAWN else 0,
    )
