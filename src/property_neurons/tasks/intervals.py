"""How sure scores are: bootstrap intervals over test utterances (method, section 5).

Score tables and their rates are those of `scores`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from property_neurons.errors import TaskError, some_of
from property_neurons.tasks.scores import errors_and_weights, rate

_RESAMPLES_AT_ONCE = 100


@dataclass(frozen=True)
class Difference:
    """A difference of mean rates, first minus second, with its interval.

    n_first, n_second: runs on either side; utterances: how many both sides are scored on.
    """

    mean: float
    low: float
    high: float
    n_first: int
    n_second: int
    utterances: int


def bootstrap_interval(
    scores: pd.DataFrame, *, resamples: int = 2000, level: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """The percentile interval of the rate, over utterances drawn with replacement, as many as there are.

    It tells how much the rate owes to the choice of test utterances, not to the training run. The order of rows makes
    no difference. Utterances of one speaker are drawn as if they were independent.

    Returns:
        low and high, between which the middle share `level` of the rates lies

    Raises:
        TaskError: see `rate`.
    """
    rates = _resampled_rates([errors_and_weights(scores)], resamples, np.random.default_rng(seed))
    return _interval(rates[:, 0], level)


def paired_difference(
    first: Sequence[pd.DataFrame],
    second: Sequence[pd.DataFrame],
    *,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Difference:
    """The difference of two models' mean rates, each over its runs (seeds), on the same test utterances.

    For each resample utterances are drawn with replacement, once for both models and all runs, so that what is hard
    for both cancels; and runs are drawn with replacement for each side on its own, also where both have as many,
    since a seed is no pair of runs. The interval is that of the percentiles. Drawing n runs shows only (n - 1) / n of
    the variance between them: with one run on a side that side adds none, with few the interval is too narrow.

    Args:
        first, second: a score table for each run.

    Raises:
        TaskError: no run on a side, runs that differ in their utterances, or scores that `rate` refuses.
    """
    if not first or not second:
        raise TaskError(
            f"difference of two models: expected a run of either at least, found {len(first)} and {len(second)}; "
            "train the one that lacks"
        )
    tables = [errors_and_weights(scores) for scores in (*first, *second)]
    for table in tables[1:]:
        _check_same_utterances(tables[0], table)
    rng = np.random.default_rng(seed)
    rates = _resampled_rates(tables, resamples, rng)
    first_run = rng.integers(len(first), size=(resamples, len(first)))
    second_run = len(first) + rng.integers(len(second), size=(resamples, len(second)))
    means = [np.take_along_axis(rates, run, axis=1).mean(axis=1) for run in (first_run, second_run)]
    low, high = _interval(means[0] - means[1], level)
    return Difference(
        mean=float(np.mean([rate(scores) for scores in first]) - np.mean([rate(scores) for scores in second])),
        low=low,
        high=high,
        n_first=len(first),
        n_second=len(second),
        utterances=len(tables[0]),
    )


def _check_same_utterances(expected: pd.DataFrame, found: pd.DataFrame) -> None:
    differing = expected.index.symmetric_difference(found.index)
    if len(differing):
        raise TaskError(
            f"difference of two models: expected all runs on the same {len(expected)} utterances, found "
            f"{some_of(list(differing))} in some runs alone; test all runs on the same split"
        )


def _resampled_rates(tables: Sequence[pd.DataFrame], resamples: int, rng: np.random.Generator) -> np.ndarray:
    """Rates over utterances drawn with replacement, the same for all tables: [resamples, tables]."""
    n = len(tables[0])
    errors = np.stack([table["error"] for table in tables], axis=1)
    weights = np.stack([table["weight"] for table in tables], axis=1)
    sums = np.empty((2, resamples, len(tables)))
    for first in range(0, resamples, _RESAMPLES_AT_ONCE):
        several = slice(first, min(first + _RESAMPLES_AT_ONCE, resamples))
        drawn = rng.integers(n, size=(several.stop - first, n))
        flat = drawn + n * np.arange(len(drawn))[:, None]
        times = np.bincount(flat.ravel(), minlength=drawn.size).reshape(drawn.shape).astype(np.float64)
        sums[:, several] = times @ errors, times @ weights
    # A draw of utterances without any weight has no rate: nan, left out of the interval.
    with np.errstate(divide="ignore", invalid="ignore"):
        rates = sums[0] / sums[1]
    return np.where(sums[1] > 0, rates, np.nan)


def _interval(values: np.ndarray, level: float) -> tuple[float, float]:
    tail = (1 - level) / 2
    low, high = np.nanquantile(values, [tail, 1 - tail])
    return float(low), float(high)
