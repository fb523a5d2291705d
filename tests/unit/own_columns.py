"""A scan with what the user's tables say beside it, as the workflow joins the two."""

from dataclasses import replace

import pandas as pd

from property_neurons.corpus.scan import Scan
from property_neurons.corpus.table_columns import table_columns


def with_own_columns(scan: Scan, **settings) -> Scan:
    """The utterances that have columns, with these, and the troubles of both."""
    found = table_columns("own", scan.utterances, **{"manifest": None} | settings)
    both = set(found.columns) & set(scan.utterances) - {"utterance", "subset"}
    known = scan.utterances.drop(columns=list(both))
    utterances = known.merge(found.columns, on=["utterance", "subset"])
    return replace(scan, utterances=utterances, report=pd.concat([scan.report, found.report], ignore_index=True))
