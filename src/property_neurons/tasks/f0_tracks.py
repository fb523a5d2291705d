"""F0 of a task's utterances, as the frame stores hold it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from property_neurons.corpus.frame_store import open_frames
from property_neurons.errors import TaskError, some_of


def read_f0(utterances: pd.DataFrame, stores: Sequence[str | Path]) -> dict[str, np.ndarray]:
    """The track of each utterance: float32 Hz [frames of 20 ms], NaN where unvoiced.

    Args:
        utterances: their subset and utterance. An id may stand in another subset too, and is left out there.

    Raises:
        TaskError: a store has no F0 in Hz, or an utterance is in none or in two.
        StoreError: a store is absent or damaged.
    """
    wanted = set(zip(utterances["subset"], utterances["utterance"], strict=True))
    found: dict[str, np.ndarray] = {}
    for path in stores:
        shard = open_frames(path, wanted)
        if shard.pitch in ("bins", "none"):
            raise TaskError(
                f"{shard.name}: expected F0 in Hz, found pitch {shard.pitch!r}; set the corpus's pitch.method to "
                "yaapt, praat or pyin"
            )
        for index in np.flatnonzero(shard.kept):
            name = shard.utterances[index]
            if name in found:
                raise TaskError(
                    f"F0: expected one track of {name}, found a second in {shard.name}; leave one of the two "
                    "utterances out of its corpus"
                )
            found[name] = shard.pitch_values[shard.pitch_offset[index] : shard.pitch_offset[index + 1]]
    absent = sorted({name for _, name in wanted} - found.keys())
    if absent:
        raise TaskError(
            f"F0: expected a track of every utterance, found none of {some_of(absent)}; make the frames again"
        )
    return found


def ln_f0(track: np.ndarray) -> np.ndarray:
    """What F0 reconstruction is trained on and scored against: float32 ln F0 [frames], NaN where unvoiced."""
    return np.log(track, dtype=np.float32)
