"""Configuration of the erasure studies: Table 1 and its like for any property."""

from typing import Annotated

from pydantic import AfterValidator, Field, field_validator, model_validator

from property_neurons.config.section import GroupNames, Name, Section, Seeds, check_goes_with, each_once
from property_neurons.editing.vocabulary import Action
from property_neurons.neurons.statistics.vocabulary import SelectorName
from property_neurons.pruning.vocabulary import RandomSets


class Erasure(Section):
    """A model is fine-tuned on a task, the groups of a property are erased in it one by one, the task is scored."""

    model: Name = Field(description="the model that is fine-tuned on the task first")
    task: Name = Field(description="name of a task of mode `fine_tuned`")
    corpus: Name | None = Field(
        default=None,
        description="the corpus on which group neurons of the fine-tuned model are found (null: the training part of "
        "the task's split, so never tested speech)",
    )
    property: Name = Field(
        description="the property whose groups are erased: of phones (phone recognition), F0 (F0 reconstruction), "
        "speaker (speaker identification) or gender (any task)"
    )
    groups: GroupNames | None = Field(default=None, description="which of its groups (null: all)")
    action: Action = Field(
        default="zero",
        description="what is done to the neurons: `zero` (the paper's); `scale`: times `factor`; `mean`: held at their "
        "mean; `clamp`: held at or below their `percentile`; both measured on 200 training utterances",
    )
    factor: float = Field(default=0.5, description="of `scale`")
    percentile: float = Field(
        default=50.0, ge=0, le=100, description="of `clamp`, over the frames of 200 training utterances"
    )
    doses: list[float] = Field(
        default=[0.25, 0.5, 0.75, 1.0],
        min_length=1,
        description="shares of the group neurons to erase, the most exclusive first; the table shows 1",
    )
    sigmas: list[float] | None = Field(
        default=None,
        min_length=1,
        description="first the sigma of table and doses, then others to erase whole (null: `analysis.sigma` alone)",
    )
    selectors: Annotated[list[SelectorName], AfterValidator(each_once)] = Field(
        default=[],
        description="other selectors that choose as many neurons per layer; their neurons are erased too, each with "
        "random sets of its own (docs/statistics.md)",
    )
    draws: int = Field(default=5, ge=0, description="random sets of as many neurons in each layer, for each condition")
    random: RandomSets = Field(
        default="matched",
        description="random sets: `matched` to the group's neurons in activation frequency and norm too, or in `size` "
        "alone",
    )
    batch_size: int = Field(default=8, ge=1, description="utterances that are scored together")
    seeds: Seeds = Field(default=[0], description="of fine-tuning and random sets")

    @field_validator("doses")
    @classmethod
    def _doses(cls, value: list[float]) -> list[float]:
        if value != sorted(set(value)) or value[0] <= 0 or value[-1] != 1:
            raise ValueError(f"shares above 0 that rise to 1, found {value}")
        return value

    @field_validator("sigmas")
    @classmethod
    def _sigmas(cls, value: list[float] | None) -> list[float] | None:
        if value is not None and (len(set(value)) != len(value) or min(value) <= 0 or max(value) > 1):
            raise ValueError(f"distinct shares above 0, at most 1, found {value}")
        return value

    @model_validator(mode="after")
    def _options_of_the_action(self) -> "Erasure":
        check_goes_with(self, {"factor": "scale", "percentile": "clamp"}, self.action)
        return self

    @model_validator(mode="after")
    def _held_against_random_sets(self) -> "Erasure":
        if self.selectors and not self.draws:
            raise ValueError("selectors are held against random sets; set draws to 1 or more")
        return self
