"""Labels that may change places: what a null deals anew."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import exp, lgamma, log

import numpy as np

# Labellings that are held at a time.
AT_ONCE = 125
_KEPT_BYTES = 1 << 28


class Dealt:
    """What is dealt anew.

    label: int64 [units], as they are; of `Chosen` [blocks].
    """

    label: np.ndarray

    def distinct(self) -> float:
        """How many different labellings there are; inf where a float does not hold the number."""
        log_number = self._log_distinct()
        return float("inf") if log_number > 700 else round(exp(log_number), 6 if log_number < 20 else 0)

    def deals(self, number: int, seed: int) -> Iterator[np.ndarray]:
        """So many labellings, at random, some at a time: int16 [labellings, as many as `label`].

        The same seed gives the same labellings, whatever they are used for: those of two sites belong together.
        """
        for first in range(0, number, AT_ONCE):
            dealt = np.tile(self.label.astype(np.int16), (min(AT_ONCE, number - first), 1))
            yield self._dealt(dealt, np.random.default_rng([seed, first]))

    def kept_deals(self, number: int, seed: int) -> list[np.ndarray] | None:
        """As `deals`, all at once, to be used for every site; None where they do not fit into memory."""
        return list(self.deals(number, seed)) if number * len(self.label) * 2 <= _KEPT_BYTES else None

    def _log_distinct(self) -> float:
        raise NotImplementedError

    def _dealt(self, labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class Exchangeable(Dealt):
    """Units whose labels may change places within a block.

    label, block: int64 [units].
    """

    label: np.ndarray
    block: np.ndarray

    def _log_distinct(self) -> float:
        number = 0.0
        for members in self._blocks:
            counts = np.unique(self.label[members], return_counts=True)[1]
            number += lgamma(len(members) + 1) - sum(lgamma(count + 1) for count in counts)
        return number

    def _dealt(self, labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        for members in self._blocks:
            labels[:, members] = rng.permuted(labels[:, members], axis=1)
        return labels

    @cached_property
    def _blocks(self) -> list[np.ndarray]:
        """Of two labels and more; in the others nothing changes."""
        order = np.argsort(self.block, kind="stable")
        blocks = np.split(order, np.flatnonzero(np.diff(self.block[order])) + 1)
        return [members for members in blocks if len(np.unique(self.label[members])) > 1]


@dataclass(frozen=True, eq=False)
class Chosen(Dealt):
    """Blocks of units whose labels were dealt beforehand, the labels as they are among the dealings.

    A labelling takes one dealing (0: as it is) of each block. The labels as they are and these labellings are
    exchangeable where units are. Each has one part in `dealings` of the labels as they are, so p is never too small.

    mixed: bool [blocks], whether there is more than one label to deal.
    """

    mixed: np.ndarray
    dealings: int

    @property
    def label(self) -> np.ndarray:
        """Of each block the labels as they are."""
        return np.zeros(len(self.mixed), np.int64)

    def _log_distinct(self) -> float:
        return int(self.mixed.sum()) * log(self.dealings)

    def _dealt(self, labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        labels[:, self.mixed] = rng.integers(self.dealings, size=(len(labels), int(self.mixed.sum())), dtype=np.int16)
        return labels
