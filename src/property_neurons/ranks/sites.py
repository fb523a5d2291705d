"""The places in a model where neurons are ranked, and how many neurons count as active there."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Site:
    """A place where neurons were ranked: Transformer block (from 1), name ("3", or "3.1"), number of neurons."""

    layer: int
    name: str
    width: int


def active_neurons(lambda_: float, width: int) -> int:
    """tau: how many of `width` neurons count as active in a frame (section 3.1)."""
    return max(1, round(lambda_ * width))
