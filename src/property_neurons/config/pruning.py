"""Configuration of the pruning studies: Figure 6 (`general`) and Figure 9 (`task_specific`)."""

from typing import Literal

from pydantic import Field, field_validator, model_validator

from property_neurons.config.pretraining import Stage
from property_neurons.config.section import Name, Section

Arm = Literal["protect", "norm", "random_protect", "random", "frequency"]

_ROWS = "neurons a layer after each cut, falling: one number is one cut, more are stepwise with fine-tuning between"


class _Study(Section):
    model: Name = Field(description="the model that is cut")
    corpus: Name = Field(description="where property neurons are found, anew on the current model before each cut")
    arms: list[Arm] = Field(
        default=["protect", "norm", "random_protect", "random"],
        min_length=1,
        description="criteria that are compared (see `models`, kind pruned)",
    )
    match: Literal["per_layer", "uniform", "global"] = Field(
        default="per_layer", description="sizes of the layers (see `models`, kind pruned)"
    )
    bias: bool = Field(default=True, description="whether the bias counts in the L1 norm")
    seeds: list[int] = Field(
        default=[0], min_length=1, description="of random draws, fine-tuning and tasks: one whole repetition for each"
    )

    @field_validator("rows", check_fields=False)
    @classmethod
    def _falling(cls, value: list[int] | None) -> list[int] | None:
        if value is not None and (value != sorted(set(value), reverse=True) or value[-1] < 1):
            raise ValueError(f"numbers of neurons that fall from cut to cut, at least 1, found {value}")
        return value

    @model_validator(mode="after")
    def _distinct(self) -> "_Study":
        if len(set(self.seeds)) != len(self.seeds) or min(self.seeds) < 0:
            raise ValueError(f"seeds must be distinct and not negative, found {self.seeds}")
        if len(set(self.arms)) != len(self.arms):
            raise ValueError(f"arms must be distinct, found {self.arms}")
        return self


class FineTuning(Section):
    """Self-supervised fine-tuning after a cut, as in pre-training."""

    corpus: Name = Field(description="name of the corpus to train on")
    validation_share: float = Field(
        default=0.01, gt=0, lt=1, description="least share of the speech held out for validation, by speaker"
    )
    gpus: int = Field(default=1, ge=1, description="GPUs that it trains on (without `device: cpu`)")
    stage: Stage = Field(
        description="as a stage of pre-training; `targets.layer` is of the unpruned model, `initial` and `seed` are "
        "the study's"
    )

    @model_validator(mode="after")
    def _starts_from_the_cut_model(self) -> "FineTuning":
        given = self.stage.model_fields_set & {"initial", "seed", "targets_of"}
        if given or self.stage.targets.model is not None:
            raise ValueError(f"stage: leave out {', '.join(sorted(given)) or 'targets.model'}: the study sets it")
        return self


class GeneralPruning(_Study):
    """Figure 6: cut, fine-tune without labels, judge by tasks."""

    properties: list[Name] = Field(
        default=["phone", "single_phone", "gender", "pitch"],
        min_length=1,
        description="whose property neurons are protected",
    )
    rows: list[int] | None = Field(
        default=None,
        min_length=1,
        description=f"{_ROWS}; null: one cut that leaves as many as there are property neurons",
    )
    fine_tuning: FineTuning = Field(description="after each cut")
    fine_tuned_control: bool = Field(
        default=False, description="also fine-tune the unpruned model alike, to tell cutting from fine-tuning"
    )
    tasks: list[Name] = Field(min_length=1, description="names of tasks that judge the models")

    @field_validator("tasks")
    @classmethod
    def _each_once(cls, value: list[str]) -> list[str]:
        if len(set(value)) != len(value):
            raise ValueError(f"expected each task once, found {', '.join(value)}; leave out the second")
        return value


class TaskCut(Section):
    """What is protected for one task."""

    properties: list[Name] = Field(min_length=1, description="whose property neurons are protected")
    steps: int = Field(ge=1, description="optimiser steps of fine-tuning after each cut; the warm-up changes alike")


class TaskSpecificPruning(_Study):
    """Figure 9: fine-tune on a task, then cut and fine-tune in turn."""

    rows: list[int] = Field(min_length=1, description=_ROWS)
    tasks: dict[Name, TaskCut] = Field(min_length=1, description="names of tasks of mode `fine_tuned`")


class Pruning(Section):
    """The pruning studies."""

    general: GeneralPruning | None = Field(default=None, description="Figure 6")
    task_specific: TaskSpecificPruning | None = Field(default=None, description="Figure 9")
