"""What activation values say by group: means, the share above a neuron's own 95th percentile, histograms."""

from dataclasses import dataclass

import numpy as np

BINS = 24


@dataclass(frozen=True)
class GroupSummary:
    """How strongly some neurons are active in the frames of each group.

    n: int64 [groups], frames.
    mean: float64 [groups, neurons], mean value; NaN for groups without frames.
    above: float64 [groups, neurons], share of a group's frames above the neuron's 95th percentile over all frames.
    low, high: float64 [neurons], ends of the histograms: the least and the largest value.
    histogram: int64 [groups, neurons, BINS], frames of each value; bins of equal width from `low` to `high`.
    """

    n: np.ndarray
    mean: np.ndarray
    above: np.ndarray
    low: np.ndarray
    high: np.ndarray
    histogram: np.ndarray


def summarise(values: np.ndarray, group: np.ndarray, n_groups: int) -> GroupSummary:
    """Summaries of some neurons' values by group.

    Args:
        values: float [frames, neurons].
        group: int [frames], -1 for frames of no group: these count in the percentile and the ends, in no group.
    """
    neurons = values.shape[1]
    inside = group >= 0
    of_frame = group[inside]
    n = np.bincount(of_frame, minlength=n_groups)
    mean, above = np.full((2, n_groups, neurons), np.nan)
    low, high = np.zeros((2, neurons))
    histogram = np.zeros((n_groups, neurons, BINS), np.int64)
    some = n > 0
    for neuron in range(neurons):
        # One column at a time, in double precision: sums of many half-precision values would not be exact.
        column = values[:, neuron].astype(np.float64)
        if not len(column):
            continue
        low[neuron], high[neuron] = column.min(), column.max()
        own = column[inside]
        mean[some, neuron] = np.bincount(of_frame, own, n_groups)[some] / n[some]
        loud = own > np.percentile(column, 95)
        above[some, neuron] = np.bincount(of_frame, loud, n_groups)[some] / n[some]
        span = high[neuron] - low[neuron]
        bins = np.minimum((own - low[neuron]) * (BINS / span), BINS - 1).astype(np.int64) if span else of_frame * 0
        histogram[:, neuron] = np.bincount(of_frame * BINS + bins, minlength=n_groups * BINS).reshape(n_groups, BINS)
    return GroupSummary(n, mean, above, low, high, histogram)
