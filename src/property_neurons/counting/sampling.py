"""Which frames of an utterance are counted."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from property_neurons.corpus.frame_store import FrameShard, open_frames
from property_neurons.counting.runs import middle_frames, runs


@dataclass(frozen=True)
class Sampling:
    """The frame rule: every frame or the middle of each run, and what a run is."""

    frames: Literal["every", "segment_mid"] = "every"
    last_run: Literal["keep", "drop"] = "keep"
    equal_neighbours: Literal["separate", "merge"] = "separate"


@dataclass(frozen=True)
class Sample:
    """The frames of a shard that are counted.

    position: int64 [sampled], indices into the shard's frames, ascending.
    run: int64 [sampled], the run each belongs to.
    run_start, run_end: int64 [runs], first frame of a run and one past its last.
    """

    position: np.ndarray
    run: np.ndarray
    run_start: np.ndarray
    run_end: np.ndarray


def sample_frames(frames: FrameShard, sampling: Sampling) -> Sample:
    """The counted frames of a shard's kept utterances.

    A dropped last run takes its frames with it under both frame rules.
    """
    start, end = runs(
        frames.label,
        frames.segment,
        frames.offset,
        equal_neighbours=sampling.equal_neighbours,
        last_run=sampling.last_run,
    )
    utterance = np.searchsorted(frames.offset, start, side="right") - 1
    start, end = start[frames.kept[utterance]], end[frames.kept[utterance]]
    if sampling.frames == "segment_mid":
        return Sample(position=middle_frames(start, end), run=np.arange(len(start)), run_start=start, run_end=end)
    length = end - start
    run = np.repeat(np.arange(len(start)), length)
    within = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
    return Sample(position=start[run] + within, run=run, run_start=start, run_end=end)


def middle_frames_of(frame_store: str | Path, equal_neighbours: Literal["separate", "merge"]) -> dict[str, np.ndarray]:
    """The middle frame of every run of every utterance of a frame store, ascending, last runs included.

    Returns:
        for each utterance int64 [runs], 20 ms frames counted from its start
    """
    frames = open_frames(frame_store)
    position = sample_frames(frames, Sampling("segment_mid", "keep", equal_neighbours)).position
    first = np.searchsorted(position, frames.offset)
    return {
        utterance: position[first[index] : first[index + 1]] - frames.offset[index]
        for index, utterance in enumerate(frames.utterances)
    }
