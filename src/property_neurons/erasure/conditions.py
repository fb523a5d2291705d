"""Conditions of an erasure: what is edited while the task is scored."""

from dataclasses import dataclass

WHOLE, GROUP, RANDOM = "whole", "group", "random"
"""Kinds of conditions: nothing is edited; a group's neurons; as many random ones in the same layers."""


@dataclass(frozen=True)
class Condition:
    """One edit of the model.

    kind: `WHOLE`, `GROUP` or `RANDOM`.
    erased: the group. sigma: of its neurons. dose: share of these, the most exclusive first. draw: number of the random
        set. selector: what chose the neurons (for `RANDOM`: the neurons that they match); `PAPER` for equations 3 to 5.
    """

    kind: str
    erased: str = ""
    sigma: float = 0.0
    dose: float = 0.0
    draw: int = 0
    selector: str = ""
