"""One utterance table and one report for a corpus of several subsets."""

from collections.abc import Sequence

import pandas as pd

from property_neurons.corpus.report import Trouble, report_table


def assemble(
    corpus: str, utterances: Sequence[pd.DataFrame], reports: Sequence[pd.DataFrame]
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Join the tables of a corpus's subsets, in the order given, into its utterances and its report.

    An id that already occurred in an earlier subset is left out of the later one and reported there as
    duplicate_utterance.

    Returns:
        utterances, report, and what was left out (subset, utterance)
    """
    together = pd.concat(utterances, ignore_index=True)
    again = together["utterance"].duplicated()
    home = together[~again].set_index("utterance")["subset"]
    duplicates = [
        report_table(corpus, row.subset, [(row.utterance, _also_in(home[row.utterance]))])
        for row in together[again].itertuples()
    ]
    report = pd.concat([*reports, *duplicates], ignore_index=True)
    return together[~again].reset_index(drop=True), report, together.loc[again, ["subset", "utterance"]]


def _also_in(subset: str) -> Trouble:
    return Trouble(
        "duplicate_utterance",
        f"expected each id in one subset, found it in {subset} too; the one in {subset} is kept, remove either",
    )
