"""Scores of the tasks, and how sure they are (method, section 5).

A score table has a row for each test utterance: utterance, speaker, gender, error, weight. Its rate is the sum of
errors over the sum of weights: edits over reference lengths (PER), 0 or 1 over 1 (speakers not identified), squared
errors over voiced frames (MSE of ln F0).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from rapidfuzz.distance import Levenshtein
from scipy.special import log_softmax

from property_neurons.errors import TaskError
from property_neurons.tasks.wording import some_of

_RESAMPLES_AT_ONCE = 100


@dataclass(frozen=True)
class Edits:
    """The edits that make a hypothesis of a reference."""

    substitutions: int
    deletions: int
    insertions: int


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


def collapse(ids: np.ndarray, blank: int) -> np.ndarray:
    """Greedy CTC decoding: the most likely output of each frame [frames] to units [units].

    Repeats are merged first and blanks dropped then, so that a blank keeps two equal units apart.
    """
    ids = np.asarray(ids)
    changed = np.ones(len(ids), dtype=bool)
    changed[1:] = ids[1:] != ids[:-1]
    return ids[changed & (ids != blank)]


def edits(reference: Sequence[int] | np.ndarray, hypothesis: Sequence[int] | np.ndarray) -> int:
    """The least number of substitutions, deletions and insertions that make the hypothesis of the reference."""
    return Levenshtein.distance(np.asarray(reference).tolist(), np.asarray(hypothesis).tolist())


def edit_operations(reference: Sequence[int] | np.ndarray, hypothesis: Sequence[int] | np.ndarray) -> Edits:
    """Of which kinds the edits are: `edits` is their sum. Of several ways that are as short one is counted."""
    operations = Levenshtein.editops(np.asarray(reference).tolist(), np.asarray(hypothesis).tolist())
    kinds = [operation.tag for operation in operations]
    return Edits(
        substitutions=kinds.count("replace"), deletions=kinds.count("delete"), insertions=kinds.count("insert")
    )


def surprisal(outputs: np.ndarray, label: int) -> float:
    """-ln p(label) in nats, with p the softmax of outputs [classes]: the cross-entropy of one utterance."""
    return float(-log_softmax(np.asarray(outputs, np.float64))[label])


def rate(scores: pd.DataFrame) -> float:
    """The sum of errors over the sum of weights.

    Raises:
        TaskError: no scores, a score that is no number, or a weight that is negative or zero for all.
    """
    error, weight = _by_utterance(scores).to_numpy().sum(axis=0)
    return float(error / weight)


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
    rates = _resampled_rates([_by_utterance(scores)], resamples, np.random.default_rng(seed))
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
    tables = [_by_utterance(scores) for scores in (*first, *second)]
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


def r_squared(squared_error_sum: float, target_sum: float, target_square_sum: float, n: int) -> float:
    """The share of the targets' variance that predictions explain, from sums over the n voiced frames tested on.

    R^2 = 1 - SSE / SST with SSE = sum (y - prediction)^2 and SST = sum (y - mean y)^2 = sum y^2 - (sum y)^2 / n, so
    that the mean of the tested frames themselves has R^2 = 0. Sums in float64.

    Raises:
        TaskError: no frames, or targets that are all alike.
    """
    _check_frames(n)
    total = target_square_sum - target_sum**2 / n
    # Below this the difference is what rounding left.
    if total <= 1e-12 * target_square_sum:
        raise TaskError(f"R^2: expected targets that differ, found {n} alike; test on more frames")
    return 1 - squared_error_sum / total


def constant_mse(training_mean: float, target_sum: float, target_square_sum: float, n: int) -> float:
    """The MSE, over the n voiced frames tested on, of putting out the mean of the training targets for each.

    MSE = (1/n) sum (y - m)^2 = (sum y^2) / n - 2 m (sum y) / n + m^2 with m the training mean. Sums in float64.

    Raises:
        TaskError: no frames.
    """
    _check_frames(n)
    return target_square_sum / n - 2 * training_mean * target_sum / n + training_mean**2


def _by_utterance(scores: pd.DataFrame) -> pd.DataFrame:
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


def _check_frames(n: int) -> None:
    if n < 1:
        raise TaskError("F0: expected voiced frames to test on, found none; test on more utterances")
