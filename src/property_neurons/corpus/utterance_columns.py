"""The columns that every table of utterances has; what else a corpus knows has other names."""

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
    """What can divide utterances: speaker, gender, subset, and all that the corpus knows beside `OWN_COLUMNS`."""
    names = ["speaker", "gender", "subset", *(name for name in utterances if name not in OWN_COLUMNS)]
    return {
        name: tuple(None if missing else value for value, missing in zip(column, column.isna(), strict=True))
        for name, column in utterances[names].items()
    }
