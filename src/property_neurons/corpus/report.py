"""What can be wrong with an utterance, and what a corpus does about it.

Every trouble has a code, a detail (expected, found, what to do) and an action, and stands as one row in
the corpus's report. All troubles are collected first and judged together, so that one run names them all.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from property_neurons.corpus.codes import CODES
from property_neurons.errors import printable

REPORT_COLUMNS = ("corpus", "subset", "utterance", "code", "detail", "action")
SKIPPED = "skipped"
KEPT = "kept"
IGNORED = "ignored"
CONVERTED = "converted"


@dataclass(frozen=True)
class Trouble:
    """One thing that is wrong: a key of `CODES`, and a detail saying expected, found, what to do."""

    code: str
    detail: str

    def __post_init__(self) -> None:
        if self.code not in CODES:
            raise ValueError(f"unknown report code {self.code!r}: add it to CODES")


def report_table(
    corpus: str, subset: str, troubles: Sequence[tuple[str, Trouble]], action: str = SKIPPED
) -> pd.DataFrame:
    """The report rows for (utterance, trouble) pairs, in their order, and what is done with every such utterance."""
    rows = [
        # A detail stays on one line of the .tsv, whatever a parser's message holds.
        (corpus, subset, printable(utterance), trouble.code, printable(" ".join(trouble.detail.split())), action)
        for utterance, trouble in troubles
    ]
    return pd.DataFrame(rows, columns=list(REPORT_COLUMNS), dtype="str")
