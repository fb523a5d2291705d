"""How much effects vary by chance: standard errors, so that a null compares like with like.

Labels that change places compare groups of as many units, but not of as many frames: dealt groups have the mean number
of frames, the true ones have their own. An effect of few frames varies more than one of many, so a rare group would
pass for special, and a frequent one never. The null therefore compares effects over their standard errors (Janssen
1997; Chung and Romano 2013), which leaves the test exact where units are exchangeable.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

# What is left of a sum of squares below this share of it comes from rounding; effects below it are none.
_ROUNDING, _NONE = 1e-10, 1e-12
_NEURONS_AT_ONCE = 512


@dataclass(frozen=True)
class PooledVariance:
    """The variance of units of one phone around the mean of their block, whatever their labels: V(count) = a n + b n².

    within, between: a and b, float64 [phones, neurons].
    """

    within: np.ndarray
    between: np.ndarray


def pooled_variance(counts: csr_array, n: np.ndarray, block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """a and b of one phone, fitted to squared residuals over n and over n², neither below 0: float64 [neurons] each.

    Args:
        counts: int [units, neurons]. n: frames, [units].
        block: int [units], the units whose labels change places among each other.
    """
    n = n.astype(np.float64)
    block = np.unique(block, return_inverse=True)[1]
    counts = csr_array(counts, dtype=np.float64)
    squared = counts.multiply(counts).tocsr()
    in_block = csr_array((np.ones(len(block)), (block, np.arange(len(block)))))
    frames, of_block = in_block @ n, (in_block @ counts).toarray()
    share = of_block / frames[:, np.newaxis]
    with_n = (in_block @ counts.multiply(n[:, np.newaxis]).tocsr()).toarray()
    over_n = squared.T @ (1 / n) - (share * of_block).sum(axis=0)
    plain = squared.sum(axis=0) - (2 * share * with_n).sum(axis=0) + (share**2).T @ (in_block @ n**2)
    over_n = np.where(over_n > _ROUNDING * (squared.T @ (1 / n)), over_n, 0)
    plain = np.where(plain > _ROUNDING * squared.sum(axis=0), plain, 0)
    units, total, squares = len(n), n.sum(), (n**2).sum()
    only_within, only_between = over_n / units, plain / squares
    spread = units * squares - total**2
    # Units of equal frames cannot tell the two apart; nor need they.
    if spread <= _NONE * units * squares:
        return only_within, np.zeros(len(over_n))
    within = (squares * over_n - total * plain) / spread
    between = (units * plain - total * over_n) / spread
    return (
        np.where(between <= 0, only_within, np.where(within <= 0, 0.0, within)),
        np.where(within <= 0, only_between, np.where(between <= 0, 0.0, between)),
    )


def error_of_effects(n: np.ndarray, squares: np.ndarray, variance: PooledVariance) -> np.ndarray:
    """The standard error of each effect, a mean over phones of differences of two shares: float64 [groups, neurons, M].

    Args:
        n: frames of each cell under each labelling, float64 [groups, phones, M].
        squares: the same of the squared frames of units.
    """
    here = n > 0
    rest, rest_squares = n.sum(axis=0) - n, squares.sum(axis=0) - squares
    both = here & (rest > 0)
    errors = []
    for own, own_squares, other, other_squares, compared in zip(n, squares, rest, rest_squares, both, strict=True):
        own, other = np.where(compared, own, 1), np.where(compared, other, 1)
        within = np.where(compared, 1 / own + 1 / other, 0)
        between = np.where(compared, own_squares / own**2 + other_squares / other**2, 0)
        of_group = variance.within.T @ within + variance.between.T @ between
        errors.append(np.sqrt(of_group) / np.maximum(compared.sum(axis=0), 1))
    return np.stack(errors)


def errors_of_phones(counts: np.ndarray, n: np.ndarray, labellings: Sequence[csr_array]) -> np.ndarray:
    """The standard error of each phone's share less the mean of the other phones': float64 [phones, neurons, M].

    Speakers are the units: a phone's share varies with the speaker (a ratio of sums, linearized).

    Args:
        counts: float64 [pairs of a speaker and a phone, neurons]. n: their frames, float64 [pairs].
        labellings: of each, 1 where a phone has a pair, [phones, pairs].
    """
    errors = np.empty((labellings[0].shape[0], counts.shape[1], len(labellings)))
    for first in range(0, counts.shape[1], _NEURONS_AT_ONCE):
        some = slice(first, first + _NEURONS_AT_ONCE)
        own = counts[:, some]
        squares, with_n = own**2, own * n[:, np.newaxis]
        for number, of_phone in enumerate(labellings):
            frames = of_phone @ n
            inverse = np.divide(1.0, frames, out=np.zeros(len(frames)), where=frames > 0)[:, np.newaxis]
            share, all_squares = (of_phone @ own) * inverse, of_phone @ squares
            left = all_squares - 2 * share * (of_phone @ with_n) + share**2 * (of_phone @ n**2)[:, np.newaxis]
            variance = np.where(left > _ROUNDING * all_squares, left, 0) * inverse**2
            others = max(int((frames > 0).sum()) - 1, 1)
            errors[:, some, number] = np.sqrt(variance + (variance.sum(axis=0) - variance) / others**2)
    return errors


def scores_of(effect: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Effects over their standard errors, 0 where nothing varies: float64, shape of `effect`, NaN where that is."""
    score = np.zeros(effect.shape)
    np.divide(effect, error, out=score, where=(error > 0) & ~(np.abs(effect) < _NONE))
    score[np.isnan(effect)] = np.nan
    return score
