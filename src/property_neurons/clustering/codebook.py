"""k-means of the points of a corpus: fitted on some of its speech, kept as a file."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from property_neurons.corpus.frame_store import FrameShard
from property_neurons.corpus.recordings import Recording
from property_neurons.errors import CorpusError, StoreError
from property_neurons.pretraining.kmeans import frame_clusters
from property_neurons.stores.files import atomic_path

_FRAMES_PER_HOUR = 180_000


@dataclass(frozen=True)
class Codebook:
    """The centroids of clusters, and how points are scaled before they are assigned to them.

    centroids: float32 [clusters, width]. mean, scale: float32 [width].
    """

    centroids: np.ndarray
    mean: np.ndarray
    scale: np.ndarray

    def nearest(self, points: np.ndarray) -> np.ndarray:
        """The centroid nearest to each point (the first of equals): int64 [points], of float32 [points, width]."""
        scaled = (points - self.mean) / self.scale
        # |x - c|^2 without |x|^2, which is the same for all c.
        return (np.square(self.centroids).sum(axis=1) - 2 * scaled @ self.centroids.T).argmin(axis=1)


def fit_codebook(points: Sequence[np.ndarray], *, clusters: int, seed: int, standardise: bool) -> Codebook:
    """Mini-batch k-means with HuBERT's settings.

    Args:
        points: float32 [points, width] of each utterance.
        standardise: whether each dimension is first made of mean 0 and standard deviation 1, as bins of the log-Mel
            differ in both.

    Raises:
        CorpusError: fewer points than clusters.
    """
    joined = np.concatenate(points) if points else np.empty((0, 1), np.float32)
    if len(joined) < clusters:
        raise CorpusError(
            f"clusters: expected at least {clusters} points to fit on, one for each cluster, found {len(joined)}; ask "
            "for fewer clusters, raise fit_hours, or use more speech"
        )
    mean, scale = np.zeros(joined.shape[1], np.float32), np.ones(joined.shape[1], np.float32)
    if standardise:
        mean, std = joined.mean(axis=0, dtype=np.float64), joined.std(axis=0, dtype=np.float64)
        # Digital silence has the same value everywhere.
        mean, scale = mean.astype(np.float32), np.where(std > 0, std, 1).astype(np.float32)
    kmeans = frame_clusters(clusters, seed).fit((joined - mean) / scale)
    return Codebook(kmeans.cluster_centers_.astype(np.float32), mean, scale)


def draw_utterances(shards: Iterable[FrameShard], *, hours: float, seed: int) -> list[set[str]]:
    """Sample utterances until they hold so much speech: the ids of each shard.

    The sample does not depend on how the corpus is divided into shards.
    """
    shards = list(shards)
    lengths = {
        frames.utterances[place]: (number, int(np.diff(frames.offset)[place]))
        for number, frames in enumerate(shards)
        for place in np.flatnonzero(frames.kept)
    }
    names = sorted(lengths)
    drawn: list[set[str]] = [set() for _ in shards]
    left = hours * _FRAMES_PER_HOUR
    for index in np.random.default_rng(seed).permutation(len(names)):
        if left <= 0:
            break
        number, length = lengths[names[index]]
        drawn[number].add(names[index])
        left -= length
    return drawn


def fit_on_corpus(
    shards: Sequence[FrameShard],
    recordings: Sequence[Sequence[Recording]],
    points_of_shard: Callable[[FrameShard, Sequence[Recording]], Iterable[tuple[int, np.ndarray, np.ndarray]]],
    *,
    hours: float,
    clusters: int,
    seed: int,
    standardise: bool,
) -> Codebook:
    """Fit on utterances sampled from all shards; arguments as of `draw_utterances` and `fit_codebook`."""
    of_utterance: dict[str, np.ndarray] = {}
    for frames, listed, drawn in zip(shards, recordings, draw_utterances(shards, hours=hours, seed=seed), strict=True):
        chosen = [one for one in listed if one.utterance in drawn]
        for place, _, points in points_of_shard(frames, chosen):
            of_utterance[frames.utterances[place]] = points
    # In an order of their own, so that shards make no difference.
    points = [of_utterance[name] for name in sorted(of_utterance) if len(of_utterance[name])]
    return fit_codebook(points, clusters=clusters, seed=seed, standardise=standardise)


def write_codebook(path: str | Path, codebook: Codebook) -> None:
    """Write a codebook as safetensors."""
    with atomic_path(path) as temporary:
        save_file({"centroids": codebook.centroids, "mean": codebook.mean, "scale": codebook.scale}, temporary)


def read_codebook(path: str | Path) -> Codebook:
    """Read a codebook.

    Raises:
        StoreError: the file is absent or no codebook.
    """
    try:
        arrays = load_file(path)
        return Codebook(arrays["centroids"], arrays["mean"], arrays["scale"])
    except (OSError, KeyError, SafetensorError) as error:
        raise StoreError(f"{path}: expected a codebook, found {error}; run the rule that makes it") from None
