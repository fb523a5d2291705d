"""Configuration of steps, batches and learning rate, the same for every training."""

import math
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from property_neurons.config.section import Section


def _learning_rates(value: Any) -> Any:
    several = isinstance(value, list)
    numbers = value if several else [value]
    try:
        rates = [float(one) for one in numbers]
    except (TypeError, ValueError):
        rates = []
    if len(set(rates)) != len(numbers) or not rates or not all(0 < rate < math.inf for rate in rates):
        raise ValueError(f"expected a number above 0, or a list of such, each once; found {value!r}")
    return rates if several else rates[0]


LearningRates = Annotated[float | list[float], BeforeValidator(_learning_rates)]
"""One learning rate, or several, out of which each training chooses its own on speech that is held out."""

CHOSEN = "a list: each training is made with every one, and the best on {held_out} is kept, as in SUPERB"


class Optimisation(Section):
    """Adam without weight decay, on batches of utterances or crops of them."""

    steps: int = Field(ge=1, description="optimiser steps")
    batch_size: int = Field(
        default=32, ge=1, description="utterances (crops) per step, over all GPUs and accumulated batches"
    )
    accumulation: int = Field(default=1, ge=1, description="batches a step accumulates; divides `batch_size`")
    learning_rate: float = Field(default=1e-4, gt=0, description="of Adam, without weight decay")
    schedule: Literal["constant", "linear"] = Field(
        default="constant", description="of the learning rate after the warm-up; `linear` falls to zero"
    )
    warmup_steps: int = Field(default=0, ge=0, description="steps in which the learning rate rises from zero")
    precision: Literal["fp32", "bf16"] = Field(
        default="fp32", description="arithmetic of the training passes; bf16 on GPUs alone"
    )
    evaluate_every: int = Field(default=1000, ge=1, description="steps between validations")
    save_every: int = Field(default=1000, ge=1, description="steps between the checkpoints a killed job resumes from")
    log_every: int = Field(default=50, ge=1, description="steps between points of the training curve")
    workers: int = Field(default=0, ge=0, description="processes that prepare batches; 0 for none but the training's")

    @model_validator(mode="after")
    def _points_are_whole(self) -> "Optimisation":
        if self.save_every % self.log_every:
            raise ValueError(
                f"save_every ({self.save_every}) must be a multiple of log_every ({self.log_every}): a resumed "
                "training begins a new point of its curve"
            )
        return self

    def batch_problem(self, gpus: int = 1) -> str | None:
        """Why the utterances of a step do not divide evenly into its batches; None where they do."""
        if self.batch_size % (self.accumulation * gpus) == 0:
            return None
        return (
            f"batch_size ({self.batch_size}) must be a multiple of accumulation x gpus ({self.accumulation} x {gpus}); "
            "change one of them"
        )
