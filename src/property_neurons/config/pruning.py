"""Configuration of the pruning studies: Figure 6 (`general`) and Figure 9 (`task_specific`)."""

from typing import Annotated, Any

from pydantic import AfterValidator, Discriminator, Field, Tag, field_validator, model_validator

from property_neurons.config.distillation import Distillation
from property_neurons.config.pretraining import MaskedPrediction, Stage
from property_neurons.config.section import Name, Names, Section, Seeds, each_once
from property_neurons.pruning.vocabulary import Criterion, Match, RandomSets

_ROWS = "neurons per layer after each pruning step, falling; the model is fine-tuned after every step"

CALIBRATED_ON_TASK = "training_part"
"""In place of a corpus: calibrated on the training part of the task that a model was fine-tuned on."""


class _Study(Section):
    model: Name = Field(description="the model that is pruned")
    corpus: Name = Field(description="where property neurons are found, on the current model before each pruning step")
    arms: Annotated[list[Criterion], AfterValidator(each_once)] = Field(
        default=["protect", "norm", "random_protect", "random"],
        min_length=1,
        description="criteria to compare (see `models`, kind pruned)",
    )
    match: Match = Field(default="per_layer", description="sizes of the layers (see `models`, kind pruned)")
    bias: bool = Field(default=True, description="whether the bias counts in the L1 norm")
    random: RandomSets = Field(default="matched", description="random sets (see `models`, kind pruned)")
    cost_of_cut: bool = Field(
        default=False,
        description="also prune the unpruned model to each size of `rows` (or of null) in one step, and score it "
        "without fine-tuning",
    )
    seeds: Seeds = Field(
        default=[0],
        description="of random sets, fine-tuning and tasks: one whole repetition for each seed",
    )

    @field_validator("rows", check_fields=False)
    @classmethod
    def _falling(cls, value: list[int] | None) -> list[int] | None:
        if value is not None and (value != sorted(set(value), reverse=True) or value[-1] < 1):
            raise ValueError(f"numbers of neurons that fall from step to step, at least 1, found {value}")
        return value


class FineTuning(MaskedPrediction):
    """Self-supervised fine-tuning after a pruning step, as in pre-training."""

    stage: Stage = Field(
        description="as a stage of pre-training; `targets.layer` is of the unpruned model, `initial` and `seed` are "
        "the study's"
    )

    @model_validator(mode="after")
    def _starts_from_the_pruned_model(self) -> "FineTuning":
        given = self.stage.model_fields_set & {"initial", "seed", "targets_of"}
        if given or self.stage.targets.model is not None:
            raise ValueError(f"stage: leave out {', '.join(sorted(given)) or 'targets.model'}: the study sets it")
        if problem := self.stage.batch_problem(self.gpus):
            raise ValueError(f"stage: {problem}")
        return self


class GeneralPruning(_Study):
    """Figure 6: prune, fine-tune without labels, judge by tasks."""

    properties: Names = Field(
        default=["phone", "single_phone", "gender", "pitch"],
        min_length=1,
        description="whose property neurons are protected",
    )
    rows: list[int] | None = Field(
        default=None,
        min_length=1,
        description=f"{_ROWS}; null: one step that leaves as many as there are property neurons",
    )
    fine_tuning: FineTuning | None = Field(
        default=None, description="after each pruning step, by masked prediction; MelHuBERT alone"
    )
    distillation: Distillation | None = Field(
        default=None, description="after each pruning step, in place of `fine_tuning`; every architecture"
    )
    fine_tuned_control: bool = Field(
        default=False,
        description="also fine-tune the unpruned model, to tell the effect of pruning from that of fine-tuning",
    )
    tasks: Names = Field(min_length=1, description="names of tasks that judge the models")

    @model_validator(mode="after")
    def _one_recovery(self) -> "GeneralPruning":
        if (self.fine_tuning is None) == (self.distillation is None):
            raise ValueError("expected one recovery: `fine_tuning` (MelHuBERT) or `distillation` (every architecture)")
        if self.distillation is not None and self.fine_tuned_control:
            raise ValueError("fine_tuned_control: the unpruned model gives its own states already; leave it out")
        return self


class TaskPruning(Section):
    """What is protected for one task."""

    properties: Names = Field(min_length=1, description="whose property neurons are protected")
    steps: int = Field(
        ge=0,
        description="optimiser steps of fine-tuning after each pruning step; 0: none of these, `cost_of_cut` alone",
    )


class TaskSpecificPruning(_Study):
    """Figure 9: fine-tune on a task, then prune and fine-tune in turn."""

    rows: list[int] = Field(min_length=1, description=_ROWS)
    tasks: dict[Name, TaskPruning] = Field(min_length=1, description="names of tasks of mode `fine_tuned`")

    @model_validator(mode="after")
    def _something_is_scored(self) -> "TaskSpecificPruning":
        without = [name for name, task in self.tasks.items() if task.steps == 0]
        if without and not self.cost_of_cut:
            raise ValueError(f"tasks.{without[0]}: nothing is scored with steps: 0; set cost_of_cut: true")
        return self


def _kind(value: Any) -> str:
    tasks = value.get("tasks") if isinstance(value, dict) else getattr(value, "tasks", None)
    return "task_specific" if isinstance(tasks, dict) else "general"


Study = Annotated[
    Annotated[GeneralPruning, Tag("general")] | Annotated[TaskSpecificPruning, Tag("task_specific")],
    Discriminator(_kind),
]


class Calibration(Section):
    """The speech by which `magnitude`, `wanda`, `taylor`, `fisher` and `l0` score neurons; the same for all."""

    utterances: int = Field(
        default=128,
        ge=1,
        description="number of randomly sampled utterances: of the training part of the task that the model was "
        "fine-tuned on, or of the corpus where property neurons are found",
    )
    seed: int = Field(default=0, ge=0, description="of the sample")


class Gates(Section):
    """How the gates of the criterion `l0` are learnt, on the speech of `calibration`."""

    steps: int = Field(default=300, ge=1, description="optimiser steps")
    batch_size: int = Field(default=4, ge=1, description="utterances per step")
    learning_rate: float = Field(default=0.05, gt=0, description="of Adam, for gates and multipliers")


class Pruning(Section):
    """The pruning studies."""

    calibration: Calibration = Field(
        default_factory=Calibration, description="speech by which some criteria score neurons"
    )

    gates: Gates = Field(default_factory=Gates, description="learning of the criterion `l0`")
    general: GeneralPruning | None = Field(default=None, description="Figure 6")
    task_specific: TaskSpecificPruning | None = Field(default=None, description="Figure 9")
    studies: dict[Name, Study] = Field(
        default_factory=dict,
        description="further studies by name, which names their figure: like `general` where `tasks` is a list, like "
        "`task_specific` where it has properties for each task",
    )

    def by_name(self) -> dict[str, GeneralPruning | TaskSpecificPruning]:
        """All studies; Figures 6 and 9 are called by their keys."""
        paper = {"general": self.general, "task_specific": self.task_specific}
        return {name: study for name, study in paper.items() if study is not None} | self.studies

    def by_key(self) -> dict[str, GeneralPruning | TaskSpecificPruning]:
        """All studies, by where they stand in the config."""
        return {
            f"pruning.{'studies.' if name in self.studies else ''}{name}": study
            for name, study in self.by_name().items()
        }
