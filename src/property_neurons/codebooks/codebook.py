"""A codebook: the centroids of clusters, kept as a file, and the nearest of them to a point."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from property_neurons.errors import StoreError
from property_neurons.models.precision import full_precision
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

    @full_precision()
    def nearest(self, points: np.ndarray, device: str = "cpu") -> np.ndarray:
        """The centroid nearest to each point (the first of equals): int64 [points], of float32 [points, width].

        Args:
            device: where they are compared.
        """
        centroids, mean, scale = (
            torch.from_numpy(values).to(device) for values in (self.centroids, self.mean, self.scale)
        )
        scaled = (torch.from_numpy(points).to(device) - mean) / scale
        # |x - c|^2 without |x|^2, which is the same for all c.
        distances = torch.addmm(centroids.square().sum(1)[None], scaled, centroids.T, alpha=-2)
        return distances.argmin(1).cpu().numpy()


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
