"""Intervals of scores: bootstrap over the speakers of the test part (method, section 5; statistics, row 8).

Utterances of one speaker are alike, so intervals from utterances resampled as if independent would be too narrow. A
speaker is resampled with all utterances (the cluster bootstrap). Resampling utterances again within each speaker would
count the variation within speakers twice (Davison and Hinkley 1997, section 3.8): of comparisons of two equal models
0.3 % would pass a test at 5 %. With a single speaker utterances are resampled, and the result holds for this speaker.
Score tables and their rates are those of `scores`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from property_neurons.errors import TaskError, some_of
from property_neurons.tasks.scores import errors_and_weights, rate

RESAMPLES = 2000
FEW_SPEAKERS = 10
"""Fewer test speakers give intervals that are too narrow: of 5, intervals of 95 % hold the truth about 79 % of the
time."""


@dataclass(frozen=True)
class Estimate:
    """A value with its interval, p and detectable difference from resampling.

    low, high: the interval that holds the middle share `level` of the resampled values.
    p: two-sided, of the value being zero: Student's t of value / SE with one degree of freedom less than speakers.
    detectable: the smallest true difference that this test finds at the 5 % level 80 times in 100: about 2.8 SE.
        NaN where nothing varies (no utterance changed, or there is only one).
    """

    mean: float
    low: float
    high: float
    p: float
    detectable: float


@dataclass(frozen=True)
class Difference(Estimate):
    """A difference of mean rates, first minus second.

    n_first, n_second: runs on either side; utterances, speakers: how many both sides are scored on.
    """

    n_first: int
    n_second: int
    utterances: int
    speakers: int


@dataclass(frozen=True)
class Resamples:
    """How often each unit (a speaker; an utterance of a lone speaker) is in each resample.

    unit_of: the unit of each utterance: its place among the columns of `times`.
    times: float64 [resamples, units].
    """

    unit_of: pd.Series
    times: np.ndarray

    def rates(self, tables: Sequence[pd.DataFrame]) -> np.ndarray:
        """The rate of each score table in each resample: [resamples, tables], NaN where what is drawn has no weight.

        An utterance that a table lacks weighs nothing in it.

        Raises:
            TaskError: scores that `rate` refuses.
        """
        sums = np.zeros((2, self.times.shape[1], len(tables)))
        for place, table in enumerate(map(errors_and_weights, tables)):
            unit = self.unit_of.reindex(table.index).to_numpy()
            for number, column in enumerate(("error", "weight")):
                sums[number, :, place] = np.bincount(unit, table[column], minlength=self.times.shape[1])
        errors, weights = self.times @ sums[0], self.times @ sums[1]
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(weights > 0, errors / weights, np.nan)


def resample(
    scores: pd.DataFrame, *, resamples: int = RESAMPLES, seed: int = 0, within: pd.Series | None = None
) -> Resamples:
    """Resample speakers with replacement, as many as there are, each with all utterances, whatever the order of rows.

    Args:
        scores: its columns utterance and speaker.
        within: the group of each utterance, by name; each group's speakers are then drawn on their own, and the
            utterances of a group's lone speaker.

    Raises:
        TaskError: an utterance has no speaker.
    """
    if "speaker" not in scores or scores["speaker"].isna().any():
        raise TaskError("scores: expected the speaker of each test utterance, found none for some; score them again")
    known = scores[["utterance", "speaker"]].drop_duplicates().set_index("utterance").sort_index().astype(str)
    group = pd.Series("", index=known.index) if within is None else within.reindex(known.index)
    speakers = known["speaker"].groupby(group).nunique()
    unit_of, units = pd.factorize(known["speaker"].where(group.map(speakers) > 1, known.index), sort=True)
    group_of = group.set_axis(unit_of)
    group_of = group_of[~group_of.index.duplicated()].sort_index()
    times = np.zeros((resamples, len(units)))
    rng = np.random.default_rng(seed)
    for _, own in group_of.groupby(group_of):
        n = len(own)
        drawn = rng.integers(n, size=(resamples, n)) + n * np.arange(resamples)[:, None]
        times[:, own.index] = np.bincount(drawn.ravel(), minlength=n * resamples).reshape(resamples, n)
    return Resamples(pd.Series(unit_of, index=known.index), times)


def estimate(mean: float, values: np.ndarray, units: int, *, level: float = 0.95) -> Estimate:
    """The estimate of a value from its resampled values.

    SE is their standard deviation times sqrt(units / (units - 1)), since a bootstrap of n units shows (n - 1) / n of
    the variance. Where they do not vary, p is the least that a test of signs of so many units can give.

    Args:
        values: [resamples], NaN left out.
        units: speakers that were drawn, or utterances of one speaker alone; see `n_units`.
    """
    tail = (1 - level) / 2
    known = values[~np.isnan(values)]
    low, high = map(float, np.quantile(known, [tail, 1 - tail]))
    if units < 2:
        return Estimate(mean, low, high, np.nan, np.nan)
    error = known.std() * np.sqrt(units / (units - 1))
    if error <= 1e-12 * max(1.0, abs(mean)):
        same = abs(mean) <= 1e-9
        return Estimate(mean, low, high, 1.0 if same else 2.0 ** (1 - units), np.nan)
    p = 2 * stats.t.sf(abs(mean) / error, units - 1)
    power = stats.t.ppf(0.975, units - 1) + stats.t.ppf(0.80, units - 1)
    return Estimate(mean, low, high, float(p), float(power * error))


def n_units(scores: pd.DataFrame) -> int:
    """How many independent units a score table has: its speakers, or of one speaker alone its utterances."""
    weighed = scores[scores["weight"] > 0]
    speakers = weighed["speaker"].nunique()
    return speakers if speakers > 1 else len(weighed)


def bootstrap_interval(
    scores: pd.DataFrame, *, resamples: int = RESAMPLES, level: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """The percentile interval of a rate, for the choice of test material, not for the training run.

    Returns:
        low and high, between which the middle share `level` of the rates lies

    Raises:
        TaskError: see `rate` and `resample`.
    """
    return mean_interval([scores], resamples=resamples, level=level, seed=seed)


def mean_interval(
    runs: Sequence[pd.DataFrame], *, resamples: int = RESAMPLES, level: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """As `bootstrap_interval`, of the mean rate of several runs (seeds), which are drawn with replacement too.

    Speakers are drawn once for all runs. Of one run the interval is that of its rate.

    Raises:
        TaskError: runs that differ in their utterances; see `rate` and `resample`.
    """
    _check_same_utterances(runs)
    rates = resample(runs[0], resamples=resamples, seed=seed).rates(runs)
    means = _mean_of_runs(rates, np.random.default_rng([seed, 1]))
    found = estimate(float(np.mean([rate(scores) for scores in runs])), means, n_units(runs[0]), level=level)
    return found.low, found.high


def paired_difference(
    first: Sequence[pd.DataFrame],
    second: Sequence[pd.DataFrame],
    *,
    resamples: int = RESAMPLES,
    level: float = 0.95,
    seed: int = 0,
) -> Difference:
    """The difference of two models' mean rates, each over its runs (seeds), on the same test utterances.

    For each resample speakers are drawn, once for both models and all runs, so that what is hard for both cancels;
    and runs are drawn with replacement for each side on its own, also where both have as many,
    since a seed is no pair of runs. The interval is that of the percentiles. Drawing n runs shows only (n - 1) / n of
    the variance between them: with one run on a side that side adds none, with few the interval is too narrow.

    Args:
        first, second: a score table for each run.

    Raises:
        TaskError: no run on a side, runs that differ in their utterances, or scores that `rate` refuses.
    """
    if not first or not second:
        raise TaskError(
            f"difference of two models: expected at least one run on each side, found {len(first)} and {len(second)}; "
            "train the missing one"
        )
    runs = [*first, *second]
    _check_same_utterances(runs)
    drawn = resample(first[0], resamples=resamples, seed=seed)
    rates = drawn.rates(runs)
    rng = np.random.default_rng([seed, 1])
    means = [_mean_of_runs(side, rng) for side in (rates[:, : len(first)], rates[:, len(first) :])]
    mean = float(np.mean([rate(scores) for scores in first]) - np.mean([rate(scores) for scores in second]))
    found = estimate(mean, means[0] - means[1], n_units(first[0]), level=level)
    return Difference(
        **vars(found),
        n_first=len(first),
        n_second=len(second),
        utterances=len(first[0]),
        speakers=first[0]["speaker"].nunique(),
    )


def few_speakers_note(speakers: int) -> str:
    """The note of a figure or table whose test part has too few speakers; "" where there are enough."""
    if speakers >= FEW_SPEAKERS:
        return ""
    return f"Few test speakers ({speakers}): the intervals are too narrow"


def _mean_of_runs(rates: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The mean over runs drawn with replacement, for each resample: rates [resamples, runs] to [resamples]."""
    run = rng.integers(rates.shape[1], size=rates.shape)
    return np.take_along_axis(rates, run, axis=1).mean(axis=1)


def _check_same_utterances(runs: Sequence[pd.DataFrame]) -> None:
    expected = errors_and_weights(runs[0]).index
    for run in runs[1:]:
        differing = expected.symmetric_difference(errors_and_weights(run).index)
        if len(differing):
            raise TaskError(
                f"difference of two models: expected all runs on the same {len(expected)} utterances, found "
                f"{some_of(list(differing))} in some runs alone; test all runs on the same split"
            )
