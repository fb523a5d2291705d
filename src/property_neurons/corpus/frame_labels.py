"""The phone label and aligned segment of each 20 ms cell (method, section 1)."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from property_neurons.corpus.alignments import FRAME_US
from property_neurons.corpus.phones import SILENCE_ID


def frame_labels(
    starts: np.ndarray, ends: np.ndarray, labels: np.ndarray, n_labels: int, silence: int = SILENCE_ID
) -> tuple[np.ndarray, np.ndarray]:
    """Give each 20 ms cell the label of the segment that overlaps it most, the earliest on a tie.

    Time that no segment covers counts as one more silence, as if its interval had been written out.

    Args:
        starts, ends: int64 us [segments], in order and not overlapping.
        labels: int8 [segments].
        n_labels: number of cells; cell i covers [20 i, 20 (i + 1)) ms.
        silence: the label of silence.

    Returns:
        (label int8 [n_labels], segment int32 [n_labels]); segment is -1 where uncovered time prevails.
    """
    if not n_labels:
        return np.empty(0, np.int8), np.empty(0, np.int32)
    limit = n_labels * FRAME_US
    # Segments and the gaps around them, of no length perhaps: gap, segment 0, gap, segment 1, ..., gap.
    edges = np.concatenate([[0], np.column_stack([starts, ends]).ravel(), [limit]]).clip(0, limit)
    owner = np.full(2 * len(starts) + 1, -1, dtype=np.int32)
    owner[1::2] = np.arange(len(starts))

    cuts = np.unique(np.concatenate([edges, np.arange(0, limit + 1, FRAME_US)]))
    overlap = np.diff(cuts)
    cell = cuts[:-1] // FRAME_US
    piece = np.searchsorted(edges, cuts[:-1], side="right") - 1
    largest = np.maximum.reduceat(overlap, np.searchsorted(cell, np.arange(n_labels)))
    candidates = np.flatnonzero(overlap == largest[cell])
    _, earliest = np.unique(cell[candidates], return_index=True)
    segment = owner[piece[candidates[earliest]]]
    return np.append(labels, np.int8(silence))[segment], segment


def label_utterances(
    ids: Sequence[str],
    n_labels: Sequence[int],
    by_utterance: Mapping[str, pd.DataFrame],
    silence: int = SILENCE_ID,
) -> tuple[np.ndarray, np.ndarray]:
    """The labels and segments of utterances one after the other, as `frame_labels` gives them.

    Args:
        by_utterance: segments of each: start_us, end_us, label, in order of time.
        silence: the label of silence.

    Returns:
        (label int8 [frames], segment int32 [frames], counted through all utterances)
    """
    labels, segments = [np.empty(0, np.int8)], [np.empty(0, np.int32)]
    n_segments = 0
    for utterance, length in zip(ids, n_labels, strict=True):
        rows = by_utterance[utterance]
        label, segment = frame_labels(
            rows["start_us"].to_numpy(), rows["end_us"].to_numpy(), rows["label"].to_numpy(np.int8), length, silence
        )
        labels.append(label)
        segments.append(np.where(segment < 0, segment, segment + np.int32(n_segments)))
        n_segments += len(rows)
    return np.concatenate(labels), np.concatenate(segments)
