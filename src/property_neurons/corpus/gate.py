"""The utterances of a corpus that passed its check."""

from pathlib import Path

from property_neurons.stores.files import read_table
from property_neurons.stores.manifests import verify_files


def let_through(checked: str) -> set[tuple[str, str]]:
    """The (subset, utterance) pairs to count, by what `check_corpus` wrote.

    Raises:
        StoreError: the corpus's tables are not as they were written.
    """
    corpus = Path(checked).parent
    verify_files(corpus, checked)
    kept = read_table(corpus / "utterances.parquet", ["subset", "utterance"])
    return set(zip(kept["subset"], kept["utterance"], strict=True))
