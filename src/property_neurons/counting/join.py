"""Joining the rank store of a shard with its frame store, by utterance and frame."""

import numpy as np

from property_neurons.corpus.frame_store import FrameShard
from property_neurons.errors import CountingError
from property_neurons.ranks.store import RankStore


def rank_rows(ranks: RankStore, frames: FrameShard, position: np.ndarray) -> np.ndarray:
    """The row of the rank store that holds each wanted frame, -1 where the model gave none.

    A model may give one frame fewer than there are labels (the last), or one more; nothing else may be missing.

    Args:
        position: int64 [wanted], indices into the shard's frames, of kept utterances.

    Returns:
        int64 [wanted]

    Raises:
        CountingError: the stores hold other utterances or another order, lengths differ by more than one frame,
            or a wanted frame was not stored.
    """
    _check_same_utterances(ranks, frames)
    n_labels, ranked = np.diff(frames.offset), ranks.frame
    _check_lengths(ranks, ranked, frames, n_labels)
    span = int(max(n_labels.max(initial=0), ranked.max(initial=0))) + 1
    stored = np.repeat(np.arange(len(ranks.utterances)), np.diff(ranks.offset)) * span + ranked
    utterance = np.searchsorted(frames.offset, position, side="right") - 1
    frame = position - frames.offset[utterance]
    wanted = utterance * span + frame
    row = np.searchsorted(stored, wanted)
    found = np.zeros(len(wanted), dtype=bool)
    inside = row < len(stored)
    found[inside] = stored[row[inside]] == wanted[inside]
    lost = ~found & (frame < n_labels[utterance] - 1)
    if lost.any():
        first = int(np.argmax(lost))
        raise CountingError(
            f"{ranks.name}: utterance {frames.utterances[utterance[first]]}, frame {frame[first]}: expected its ranks, "
            f"found none (and {int(lost.sum()) - 1} more in this shard); these ranks were stored for "
            f"{ranks.frames!r} frames: rank again, with ranks.frames: all"
        )
    return np.where(found, row, -1)


def _check_same_utterances(ranks: RankStore, frames: FrameShard) -> None:
    if ranks.utterances == frames.utterances:
        return
    remedy = "the two stores come from different versions of the corpus: rank again"
    missing = sorted(set(frames.utterances) - set(ranks.utterances))
    extra = sorted(set(ranks.utterances) - set(frames.utterances))
    if missing or extra:
        raise CountingError(
            f"{ranks.name} and {frames.name}: expected the same utterances, found {len(missing)} without ranks "
            f"({', '.join(missing[:3])}) and {len(extra)} without labels ({', '.join(extra[:3])}); {remedy}"
        )
    raise CountingError(
        f"{ranks.name} and {frames.name}: expected the same utterances in the same order, found "
        + next(f"{a} beside {b}" for a, b in zip(ranks.utterances, frames.utterances, strict=False) if a != b)
        + f"; {remedy}"
    )


def _check_lengths(ranks: RankStore, ranked: np.ndarray, frames: FrameShard, n_labels: np.ndarray) -> None:
    stored = np.diff(ranks.offset)
    last = np.full(len(stored), -1, dtype=np.int64)
    last[stored > 0] = ranked[ranks.offset[1:][stored > 0] - 1]
    too_long = last + 1 > n_labels + 1
    too_short = (stored < n_labels - 1) if ranks.frames == "all" else np.zeros(len(stored), dtype=bool)
    wrong = (too_long | too_short) & frames.kept
    if wrong.any():
        first = int(np.argmax(wrong))
        raise CountingError(
            f"{ranks.name}: utterance {frames.utterances[first]}: expected {n_labels[first]} frames (its labels), give "
            f"or take one, found {last[first] + 1}; the audio and the alignment do not belong together, or the "
            f"model does not make 50 frames a second ({int(wrong.sum())} such utterances in this shard)"
        )
