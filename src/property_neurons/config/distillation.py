"""Configuration of recovery without labels: a pruned model learns to give the hidden states of the whole one."""

from typing import Literal

from pydantic import Field, model_validator

from property_neurons.config.optimisation import CHOSEN, LearningRates, Optimisation
from property_neurons.config.section import Name


class Distillation(Optimisation):
    """Fine-tuning after a pruning step, for every architecture (docs/pruning.md)."""

    corpus: Name = Field(description="name of the corpus whose speech is learnt from; no label of it is used")
    validation_share: float = Field(
        default=0.05, gt=0, lt=1, description="least share of the speech held out for validation, by speaker"
    )
    layers: list[int] | None = Field(
        default=None, min_length=1, description="Transformer blocks whose output is learnt, from 1 (null: all)"
    )
    loss: Literal["l1_cosine", "l1", "cosine"] = Field(
        default="l1_cosine",
        description="`l1`: mean |h - h'|; `cosine`: -log sigmoid cos(h, h'); `l1_cosine`: both, as in DistilHuBERT and "
        "DPHuBERT",
    )
    cosine_weight: float = Field(default=1.0, ge=0, description="of the cosine's part in `l1_cosine`")
    patience: int | None = Field(
        default=None,
        ge=1,
        description="stop when this many validations in a row have not lowered the least validation loss; null: never",
    )
    learning_rate: LearningRates = Field(
        default=1e-4,
        description=f"of Adam, without weight decay; {CHOSEN.format(held_out='the speech held out for validation')}",
    )
    crop_seconds: float = Field(
        default=10.0,
        ge=0.1,
        description="longest crop, at most a window of the model; shorter utterances are taken whole",
    )

    @model_validator(mode="after")
    def _layers_and_batches_are_whole(self) -> "Distillation":
        if self.layers is not None and (len(set(self.layers)) != len(self.layers) or min(self.layers) < 1):
            raise ValueError(f"layers: expected distinct numbers from 1, found {self.layers}")
        if problem := self.batch_problem():
            raise ValueError(problem)
        return self
