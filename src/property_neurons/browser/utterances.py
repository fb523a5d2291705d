"""The utterances of a corpus that passed its gate."""

from pathlib import Path

import pandas as pd

from property_neurons.stores.files import read_table
from property_neurons.stores.manifests import verify_files


def kept_utterances(checked: str | Path) -> pd.DataFrame:
    """The utterances of a corpus, from the table beside its check.

    Raises:
        StoreError: the corpus's tables are not as they were written.
    """
    corpus = Path(checked).parent
    verify_files(corpus, checked)
    return read_table(corpus / "utterances.parquet")
