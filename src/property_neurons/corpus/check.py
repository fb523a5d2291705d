"""Accept or refuse a corpus by its report, as `on_bad_utterance` of the config says."""

import math
from typing import Any, Literal

import pandas as pd

from property_neurons.corpus.codes import CODES
from property_neurons.corpus.report import SKIPPED
from property_neurons.corpus.unknown_labels import in_whole_corpus
from property_neurons.errors import CorpusError

_EXAMPLES = 3


def check_report(
    report: pd.DataFrame,
    n_utterances: int,
    corpus: str,
    *,
    policy: Literal["fail", "skip"],
    max_skipped_share: float,
    report_path: str,
) -> dict[str, Any]:
    """Accept or refuse a corpus by its report.

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
        f"{_table_of_codes(corpus, distinct)}\n{report_path} says for each what is wrong and what to do. {remedy}"
    )


def describe(summary: dict[str, Any]) -> str:
    """What `check_report` found, for the screen: one line for the corpus and one per code."""
    head = (
        f"corpus {summary['corpus']}: {summary['utterances']} utterances fit for use, "
        f"{summary['skipped']} skipped ({summary['skipped_share']:.1%})"
    )
    return "\n".join([head, *(f"  {code}: {count} ({CODES[code]})" for code, count in summary["codes"].items())])


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


def _table_of_codes(corpus: str, distinct: pd.DataFrame) -> str:
    lines = []
    for code, rows in distinct.groupby("code", sort=True):
        examples = rows["utterance"].tolist()
        more = ", ..." if len(examples) > _EXAMPLES else ""
        lines.append(f"  {code}: {len(examples)} ({CODES[code]}), e.g. {', '.join(examples[:_EXAMPLES])}{more}")
        if code == "unknown_phone":
            lines.append(in_whole_corpus(corpus, rows["detail"]))
    return "\n".join(lines)
