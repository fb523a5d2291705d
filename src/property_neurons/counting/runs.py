"""Runs of equal labels in a frame table, and the frame in the middle of each."""

from typing import Literal

import numpy as np


def runs(
    label: np.ndarray,
    segment: np.ndarray,
    frame_offset: np.ndarray,
    *,
    equal_neighbours: Literal["separate", "merge"],
    last_run: Literal["keep", "drop"],
) -> tuple[np.ndarray, np.ndarray]:
    """The maximal stretches of frames that belong together; none crosses from one utterance to the next.

    Args:
        label: int8 label of each frame [F].
        segment: int32 index of the aligned segment of each frame [F], -1 where there is none.
        frame_offset: int64 first frame of each utterance, and F at the end [U + 1].
        equal_neighbours: "separate" starts a run with each segment, "merge" only with each change of label,
            so that two equal phones in a row are one run.
        last_run: "drop" leaves out the last run of each utterance, as the code behind the published numbers does.

    Returns:
        (start, end), int64 [R] each: first frame, and one past the last frame, of each run, in order.
    """
    if not len(label):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    opens = np.ones(len(label), dtype=bool)
    opens[1:] = label[1:] != label[:-1]
    if equal_neighbours == "separate":
        opens[1:] |= segment[1:] != segment[:-1]
    lengths = np.diff(frame_offset)
    opens[frame_offset[:-1][lengths > 0]] = True
    start = np.flatnonzero(opens)
    end = np.append(start[1:], len(label))
    if last_run == "drop":
        kept = ~np.isin(end, frame_offset[1:])
        start, end = start[kept], end[kept]
    return start, end


def middle_frames(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """The middle frame of each run, int64 [R]: floor((first + last) / 2), as in the code behind the paper.

    `end` is one past the last frame, as `runs` gives it, so of two middle frames this is the earlier one.
    """
    return (start + end - 1) // 2
