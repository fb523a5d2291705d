"""Words in the tables of an erasure. A module of its own, so that figures load no model."""

from property_neurons.editing.vocabulary import ALL

OWN, OTHERS = "own", "others"
"""Parts beside all: the erased group, all groups but this one."""
CROSS_ENTROPY = "cross_entropy"
"""A metric beside speaker errors: mean -ln p of the right speaker, in nats."""
MEAN = "mean"
"""Stands for the erased group where a row is the mean over all of them."""
BY_UTTERANCE = "utterance_errors"
"""A metric beside the errors by clip, where clips are scored: all clips of an utterance name another speaker."""
NOT_A_GROUP = frozenset({ALL, OWN, OTHERS, MEAN})
"""What stands for several groups: a group that is erased has another name."""
MOST_SPELLED_OUT = 4
"""Groups up to which a table has a row for every part; with more: own, others and all, and their mean."""
BEYOND = 0.05
"""The false discovery rate up to which a change is called beyond random neurons, over all cells of a table."""


def decimals_of(unit: str) -> int:
    """Decimals with which an error or a difference in this unit is written."""
    return {"points": 1, "nats": 3}.get(unit, 4)


def mean_count(value: float) -> str:
    """A mean of whole numbers over seeds, to a tenth: "314", "0.3", "12345.7"."""
    return f"{value:.1f}".removesuffix(".0")
