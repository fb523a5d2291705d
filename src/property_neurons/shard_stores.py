"""Reading the frame store of one shard, and joining it with the rank store by utterance and frame."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from property_neurons.errors import CountingError, StoreError
from property_neurons.phones import LABELS
from property_neurons.ranks.store import RankStore
from property_neurons.zarr_stores import open_store


@dataclass(frozen=True)
class FrameShard:
    """Labels, segments and pitch of a shard's utterances, in 20 ms frames.

    name: where it was read from, for messages.
    utterances: ids [utterances].
    kept: bool [utterances], False for those left out of every count.
    columns: what is known per utterance ("speaker", "gender", "subset", ...), one text for each.
    offset: int64 [utterances + 1], first frame of each utterance.
    frame_us: length of a frame.
    label: int8 [frames], index into `phones.LABELS`.
    segment: int32 [frames], alignment segment of each frame, -1 where there is none.
    segment_start, segment_end: int64 us [segments].
    pitch: how F0 was found; "bins" where only pitch bins are known, "none" where nothing is.
    pitch_offset: int64 [utterances + 1], first value of each utterance's pitch track (which starts at t = 0).
    pitch_values: float32 Hz [pitch values], NaN unvoiced; for "bins" int8, -1 unvoiced; empty for "none".
    """

    name: str
    utterances: tuple[str, ...]
    kept: np.ndarray
    columns: dict[str, tuple[str, ...]]
    offset: np.ndarray
    frame_us: int
    label: np.ndarray
    segment: np.ndarray
    segment_start: np.ndarray
    segment_end: np.ndarray
    pitch: str
    pitch_offset: np.ndarray
    pitch_values: np.ndarray


def open_frames(path: str | Path, keep: Collection[tuple[str, str]] | None = None) -> FrameShard:
    """Read a frame store.

    Args:
        keep: the (subset, utterance) pairs to count; None for all.

    Raises:
        StoreError: the store is damaged, or made with other labels.
    """
    store = open_store(path)
    attrs = dict(store.attrs)
    if tuple(attrs["labels"]) != LABELS:
        raise StoreError(
            f"{path}: expected the labels {', '.join(LABELS)}, found {', '.join(attrs['labels'])}; it was made by "
            "another version: delete it and run again"
        )
    utterances = tuple(attrs["utterances"])
    columns = {
        name.removesuffix("s"): tuple(values)
        for name, values in attrs.items()
        if name != "labels" and isinstance(values, list) and len(values) == len(utterances)
        if all(isinstance(value, str) for value in values)
    }
    if keep is None:
        kept = np.ones(len(utterances), dtype=bool)
    else:
        pairs = zip(columns["subset"], utterances, strict=True)
        kept = np.fromiter((pair in keep for pair in pairs), dtype=bool, count=len(utterances))
    pitch = attrs["pitch"]
    values = {"bins": "pitch_bin", "none": None}.get(pitch, "f0")
    return FrameShard(
        name=str(path),
        utterances=utterances,
        kept=kept,
        columns=columns,
        offset=store["frame_offset"][:],
        frame_us=attrs["frame_us"],
        label=store["label"][:],
        segment=store["segment"][:],
        segment_start=store["segment_start"][:],
        segment_end=store["segment_end"][:],
        pitch=pitch,
        pitch_offset=store["pitch_offset"][:] if values else np.zeros(len(utterances) + 1, dtype=np.int64),
        pitch_values=store[values][:] if values else np.empty(0, dtype=np.float32),
    )


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
