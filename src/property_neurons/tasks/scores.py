"""Score tables and their rates (method, section 5).

A score table has a row for each utterance: utterance, speaker, gender, error, weight. Its rate is the sum of errors
over the sum of weights: edits over reference lengths (PER), 0 or 1 over 1 (speakers not identified), squared errors
over voiced frames (MSE of ln F0).
"""

import numpy as np
import pandas as pd

from property_neurons.errors import TaskError, some_of


def rate(scores: pd.DataFrame) -> float:
    """The sum of errors over the sum of weights.

    Raises:
        TaskError: no scores, a score that is no number, or a weight that is negative or zero for all.
    """
    error, weight = errors_and_weights(scores).to_numpy().sum(axis=0)
    return float(error / weight)


def errors_and_weights(scores: pd.DataFrame) -> pd.DataFrame:
    """Error and weight by utterance, float64, sorted, once they make sense."""
    table = scores.set_index("utterance")[["error", "weight"]].astype(np.float64).sort_index()
    if table.empty:
        raise TaskError("scores: expected a row for each test utterance, found none; test on some")
    twice = sorted(set(table.index[table.index.duplicated()]))
    if twice:
        raise TaskError(f"scores: expected a row for each utterance, found more for {some_of(twice)}; score each once")
    wrong = table.index[~np.isfinite(table).all(axis=1) | (table["weight"] < 0)]
    if len(wrong):
        raise TaskError(
            "scores: expected finite errors and weights of zero or more, "
            f"found others for {some_of(list(wrong))}; score them again"
        )
    if table["weight"].sum() == 0:
        raise TaskError(
            f"scores: expected weights above zero, found zero for all {len(table)} utterances; "
            "test on utterances with units or voiced frames"
        )
    return table
