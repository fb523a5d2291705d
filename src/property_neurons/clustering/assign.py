"""The cluster of each frame, or of each utterance, of a shard: kept as intervals of its frames."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from property_neurons.clustering.points import Utterance
from property_neurons.clustering.vocabulary import NONE, Of
from property_neurons.codebooks.codebook import Codebook
from property_neurons.corpus.frame_store import FrameShard
from property_neurons.corpus.frame_values import FrameValues, write_values


def cluster_names(clusters: int) -> tuple[str, ...]:
    """ "c00", "c01", ...: in the order of their numbers, whatever sorts them."""
    return tuple(f"c{number:02d}" for number in range(clusters))


def write_clusters(
    path: str | Path,
    frames: FrameShard,
    points: Iterable[tuple[Utterance, np.ndarray, np.ndarray]],
    codebook: Codebook,
    of: Of,
) -> None:
    """Write the clusters of a shard's frames as a store of values, an interval for each run of one cluster.

    A silent frame, or a frame that the model does not give, has no cluster.

    Args:
        path: the .zarr to write.
        points: of `points.points_of`.
    """
    cluster = np.full(len(frames.label), NONE, dtype=np.int32)
    for utterance, own, values in points:
        if not len(values):
            continue
        span = cluster[frames.offset[utterance.place] : frames.offset[utterance.place + 1]]
        nearest = codebook.nearest(values)
        # A whole utterance has its cluster, silence too, as it has its speaker.
        span[own if of == "frames" else slice(None)] = nearest
    write_values(path, frames.utterances, frames.offset, as_intervals(cluster, frames.offset, len(codebook.centroids)))


def write_speakers_clusters(path: str | Path, frames: FrameShard, codebook: Codebook) -> None:
    """As `write_clusters`, of speakers: every frame of an utterance has its speaker's cluster, if there is one."""
    of_utterance = [codebook.speakers.get(speaker, NONE) for speaker in frames.columns["speaker"]]
    cluster = np.repeat(np.array(of_utterance, np.int32), np.diff(frames.offset))
    write_values(path, frames.utterances, frames.offset, as_intervals(cluster, frames.offset, len(codebook.centroids)))


def as_intervals(cluster: np.ndarray, offset: np.ndarray, clusters: int) -> FrameValues:
    """Runs of one cluster as intervals within utterances, from int32 [frames], `NONE` where a frame has no cluster."""
    opens = np.diff(cluster, prepend=NONE) != 0
    opens[offset[:-1][np.diff(offset) > 0]] = True
    counted = cluster != NONE
    number = np.cumsum(opens & counted) - 1
    return FrameValues(
        interval=np.where(counted, number, NONE).astype(np.int32),
        interval_name=cluster[opens & counted].astype(np.int32),
        names=cluster_names(clusters),
    )
