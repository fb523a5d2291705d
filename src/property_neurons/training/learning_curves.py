"""The learning curves that a Trainer logged, as a table."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

_OF_THE_OPTIMISER = ("learning_rate", "grad_norm")


def learning_curves(
    log_history: Sequence[Mapping[str, Any]], measures: Mapping[str, tuple[str, str]], held_out: str = "validation"
) -> pd.DataFrame:
    """A row for each split and step, the last one logged.

    Args:
        measures: for each column the key of its value in what is logged of training, and of the speech held out.
        held_out: what the speech held out is called.

    Returns:
        step, split ("train" or `held_out`), the measures, learning_rate, grad_norm (nan where held out)
    """
    rows = []
    for entry in log_history:
        for place, split in enumerate(("train", held_out)):
            found = {column: entry[keys[place]] for column, keys in measures.items() if keys[place] in entry}
            if len(found) == len(measures):
                of_training = {key: entry.get(key) for key in _OF_THE_OPTIMISER} if split == "train" else {}
                rows.append({"step": entry["step"], "split": split} | found | of_training)
    table = pd.DataFrame(rows, columns=["step", "split", *measures, *_OF_THE_OPTIMISER])
    return table.drop_duplicates(["step", "split"], keep="last").sort_values(["split", "step"], ignore_index=True)
