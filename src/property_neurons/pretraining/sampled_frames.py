"""The frames that k-means is fitted on: those of randomly drawn utterances."""

from collections.abc import Iterator, Sequence

import numpy as np

from property_neurons.codebooks.sample import draw_utterances
from property_neurons.pretraining.log_mel_store import LogMelShard
from property_neurons.pretraining.represent import Represent
from property_neurons.progress import progress

_FRAMES_PER_HOUR_OF_LOG_MEL = 360_000


def sample_frames(
    shards: Sequence[LogMelShard], represent: Represent, *, hours: float, seed: int
) -> tuple[Iterator[np.ndarray], int]:
    """The representation of whole utterances drawn at random, as `codebooks.sample.gather` takes it.

    Args:
        hours: draw until there is so much speech.
        seed: of the draw.

    Returns:
        float32 [frames, size] of each utterance; the number of frames of all
    """
    where = {
        name: (shard, slice(start, end))
        for shard in shards
        for name, start, end in zip(
            shard.utterances, shard.offset[:-1].tolist(), shard.offset[1:].tolist(), strict=True
        )
    }
    lengths = {name: span.stop - span.start for name, (_, span) in where.items()}
    drawn = draw_utterances(lengths, most=hours * _FRAMES_PER_HOUR_OF_LOG_MEL, seed=seed)
    together = represent.frame_ms // 10
    frames = (where[name][0].frames[where[name][1]] for name in progress(drawn, what="frames to cluster", unit="utt"))
    return map(represent, frames), sum(-(-lengths[name] // together) for name in drawn)
