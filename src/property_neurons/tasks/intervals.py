"""Intervals of scores: over the speakers of the test part and over runs (method, section 5; statistics, row 8).

Utterances of one speaker are alike, so intervals from utterances resampled as if independent would be too narrow. A
speaker is resampled with all utterances (the cluster bootstrap). Resampling utterances again within each speaker would
count the variation within speakers twice (Davison and Hinkley 1997, section 3.8): of comparisons of two equal models
0.3 % would pass a test at 5 %. With a single speaker utterances are resampled, and the result holds for this speaker.

Runs (seeds) differ too, and there are few. So the variance of a mean over runs is that over speakers and that over
runs, and Student's t has the degrees of freedom of both (Satterthwaite 1946). Runs resampled like speakers would show
(n - 1) / n of their variance, with the degrees of freedom of the speakers: of comparisons of two equal models, three
runs each, up to 23 % would pass a test at 5 % where runs differ more than speakers; so it is 1 to 7 %.
Score tables and their rates are those of `scores`.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from property_neurons.errors import TaskError, some_of
from property_neurons.tasks.estimates import Estimate, estimate
from property_neurons.tasks.scores import errors_and_weights, rate

RESAMPLES = 2000
FEW_SPEAKERS = 10


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


def n_units(scores: pd.DataFrame) -> int:
    """How many independent units a score table has: its speakers, or of one speaker alone its utterances."""
    weighed = scores[scores["weight"] > 0]
    speakers = weighed["speaker"].nunique()
    return speakers if speakers > 1 else len(weighed)


def mean_interval(
    runs: Sequence[pd.DataFrame], *, resamples: int = RESAMPLES, level: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Low and high of the interval of the mean rate of one or several runs (seeds); no rate is below zero.

    Speakers are drawn once for all runs.

    Raises:
        TaskError: runs that differ in their utterances; see `rate` and `resample`.
    """
    _check_same_utterances(runs)
    rates = np.array([rate(scores) for scores in runs])
    means = resample(runs[0], resamples=resamples, seed=seed).rates(runs).mean(axis=1)
    found = estimate(float(rates.mean()), means, n_units(runs[0]), [rates], level=level)
    return max(found.low, 0.0), found.high


def paired_difference(
    first: Mapping[Hashable, pd.DataFrame],
    second: Mapping[Hashable, pd.DataFrame],
    *,
    paired: bool = False,
    resamples: int = RESAMPLES,
    level: float = 0.95,
    seed: int = 0,
) -> Difference:
    """The difference of two models' mean rates, each over its runs (seeds), on the same test utterances.

    For each resample speakers are drawn, once for both models and all runs, so that what is hard for both cancels.
    The runs of either side are independent, or pairs. See `estimate`.

    Args:
        first, second: the score table of each seed.
        paired: whether the runs of a seed have a training in common (before a cut, say), which then cancels; where
            both sides have the same seeds.

    Raises:
        TaskError: no run on a side, runs that differ in their utterances, or scores that `rate` refuses.
    """
    if not first or not second:
        raise TaskError(
            f"difference of two models: expected at least one run on each side, found {len(first)} and {len(second)}; "
            "train the missing one"
        )
    paired &= set(first) == set(second)
    sides = [list(first.values()), [second[key] for key in first] if paired else list(second.values())]
    one = sides[0][0]
    _check_same_utterances([*sides[0], *sides[1]])
    drawn = resample(one, resamples=resamples, seed=seed)
    means = [drawn.rates(side).mean(axis=1) for side in sides]
    rates = [np.array([rate(scores) for scores in side]) for side in sides]
    found = estimate(
        float(rates[0].mean() - rates[1].mean()),
        means[0] - means[1],
        n_units(one),
        [rates[0] - rates[1]] if paired else rates,
        level=level,
    )
    return Difference(
        **vars(found),
        n_first=len(first),
        n_second=len(second),
        utterances=len(one),
        speakers=one["speaker"].nunique(),
    )


def interval_label(runs: int) -> str:
    """What an interval in a figure or table is of.

    Args:
        runs: the least number of runs (seeds) that a value in it is a mean of.
    """
    return "95 % interval over speakers" + (" and seeds" if runs > 1 else " (one seed)")


def few_speakers_note(speakers: int) -> str:
    """The note of a figure or table whose test part has too few speakers; "" where there are enough.

    Intervals allow for their number: of 5 speakers, 95 % hold the truth 95 % of the time. But five need not be like
    the others.
    """
    return "" if speakers >= FEW_SPEAKERS else f"Few test speakers ({speakers}), who need not be like others"


def _check_same_utterances(runs: Sequence[pd.DataFrame]) -> None:
    expected = errors_and_weights(runs[0]).index
    for run in runs[1:]:
        differing = expected.symmetric_difference(errors_and_weights(run).index)
        if len(differing):
            raise TaskError(
                f"difference of two models: expected all runs on the same {len(expected)} utterances, found "
                f"{some_of(list(differing))} in some runs alone; test all runs on the same split"
            )
