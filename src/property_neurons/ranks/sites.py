"""The places in a model where neurons are ranked."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Site:
    """A place where neurons were ranked: Transformer block (from 1), name ("3", or "3.1"), number of neurons."""

    layer: int
    name: str
    width: int
