"""The order in which a training goes through its items, a function of the seed alone."""

from collections.abc import Sequence

import numpy as np

# Batches among which the items of one draw are sorted: enough for batches of nearly one length, few enough for chance.
_BATCHES_SORTED = 32


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


class LengthGroupedOrder:
    """The order of `EpochOrder`, in which the items of a batch are of similar lengths, so that little is padded.

    Of 32 batches' worth of positions the items are sorted by length and cut into batches, whose order is then drawn
    from the stream [seed, block, 2]. Each item comes as often as in `EpochOrder`, at most 32 batches away.

    Args:
        lengths: of the items, in any unit.
        batch_size: items per batch; batch b has the positions from b x batch_size on.
    """

    def __init__(self, lengths: Sequence[float], seed: int, batch_size: int):
        self._lengths = np.asarray(lengths)
        self._drawn = EpochOrder(len(self._lengths), seed)
        self._seed = seed
        self._batch_size = batch_size
        self._block = -1
        self._order = np.empty(0, np.int64)

    def __getitem__(self, position: int) -> int:
        """The item at a position, counted through all epochs."""
        size = _BATCHES_SORTED * self._batch_size
        block, within = divmod(position, size)
        if block != self._block:
            items = np.array([self._drawn[at] for at in range(block * size, (block + 1) * size)])
            batches = items[np.argsort(self._lengths[items], kind="stable")].reshape(_BATCHES_SORTED, -1)
            self._order = np.random.default_rng([self._seed, block, 2]).permutation(batches).ravel()
            self._block = block
        return int(self._order[within])
