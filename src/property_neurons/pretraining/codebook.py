"""The file of a codebook: the centroids of a stage's clusters."""

from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from property_neurons.errors import StoreError
from property_neurons.stores.files import atomic_path


def write_codebook(path: str | Path, centroids: np.ndarray, frame_ms: int) -> None:
    """Write centroids, float32 [clusters, size], of frames of `frame_ms`, as safetensors."""
    with atomic_path(path) as temporary:
        save_file({"centroids": centroids}, temporary, metadata={"frame_ms": str(frame_ms)})


def read_codebook(path: str | Path) -> np.ndarray:
    """Read centroids, float32 [clusters, size].

    Raises:
        StoreError: the file is absent or no codebook.
    """
    try:
        return load_file(path)["centroids"]
    except (OSError, KeyError, SafetensorError) as error:
        raise StoreError(f"{path}: expected a codebook, found {error}; run the rule that makes it") from None
