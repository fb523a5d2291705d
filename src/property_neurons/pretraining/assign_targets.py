"""The nearest centroid of every frame of a shard."""

from pathlib import Path

import numpy as np
import torch

from property_neurons.models.precision import full_precision
from property_neurons.pretraining.log_mel_store import LogMelShard
from property_neurons.pretraining.represent import Represent
from property_neurons.progress import progress
from property_neurons.stores.zarr import add_array, new_store


@full_precision()
def nearest(frames: np.ndarray, centroids: np.ndarray | torch.Tensor) -> np.ndarray:
    """The centroid nearest to each frame (the first of equals).

    Args:
        frames: float32 [frames, size].
        centroids: float32 [clusters, size]; of a tensor, where it lies is where they are compared.

    Returns:
        uint16 [frames]
    """
    centres = torch.as_tensor(centroids)
    points = torch.from_numpy(frames).to(centres.device)
    # |x - c|^2 without |x|^2, which is the same for all c. `Codebook.nearest` says why this formula stands
    # in two places.
    distances = torch.addmm(centres.square().sum(1)[None], points, centres.T, beta=1, alpha=-2)
    return distances.argmin(1).cpu().numpy().astype(np.uint16)


def write_targets(
    path: str | Path, shard: LogMelShard, represent: Represent, centroids: np.ndarray, device: str = "cpu"
) -> None:
    """Write the target store of one shard: the cluster of every frame of `frame_ms` of every utterance.

    Args:
        path: the store (.zarr).
        represent: what the centroids were fitted on.
        centroids: float32 [clusters, size].
        device: where frames and centroids are compared.
    """
    centres = torch.from_numpy(centroids).to(device)
    spans = zip(shard.offset[:-1], shard.offset[1:], strict=True)
    targets = [
        nearest(represent(shard.frames[start:end]), centres)
        for start, end in progress(spans, total=len(shard.utterances), what="targets", unit="utt")
    ]
    with new_store(path) as store:
        add_array(store, "offset", np.cumsum([0, *map(len, targets)]).astype(np.int64))
        add_array(store, "target", np.concatenate([np.empty(0, np.uint16), *targets]))
        store.attrs.update(
            {"utterances": list(shard.utterances), "clusters": len(centroids), "frame_ms": represent.frame_ms}
        )
