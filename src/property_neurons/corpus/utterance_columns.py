"""The columns that every table of utterances has; further columns of a corpus have other names."""

import pandas as pd

UTTERANCE_TYPES = {
    "utterance": "str",
    "subset": "str",
    "speaker": "str",
    "gender": "str",
    "audio": "str",
    "audio_digest": "str",
    "n_samples": "int64",
    "n_labels": "int64",
    "transcript": "str",
    "shard": "str",
}
OWN_COLUMNS = frozenset(UTTERANCE_TYPES)


def known_columns(utterances: pd.DataFrame) -> dict[str, tuple[str | float | None, ...]]:
    """The columns that can divide utterances: speaker, gender, subset, and all further ones beside `OWN_COLUMNS`."""
    names = ["speaker", "gender", "subset", *(name for name in utterances if name not in OWN_COLUMNS)]
    return without_missing(utterances[names])


def without_missing(table: pd.DataFrame) -> dict[str, tuple[str | float | None, ...]]:
    """The columns of a table, None where a value is missing."""
    return {
        name: tuple(None if missing else value for value, missing in zip(column, column.isna(), strict=True))
        for name, column in table.items()
    }
