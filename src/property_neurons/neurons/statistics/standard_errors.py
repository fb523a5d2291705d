"""How much effects vary by chance: standard errors, so that a null compares like with like.

Labels that change places compare groups of as many units, but not of as many frames: dealt groups have the mean number
of frames, the true ones have their own. An effect of few frames varies more than one of many, so a rare group would
pass for special, and a frequent one never. The null therefore compares effects over their standard errors (Janssen
1997; Chung and Romano 2013), which leaves the test exact where units are exchangeable.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

# Standard errors below this share of the largest of a neuron come from rounding.
_NONE = 1e-12


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
    over_n, plain = np.maximum(over_n, 0), np.maximum(np.asarray(plain).ravel(), 0)
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


def errors_of_phones(counts: np.ndarray, n: np.ndarray, of_phone: csr_array) -> np.ndarray:
    """The standard error of each phone's share less the mean of the other phones': float64 [phones, neurons].

    Speakers are the units: a phone's share varies with the speaker (a ratio of sums, linearized).

    Args:
        counts: float64 [pairs of a speaker and a phone, neurons]. n: their frames, float64 [pairs].
        of_phone: 1 where a phone has a pair, [phones, pairs].
    """
    frames = of_phone @ n
    inverse = np.divide(1.0, frames, out=np.zeros(len(frames)), where=frames > 0)[:, np.newaxis]
    share = (of_phone @ counts) * inverse
    squared = of_phone @ counts**2 - 2 * share * (of_phone @ (counts * n[:, np.newaxis]))
    squared += share**2 * (of_phone @ n**2)[:, np.newaxis]
    variance = np.maximum(squared, 0) * inverse**2
    others = max(int((frames > 0).sum()) - 1, 1)
    return np.sqrt(variance + (variance.sum(axis=0) - variance) / others**2)


def scores_of(effect: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Effects over their standard errors, 0 where there is neither: float64, shape of `effect`."""
    smallest = _NONE * error.max(axis=(0, 2), keepdims=True, initial=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        score = np.divide(effect, error, out=effect * np.inf, where=error > smallest)
    score[np.abs(effect) < _NONE] = 0
    score[np.isnan(effect)] = np.nan
    return score
