"""The target store of one shard: the cluster of every frame."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from property_neurons.stores.zarr import open_store


@dataclass(frozen=True)
class TargetShard:
    """Targets of a shard's utterances.

    offset: int64 [utterances + 1], first target of each.
    target: uint16 [frames].
    clusters: how many there are.
    frame_ms: 10 or 20.
    """

    utterances: tuple[str, ...]
    offset: np.ndarray
    target: np.ndarray
    clusters: int
    frame_ms: int


def open_targets(path: str | Path) -> TargetShard:
    """Open a target store.

    Raises:
        StoreError: it is absent or damaged.
    """
    store = open_store(path)
    attrs = dict(store.attrs)
    return TargetShard(
        utterances=tuple(attrs["utterances"]),
        offset=store["offset"][:],
        target=store["target"][:],
        clusters=attrs["clusters"],
        frame_ms=attrs["frame_ms"],
    )
