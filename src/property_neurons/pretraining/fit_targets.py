"""k-means over the frames of a corpus: the codebook of a stage."""

import numpy as np

from property_neurons.errors import StoreError
from property_neurons.pretraining.kmeans import frame_clusters


def fit_codebook(frames: np.ndarray, *, clusters: int, seed: int) -> np.ndarray:
    """Centroids of mini-batch k-means, with HuBERT's settings.

    Args:
        frames: float32 [frames, size]; see `sampled_frames`.
        seed: of k-means.

    Returns:
        float32 [clusters, size]

    Raises:
        StoreError: fewer frames than clusters.
    """
    if len(frames) < clusters:
        raise StoreError(
            f"k-means: expected at least {clusters} frames, one per cluster, found {len(frames)}; "
            "lower targets.clusters or raise targets.fit_hours"
        )
    return frame_clusters(clusters, seed).fit(frames).cluster_centers_.astype(np.float32)
