"""What the jobs that cluster speech have in common: the frames and the recordings."""

from pathlib import Path
from typing import Any

from property_neurons.corpus.frame_store import FrameShard, open_frames
from property_neurons.corpus.gate import let_through
from property_neurons.corpus.recordings import Recording
from property_neurons.corpus.shards import read_shard_list
from property_neurons.stores.manifests import store_path


def kept_frames(job: Any) -> list[FrameShard]:
    """The frame stores of a job, with what the corpus's gate lets through.

    Raises:
        StoreError: a store, or the corpus's table, is not as it was written.
    """
    keep = let_through(job.input.checked)
    manifests = [job.input.frames] if isinstance(job.input.frames, str) else job.input.frames
    return [open_frames(store_path(manifest), keep) for manifest in manifests]


def recordings(shard: str, root: str) -> list[Recording]:
    """The recordings that a shard list names, below the root."""
    return [
        Recording(row.utterance, Path(root) / row.audio, row.n_samples) for row in read_shard_list(shard).itertuples()
    ]
