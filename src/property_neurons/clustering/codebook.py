"""k-means of the points of a corpus: fitted on some of its speech, kept as a file."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from property_neurons.errors import CorpusError, StoreError
from property_neurons.pretraining.kmeans import frame_clusters
from property_neurons.stores.files import atomic_path

_SPEAKERS = "speakers"


@dataclass(frozen=True)
class Codebook:
    """The centroids of clusters, and how points are scaled before they are assigned to them.

    centroids: float32 [clusters, width]. mean, scale: float32 [width].
    speakers: the cluster of each speaker, where speakers are clustered.
    """

    centroids: np.ndarray
    mean: np.ndarray
    scale: np.ndarray
    speakers: Mapping[str, int] = field(default_factory=dict)

    def nearest(self, points: np.ndarray) -> np.ndarray:
        """The centroid nearest to each point (the first of equals): int64 [points], of float32 [points, width]."""
        scaled = (points - self.mean) / self.scale
        # |x - c|^2 without |x|^2, which is the same for all c. `pretraining.assign_targets.nearest` computes it by
        # torch, on any device. Half of these values differ in their last bits: with one function for both, points
        # midway between centroids could change their cluster.
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


def write_codebook(path: str | Path, codebook: Codebook) -> None:
    """Write a codebook as safetensors."""
    arrays = {"centroids": codebook.centroids, "mean": codebook.mean, "scale": codebook.scale}
    with atomic_path(path) as temporary:
        save_file(arrays, temporary, {_SPEAKERS: json.dumps(dict(codebook.speakers), sort_keys=True)})


def read_codebook(path: str | Path) -> Codebook:
    """Read a codebook.

    Raises:
        StoreError: the file is absent or no codebook.
    """
    try:
        with safe_open(path, "numpy") as held:
            arrays = [held.get_tensor(name) for name in ("centroids", "mean", "scale")]
            return Codebook(*arrays, json.loads((held.metadata() or {}).get(_SPEAKERS, "{}")))
    except (OSError, KeyError, ValueError, SafetensorError) as error:
        raise StoreError(f"{path}: expected a codebook, found {error}; run the rule that makes it") from None
