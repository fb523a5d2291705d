"""F0 of the frames of a shard, where the corpus has it."""

import numpy as np

from property_neurons.corpus.frame_store import FrameShard


def has_f0(frames: FrameShard) -> bool:
    """Whether F0 in Hz is known: NaN then says unvoiced. Of other corpora nothing, or the range of pitch alone, is."""
    return frames.pitch not in ("bins", "none")


def f0_of(frames: FrameShard) -> np.ndarray:
    """F0 of every frame: float32 [frames] Hz, NaN unvoiced, past the track's end, or where the corpus has no F0."""
    f0 = np.full(len(frames.label), np.nan, np.float32)
    if not has_f0(frames):
        return f0
    for index in range(len(frames.utterances)):
        track = frames.pitch_values[frames.pitch_offset[index] : frames.pitch_offset[index + 1]]
        start, end = frames.offset[index], frames.offset[index + 1]
        n = min(len(track), end - start)
        f0[start : start + n] = track[:n]
    return f0
