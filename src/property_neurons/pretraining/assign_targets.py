"""The nearest centroid of every frame of a shard."""

from pathlib import Path

import numpy as np

from property_neurons.codebooks.codebook import Codebook
from property_neurons.pretraining.log_mel_store import LogMelShard
from property_neurons.pretraining.represent import Represent
from property_neurons.progress import progress
from property_neurons.stores.zarr import add_array, new_store


def write_targets(
    path: str | Path, shard: LogMelShard, represent: Represent, codebook: Codebook, device: str = "cpu"
) -> None:
    """Write the target store of one shard: the cluster of every frame of `frame_ms` of every utterance.

    Args:
        path: the store (.zarr).
        represent: what the codebook was fitted on.
        device: where frames and centroids are compared.
    """
    spans = zip(shard.offset[:-1], shard.offset[1:], strict=True)
    targets = [
        codebook.nearest(represent(shard.frames[start:end]), device).astype(np.uint16)
        for start, end in progress(spans, total=len(shard.utterances), what="targets", unit="utt")
    ]
    with new_store(path) as store:
        add_array(store, "offset", np.cumsum([0, *map(len, targets)]).astype(np.int64))
        add_array(store, "target", np.concatenate([np.empty(0, np.uint16), *targets]))
        store.attrs.update(
            {"utterances": list(shard.utterances), "clusters": len(codebook.centroids), "frame_ms": represent.frame_ms}
        )
