"""The estimate of a mean from what resampling shows: interval, p and detectable difference (see `intervals`)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Estimate:
    """A value with its interval, p and detectable difference; see `estimate`.

    low, high: the interval that holds the true value in the share `level` of studies.
    p: two-sided, of the value being zero.
    detectable: the smallest true difference that this test finds with p <= 0.05, before any correction, 80 times in
        100 (of two degrees of freedom 77 times): (t(0.975) + t(0.80)) SE, about 2.8 SE. NaN where nothing varies (no
        utterance changed, or there is only one).
    """

    mean: float
    low: float
    high: float
    p: float
    detectable: float


def estimate(
    mean: float, values: np.ndarray, units: int, runs: Sequence[np.ndarray] = (), *, level: float = 0.95
) -> Estimate:
    """The estimate of a mean over runs (seeds), from its values with speakers resampled, and those of the runs.

    The variance (SE squared) is the sum of two. That over speakers is the variance of the resampled values times
    units / (units - 1), since a bootstrap of n units shows (n - 1) / n of it. That over runs is s^2 / n; one run shows
    none, and the estimate then holds for this run. Their degrees of freedom are units - 1 and n - 1, those of the sum
    Satterthwaite's. What varies over speakers and runs at once is in both: the test is somewhat too careful.
    Where nothing varies, p is the least that a test of signs of so many units can give. Of one unit and one run nothing
    is known: the interval is the value, p is NaN.

    Args:
        values: [resamples], NaN left out.
        units: speakers that were drawn, or utterances of one speaker alone; see `n_units`.
        runs: the value of each run on all speakers, an array for each independent set of runs: of a difference, the
            runs of either side, or the differences of paired runs.
    """
    known = values[~np.isnan(values)]
    parts = [(known.var() * units / (units - 1), units - 1)] if units > 1 else []
    parts += [(own.var(ddof=1) / len(own), len(own) - 1) for own in runs if len(own) > 1]
    if not parts:
        return Estimate(mean, mean, mean, np.nan, np.nan)
    variance = sum(part for part, _ in parts)
    error = np.sqrt(variance)
    if error <= 1e-12 * max(1.0, abs(mean)):
        same = abs(mean) <= 1e-9
        return Estimate(mean, mean, mean, 1.0 if same else 2.0 ** (1 - units), np.nan)
    freedom = variance**2 / sum(part**2 / own for part, own in parts)
    half = error * stats.t.ppf((1 + level) / 2, freedom)
    power = stats.t.ppf(0.975, freedom) + stats.t.ppf(0.80, freedom)
    p = 2 * stats.t.sf(abs(mean) / error, freedom)
    return Estimate(mean, float(mean - half), float(mean + half), float(p), float(power * error))
