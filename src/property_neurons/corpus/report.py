"""What can be wrong with an utterance, and what a corpus does about it.

Every trouble has a code, a detail (expected, found, what to do) and an action, and stands as one row in
the corpus's report. All troubles are collected first and judged together, so that one run names them all.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from property_neurons.errors import CorpusError

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
_EXAMPLES = 3


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


def assemble(
    corpus: str, utterances: Sequence[pd.DataFrame], reports: Sequence[pd.DataFrame]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Join the tables of a corpus's subsets, in the order given, into its utterances and its report.

    An id that already occurred in an earlier subset is left out of the later one and reported there as
    duplicate_utterance.
    """
    together = pd.concat(utterances, ignore_index=True)
    again = together["utterance"].duplicated()
    home = together[~again].set_index("utterance")["subset"]
    duplicates = [
        report_table(corpus, row.subset, [(row.utterance, _also_in(home[row.utterance]))])
        for row in together[again].itertuples()
    ]
    return together[~again].reset_index(drop=True), pd.concat([*reports, *duplicates], ignore_index=True)


def check_report(
    report: pd.DataFrame,
    n_utterances: int,
    corpus: str,
    *,
    policy: Literal["fail", "skip"],
    max_skipped_share: float,
    report_path: str,
) -> dict[str, Any]:
    """Judge a corpus by its report.

    Args:
        report: all report rows of the corpus.
        n_utterances: utterances that are fit for use, so not counting those in `report`.
        corpus: name of the corpus, for the message.
        policy: `on_bad_utterance` of the config: "fail" accepts no refused utterance, "skip" a share of them.
        max_skipped_share: largest acceptable skipped / (skipped + fit), under "skip".
        report_path: where the whole report can be read, for the message.

    Returns:
        corpus, utterances (fit for use), skipped (utterances), skipped_share, codes {code: utterances}.

    Raises:
        CorpusError: an utterance was refused under "fail", more than the cap under "skip", or none is left.
    """
    refused = report[report["action"] == SKIPPED]
    skipped = len(refused[["subset", "utterance"]].drop_duplicates())
    seen = n_utterances + skipped
    share = skipped / seen if seen else 0.0
    distinct = refused.drop_duplicates(["subset", "utterance", "code"])
    summary = {
        "corpus": corpus,
        "utterances": n_utterances,
        "skipped": skipped,
        "skipped_share": share,
        "codes": {
            str(code): int(count) for code, count in distinct["code"].value_counts(sort=False).sort_index().items()
        },
    }
    verdict = _verdict(summary, policy, max_skipped_share)
    if verdict is None:
        return summary
    expected, remedy = verdict
    raise CorpusError(
        f"corpus {corpus}: {expected}, found {skipped} of {seen} ({share:.1%}) that cannot be used:\n"
        f"{_table_of_codes(distinct)}\n{report_path} says for each what is wrong and what to do. {remedy}"
    )


def describe(summary: dict[str, Any]) -> str:
    """What `check_report` found, for the screen: one line for the corpus and one per code."""
    head = (
        f"corpus {summary['corpus']}: {summary['utterances']} utterances fit for use, "
        f"{summary['skipped']} skipped ({summary['skipped_share']:.1%})"
    )
    return "\n".join([head, *(f"  {code}: {count} ({CODES[code]})" for code, count in summary["codes"].items())])


def _also_in(subset: str) -> Trouble:
    return Trouble(
        "duplicate_utterance",
        f"expected each id in one subset, found it in {subset} too; the one in {subset} is kept, remove either",
    )


def _verdict(summary: dict[str, Any], policy: str, max_skipped_share: float) -> tuple[str, str] | None:
    """(what was expected, what to do), or None where the corpus is acceptable."""
    if not summary["utterances"]:
        return "expected at least one usable utterance", "Mend the corpus, or check its paths in the config."
    if policy == "fail" and summary["skipped"]:
        return (
            "expected every utterance to be usable (on_bad_utterance: fail)",
            f"Mend these, or set on_bad_utterance: skip with a cap of at least {_round_up(summary)}.",
        )
    if policy == "skip" and summary["skipped_share"] > max_skipped_share:
        return (
            f"expected a skipped share of at most {max_skipped_share:g}",
            f"Mend these, or raise the cap to at least {_round_up(summary)}.",
        )
    return None


def _round_up(summary: dict[str, Any]) -> float:
    return math.ceil(summary["skipped_share"] * 1000) / 1000


def _table_of_codes(distinct: pd.DataFrame) -> str:
    lines = []
    for code, rows in distinct.groupby("code", sort=True):
        examples = rows["utterance"].tolist()
        more = ", ..." if len(examples) > _EXAMPLES else ""
        lines.append(f"  {code}: {len(examples)} ({CODES[code]}), e.g. {', '.join(examples[:_EXAMPLES])}{more}")
    return "\n".join(lines)
