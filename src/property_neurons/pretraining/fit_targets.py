"""k-means over the frames of a corpus: the codebook of a stage."""

from collections.abc import Sequence

import numpy as np

from property_neurons.errors import StoreError
from property_neurons.pretraining.kmeans import frame_clusters
from property_neurons.pretraining.log_mel_store import LogMelShard
from property_neurons.pretraining.represent import Represent
from property_neurons.progress import progress

_FRAMES_PER_SECOND_OF_LOG_MEL = 100


def fit_codebook(
    shards: Sequence[LogMelShard], represent: Represent, *, clusters: int, hours: float, seed: int
) -> np.ndarray:
    """Centroids of mini-batch k-means over the frames of utterances drawn at random, with HuBERT's settings.

    Args:
        shards: where the utterances are drawn from.
        hours: how much speech to fit on, at most.
        seed: of the draw and of k-means.

    Returns:
        float32 [clusters, size]

    Raises:
        StoreError: fewer frames than clusters.
    """
    rng = np.random.default_rng(seed)
    utterances = [(shard, index) for shard in shards for index in range(len(shard.utterances))]
    budget = hours * 3600 * _FRAMES_PER_SECOND_OF_LOG_MEL
    chosen, total = [], 0
    for position in rng.permutation(len(utterances)):
        shard, index = utterances[position]
        chosen.append(shard.frames[shard.offset[index] : shard.offset[index + 1]])
        total += len(chosen[-1])
        if total >= budget:
            break
    sample = _represented(chosen, represent)
    if len(sample) < clusters:
        raise StoreError(
            f"k-means: expected at least {clusters} frames, one per cluster, found {len(sample)}; "
            "lower targets.clusters or raise targets.fit_hours"
        )
    return frame_clusters(clusters, seed).fit(sample).cluster_centers_.astype(np.float32)


def _represented(chosen: Sequence[np.ndarray], represent: Represent) -> np.ndarray:
    """All frames of the utterances in one array that is allocated once: it is the largest thing in memory."""
    together = represent.frame_ms // 10
    ends = np.cumsum([0, *(-(-len(frames) // together) for frames in chosen)])
    sample = None
    bar = progress(chosen, total=len(chosen), what="frames to cluster", unit="utt")
    for index, frames in enumerate(bar):
        values = represent(frames)
        if sample is None:
            sample = np.empty((ends[-1], values.shape[1]), np.float32)
        sample[ends[index] : ends[index + 1]] = values
    return np.empty((0, 1), np.float32) if sample is None else sample
