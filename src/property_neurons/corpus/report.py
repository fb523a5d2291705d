"""What can be wrong with an utterance, and what a corpus does about it.

Every trouble has a code, a detail (expected, found, what to do) and an action, and stands as one row in
the corpus's report. All troubles are collected first and judged together, so that one run names them all.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

CODES = {
    "alignment_longer_than_audio": "the alignment ends after the audio",
    "corrupt_audio": "the audio file is damaged or cut short",
    "duplicate_utterance": "the same utterance id occurs more than once",
    "empty_alignment": "the alignment holds nothing but silence",
    "frames_labels_mismatch": "the numbers of model frames and 20 ms labels differ by more than one",
    "labels_without_audio": "there is an alignment but no audio file",
    "missing_alignment": "there is audio but no alignment",
    "missing_audio": "a transcript or split names an utterance that has no audio file",
    "segment_not_positive": "an aligned segment is of zero or negative length",
    "segments_overlap": "two aligned segments overlap",
    "stereo": "the audio has more than one channel",
    "too_short": "the audio is empty or shorter than one model frame",
    "unknown_phone": "the alignment holds a label that is no ARPABET phone",
    "unknown_speaker": "the gender of the speaker is not known",
    "unreadable_alignment": "the alignment cannot be parsed",
    "wrong_sample_rate": "the audio is not sampled at 16 kHz",
}

REPORT_COLUMNS = ("corpus", "subset", "utterance", "code", "detail", "action")
SKIPPED = "skipped"


@dataclass(frozen=True)
class Trouble:
    """One thing that is wrong: a key of `CODES`, and a detail saying expected, found, what to do."""

    code: str
    detail: str

    def __post_init__(self) -> None:
        if self.code not in CODES:
            raise ValueError(f"unknown report code {self.code!r}: add it to CODES")


def report_table(corpus: str, subset: str, troubles: Sequence[tuple[str, Trouble]]) -> pd.DataFrame:
    """The report rows for (utterance, trouble) pairs, in their order; every such utterance is skipped."""
    rows = [
        # A detail stays on one line of the .tsv, whatever a parser's message holds.
        (corpus, subset, utterance, trouble.code, " ".join(trouble.detail.split()), SKIPPED)
        for utterance, trouble in troubles
    ]
    return pd.DataFrame(rows, columns=list(REPORT_COLUMNS), dtype="str")
