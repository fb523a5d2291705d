"""k-means with HuBERT's settings (arXiv 2106.07447), for targets, for clusters and for probes."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from sklearn.cluster import MiniBatchKMeans

from property_neurons.codebooks.codebook import Codebook
from property_neurons.errors import CorpusError

_AT_ONCE = 100_000


def mini_batch_kmeans(clusters: int, seed: int) -> MiniBatchKMeans:
    """Mini-batch k-means, still to be fitted.

    Args:
        clusters: their number.
        seed: of everything random.
    """
    return MiniBatchKMeans(
        clusters,
        init="k-means++",
        n_init=5,
        batch_size=10_000,
        max_iter=100,
        max_no_improvement=100,
        tol=0.0,
        reassignment_ratio=0.0,
        random_state=seed,
    )


def fit_codebook(
    points: np.ndarray, *, clusters: int, seed: int, standardise: bool = False, speakers: Sequence[str] = ()
) -> Codebook:
    """The centroids of points.

    Args:
        points: float32 [points, width]; mapped from disk, if they are many.
        standardise: first make each dimension of mean 0 and standard deviation 1, as bins of the log-Mel differ in
            both. This takes a copy in memory.
        speakers: whose the points are, one each, where speakers are clustered.

    Raises:
        CorpusError: fewer points than clusters.
    """
    if len(points) < clusters:
        raise CorpusError(
            f"clusters: expected at least {clusters} points to fit on, one for each cluster, found {len(points)}; ask "
            "for fewer clusters, raise fit_hours, or use more speech"
        )
    mean, scale = np.zeros(points.shape[1], np.float32), np.ones(points.shape[1], np.float32)
    if standardise:
        mean = points.mean(axis=0, dtype=np.float64)
        # In parts: numpy's own takes two copies in float64.
        parts = np.array_split(points, 1 + len(points) // _AT_ONCE)
        std = np.sqrt(sum(np.square(part - mean).sum(axis=0) for part in parts) / len(points))
        # Digital silence has the same value everywhere.
        mean, scale = mean.astype(np.float32), np.where(std > 0, std, 1).astype(np.float32)
    kmeans = mini_batch_kmeans(clusters, seed).fit((points - mean) / scale if standardise else points)
    codebook = Codebook(kmeans.cluster_centers_.astype(np.float32), mean, scale)
    if not speakers:
        return codebook
    return replace(codebook, speakers=dict(zip(speakers, codebook.nearest(np.array(points)).tolist(), strict=True)))
