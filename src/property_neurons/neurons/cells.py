"""How many frames each cell has, and which cells have too few frames for a reliable pattern."""

import math
from fractions import Fraction

import numpy as np
import pandas as pd

from property_neurons.corpus.phones import NEVER_IN_A_SET
from property_neurons.counting.count_store import Counts

_NAMED = 3


def enough_frames(lambda_: float) -> int:
    """The least number of frames with which a single hit makes no pattern: n >= 1 / lambda."""
    return math.ceil(1 / Fraction(str(lambda_)))


def cell_table(counts: Counts, phone_cell_n: np.ndarray | None = None) -> pd.DataFrame:
    """How many frames each cell has: group, label, n, rare.

    A cell is rare where a single hit makes a pattern (n < 1 / lambda) and its pattern can enter a set.

    Args:
        phone_cell_n: int64 [phone cells], how many are left of `counts.phone_cell_n` where frames are thinned.
    """
    table = pd.DataFrame(counts.cells, columns=["group", "label"]).assign(n=counts.n)
    if phone_cell_n is not None:
        table.loc[counts.phone_cells, "n"] = phone_cell_n
    table["rare"] = table.index.isin(counts.phone_cells) & (table["n"] < enough_frames(counts.lambda_))
    return table


def pattern_cells(cells: pd.DataFrame) -> pd.DataFrame:
    """The rows of a `cell_table` whose patterns can enter a set: a phone in a group."""
    return cells[(cells["group"] != "") & ~cells["label"].isin(NEVER_IN_A_SET)]


def too_little_speech(cells: pd.DataFrame, where: str, *, lambda_: float, min_count: int = 0) -> str | None:
    """The message about the rare cells of one property; None where there is none.

    Args:
        cells: of `cell_table`.
        where: property and corpus, for the message.
        min_count: cells with fewer frames have an empty pattern.
    """
    rare, enough = cells[cells["rare"]], enough_frames(lambda_)
    if rare.empty:
        return None
    if not pattern_cells(cells)["n"].any():
        return (
            f"{where}: no frame of any phone of any group, so that no neuron can be found. Where the corpus has no "
            "alignments, write `by: none` for this property; else see that its groups occur."
        )
    fewest = rare.sort_values("n", kind="stable").head(_NAMED)
    named = ", ".join(f"{row.group} {row.label} {row.n}" for row in fewest.itertuples())
    if min_count >= enough:
        effect = f"their patterns are empty (analysis.min_count: {min_count})"
        remedy = "Use more speech."
    else:
        effect = "a single hit there makes a neuron part of the pattern, none an empty pattern"
        remedy = f"Use more speech, or empty these patterns with analysis.min_count: {enough}."
    return (
        f"{where}: too little speech, {len(rare)} of {len(pattern_cells(cells))} cells (one phone in one group) have "
        f"fewer than {enough} frames (1 / lambda): {effect}. Fewest: {named}. {remedy}"
    )
