"""The order in which a training goes through its items, a function of the seed alone."""

import numpy as np


class EpochOrder:
    """Goes through `n` items epoch by epoch, each time in a new order.

    The stream of an epoch's order is [seed, epoch, 1]: one number more than [seed, item], which is free for what is
    drawn for an item itself.
    """

    def __init__(self, n: int, seed: int):
        self._n = n
        self._seed = seed
        self._epoch = -1
        self._order = np.empty(0, np.int64)

    def __getitem__(self, position: int) -> int:
        """The item at a position, counted through all epochs."""
        epoch, within = divmod(position, self._n)
        if epoch != self._epoch:
            self._order = np.random.default_rng([self._seed, epoch, 1]).permutation(self._n)
            self._epoch = epoch
        return int(self._order[within])
