"""How well a neuron tells a group from the others: area under the ROC curve, average precision, entropy, log odds."""

import numpy as np
from scipy.sparse import coo_array


def separation(
    scores: coo_array, positive: np.ndarray, stratum: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """AUROC and average precision of each column's scores, which are 0 where nothing is stored.

    AUROC is U / (n1 n0), ties counting one half; over strata the sum of U over the sum of n1 n0: the chance that a unit
    of the group scores above another one of its stratum. Average precision is the sum over thresholds of the gain in
    recall times the precision, equal scores entering at once; over strata its mean weighted by n1.

    Args:
        scores: float64 [units, columns], sparse, >= 0, no entry twice.
        positive: bool [units], in the group.
        stratum: int [units], from 0; None for one.

    Returns:
        float64 [columns] each; NaN where a stratum has both kinds nowhere
    """
    return RankedScores(scores, stratum).separation(positive)


class RankedScores:
    """Scores in order, for `separation` by one group after another."""

    def __init__(self, scores: coo_array, stratum: np.ndarray | None = None):
        n_units, self._n_columns = scores.shape
        self._stratum = np.zeros(n_units, np.int64) if stratum is None else stratum
        self._n_strata = int(self._stratum.max(initial=0)) + 1
        row, column = scores.coords
        stored = scores.data != 0
        row, column, score = row[stored], column[stored], scores.data[stored]
        place = column.astype(np.int64) * self._n_strata + self._stratum[row]
        order = np.lexsort((score, place))
        place, score, self._row = place[order], score[order], row[order]
        # Equal scores of one column and stratum are one step; zeros are the step below all that are stored.
        opens = np.append(True, (place[1:] != place[:-1]) | (score[1:] != score[:-1]))[: len(place)]
        self._step = np.cumsum(opens) - 1
        self._place = place[opens]

    def separation(self, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As the function of this name."""
        n_columns, n_strata, place = self._n_columns, self._n_strata, self._place
        if not n_columns:
            return np.empty(0), np.empty(0)
        ones, zeros = (np.bincount(self._stratum, kind, n_strata) for kind in (positive, ~positive))
        is_one = positive[self._row].astype(np.float64)
        step_ones, step_zeros = np.bincount(self._step, is_one), np.bincount(self._step, 1 - is_one)
        above_ones, above_zeros = _above(step_ones, place), _above(step_zeros, place)
        all_ones, all_zeros = np.tile(ones, n_columns), np.tile(zeros, n_columns)
        stored_ones = np.bincount(place, step_ones, n_columns * n_strata)
        stored_zeros = np.bincount(place, step_zeros, n_columns * n_strata)
        below_zeros = all_zeros[place] - above_zeros - step_zeros
        u = np.bincount(place, step_ones * (below_zeros + step_zeros / 2), n_columns * n_strata)
        u = u + (all_ones - stored_ones) * (all_zeros - stored_zeros) / 2
        reached_ones = above_ones + step_ones
        gains = step_ones * reached_ones / (reached_ones + above_zeros + step_zeros)
        precision = np.bincount(place, gains, n_columns * n_strata)
        share = np.divide(all_ones, all_ones + all_zeros, out=np.zeros(len(all_ones)), where=all_ones + all_zeros > 0)
        precision = precision + (all_ones - stored_ones) * share
        shape = (n_columns, n_strata)
        both = (all_ones > 0) & (all_zeros > 0)
        pairs = np.where(both, all_ones * all_zeros, 0).reshape(shape).sum(axis=1)
        in_both = np.where(both, all_ones, 0).reshape(shape).sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            auroc = np.where(both, u, 0).reshape(shape).sum(axis=1) / pairs
            return auroc, np.where(both, precision, 0).reshape(shape).sum(axis=1) / in_both


def group_entropy(active: np.ndarray) -> np.ndarray:
    """Entropy of a neuron's activation over groups, in bits, from p(active | group): float64 [groups, ...] -> [...].

    0 for a neuron that is active in one group alone, log2(groups) for one that is as often active in each; NaN for one
    that never is.
    """
    total = active.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = active / total
        return -np.where(shares > 0, shares * np.log2(shares), 0 * shares).sum(axis=0)


def log_odds(active: np.ndarray, others: np.ndarray, frames: float) -> np.ndarray:
    """Natural logarithm of the odds ratio of being active in a group and in the others.

    Shares of 0 and 1 are moved by half a frame of `frames`, so that the ratio stays finite.
    """
    own, rest = (np.clip(share, 0.5 / frames, 1 - 0.5 / frames) for share in (active, others))
    return np.log(own / (1 - own)) - np.log(rest / (1 - rest))


def _above(values: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Sum of the later values of the same place; places ascend."""
    total = np.cumsum(values)
    last = np.append(np.flatnonzero(np.diff(place)), len(place) - 1) if len(place) else np.empty(0, np.int64)
    ends = last[np.searchsorted(last, np.arange(len(place)))] if len(place) else last
    return total[ends] - total if len(place) else total
