"""What the jobs that cluster speech have in common: the frames."""

from typing import Any

from property_neurons.corpus.frame_store import FrameShard, open_frames
from property_neurons.corpus.gate import let_through
from property_neurons.stores.manifests import store_path


def kept_frames(job: Any) -> list[FrameShard]:
    """The frame stores of a job, limited to the utterances that passed the corpus's check.

    Raises:
        StoreError: a store, or the corpus's table, is not as it was written.
    """
    keep = let_through(job.input.checked)
    manifests = [job.input.frames] if isinstance(job.input.frames, str) else job.input.frames
    return [open_frames(store_path(manifest), keep) for manifest in manifests]
