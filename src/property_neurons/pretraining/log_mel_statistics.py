"""Mean and standard deviation of each log-Mel bin over a corpus."""

from collections.abc import Sequence

import numpy as np

from property_neurons.errors import StoreError
from property_neurons.models.log_mel import LogMelStatistics
from property_neurons.pretraining.log_mel_store import LogMelShard


def measure_statistics(shards: Sequence[LogMelShard]) -> LogMelStatistics:
    """Mean and standard deviation of each bin over every frame of some shards, in float64.

    Raises:
        StoreError: there are no frames.
    """
    count = sum(len(shard.frames) for shard in shards)
    if not count:
        raise StoreError("log-Mel statistics: expected frames, found none; name a corpus that holds speech")
    total = sum(shard.frames.sum(axis=0, dtype=np.float64) for shard in shards)
    mean = total / count
    # Around the mean, because the sum of squares of values near 15 would lose digits.
    squares = sum(_squares(shard.frames, mean) for shard in shards)
    return LogMelStatistics(mean, np.sqrt(squares / count))


def _squares(frames: np.ndarray, mean: np.ndarray, rows: int = 1 << 16) -> np.ndarray:
    total = np.zeros_like(mean)
    for start in range(0, len(frames), rows):
        total += ((frames[start : start + rows] - mean) ** 2).sum(axis=0)
    return total
