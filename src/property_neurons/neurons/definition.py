"""The definition of a neuron set, from the counts of cells to membership (equations 3 and 4), with its options."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, TypeVar

import numpy as np
from scipy.stats import beta

Threshold = Literal["lambda", "tau_over_width"]
Cells = Literal["point", "lower_bound"]
RareCells = Literal["keep", "drop"]

_Frames = TypeVar("_Frames", int, np.ndarray)
_NEVER = np.iinfo(np.int64).max
# A bound of one side at 2.5 %: the lower end of the usual 95 % interval.
_TAIL = 0.025


@dataclass(frozen=True)
class SetDefinition:
    """What makes a neuron a member of a group.

    threshold: a neuron is in the pattern of a cell when it is active in more than this share of its frames: lambda (the
        paper), or tau / neurons (the authors' code).
    sigma: share of a group's phones whose pattern a member is in.
    min_count: cells with fewer frames have an empty pattern, as cells without frames always do.
    cells: what must exceed the threshold, the share of frames itself, or the lower end of its 95 % interval (Clopper
        and Pearson 1934).
    rare_cells: whether cells below `min_count` (at least 1) still count among a group's phones, or not.
    """

    threshold: Threshold = "lambda"
    sigma: float = 0.8
    min_count: int = 0
    cells: Cells = "point"
    rare_cells: RareCells = "keep"

    def least_counts(self, n: np.ndarray, *, lambda_: float, tau: int, width: int) -> np.ndarray:
        """The fewest active frames that put a neuron into the pattern of a cell of `n` frames: int64, shape of `n`.

        In whole numbers, where counts / n would round; more than any count for cells whose pattern is empty.
        """
        share = self._exact_share(lambda_, tau, width)
        n = np.asarray(n, dtype=np.int64)
        if self.cells == "point" and int(n.max(initial=0)) * share.numerator <= _NEVER:
            least = _least_above(n, share)
        else:
            find = _least_above if self.cells == "point" else _least_surely_above
            distinct, of_cell = np.unique(n, return_inverse=True)
            least = np.array([find(int(frames), share) for frames in distinct], dtype=np.int64)[of_cell]
            least = least.reshape(n.shape)
        return np.where(n < max(1, self.min_count), _NEVER, least)

    def exceeded(
        self, active: np.ndarray, frames: np.ndarray, n: np.ndarray, *, lambda_: float, tau: int, width: int
    ) -> np.ndarray:
        """The same for shares that are weighted means and not quotients: bool [cells, neurons].

        Args:
            active: float64 [cells, neurons], shares of frames; NaN for none.
            frames: float64 [cells], the frames that such a mean is as certain as (for `cells: lower_bound`).
            n: int64 [cells], the frames that it is made of.
        """
        share = self.share(lambda_=lambda_, tau=tau, width=width)
        # Means that are equal to the share on paper may be above it by what rounding adds.
        above = (active > share + 1e-12) & (n >= max(1, self.min_count))[:, np.newaxis]
        if self.cells == "lower_bound":
            cell, neuron = np.nonzero(above)
            count, rest = active[cell, neuron] * frames[cell], (1 - active[cell, neuron]) * frames[cell]
            above[cell, neuron] = beta.ppf(_TAIL, count, rest + 1) > share
        return above

    def share(self, *, lambda_: float, tau: int, width: int) -> float:
        """The share of a cell's frames that a neuron of its pattern exceeds."""
        return float(self._exact_share(lambda_, tau, width))

    def _exact_share(self, lambda_: float, tau: int, width: int) -> Fraction:
        return Fraction(tau, width) if self.threshold == "tau_over_width" else Fraction(str(lambda_))

    def kept(self, n: np.ndarray) -> np.ndarray:
        """Whether a cell of `n` frames counts among its group's phones: bool, shape of `n`."""
        return n >= max(1, self.min_count) if self.rare_cells == "drop" else np.ones(np.shape(n), dtype=bool)

    def needed(self, sizes: np.ndarray) -> np.ndarray:
        """Phones of a group of `sizes` phones that a member's pattern must be in, at least: int64, shape of `sizes`."""
        # The slack undoes what rounding adds to a product that is whole on paper, such as 0.8 * 15.
        return np.maximum(np.ceil(self.sigma * np.asarray(sizes) - 1e-9), 1).astype(np.int64)


def _least_above(frames: _Frames, share: Fraction) -> _Frames:
    return share.numerator * frames // share.denominator + 1


def _least_surely_above(frames: int, share: Fraction) -> int:
    """By halving: the bound rises with the count."""
    low, high = _least_above(frames, share), frames + 1
    while low < high:
        middle = (low + high) // 2
        if beta.ppf(_TAIL, middle, frames - middle + 1) > float(share):
            high = middle
        else:
            low = middle + 1
    return low
