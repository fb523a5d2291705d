"""The frame store of one shard: for each 20 ms cell its phone label and aligned segment, and the F0 tracks."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from property_neurons.corpus.phones import LABELS, NEVER_IN_A_SET, PAPER_PHONES, Inventory
from property_neurons.errors import ConfigError, StoreError, printable
from property_neurons.stores.zarr import open_store

if TYPE_CHECKING:
    from property_neurons.corpus.frame_values import FrameValues


@dataclass(frozen=True)
class FrameShard:
    """Labels, segments and pitch of a shard's utterances, in 20 ms frames.

    name: where it was read from, for messages.
    utterances: ids [utterances].
    kept: bool [utterances], False for those left out of every count.
    columns: what is known per utterance ("speaker", "gender", "subset", and the corpus's others): text, numbers, or
        None where a value is missing; an unknown gender is "".
    offset: int64 [utterances + 1], first frame of each utterance.
    frame_us: length of a frame.
    label: int8 [frames], index into the labels of `inventory`.
    segment: int32 [frames], alignment segment of each frame, -1 where there is none.
    segment_start, segment_end: int64 us [segments].
    segment_mark: int16 [segments], index into `marks`: what the label of a segment says beside its phone, such as the
        stress 0, 1 or 2 of a vowel, or its tone; "" for nothing.
    pitch: how F0 was found; "bins" where only pitch bins are known, "none" where nothing is.
    pitch_offset: int64 [utterances + 1], first value of each utterance's pitch track (which starts at t = 0).
    pitch_values: float32 Hz [pitch values], NaN unvoiced; for "bins" int8, -1 unvoiced; empty for "none".
    values: what else is known of each frame, where a property reads it; else None.
    inventory: the phones of the corpus.
    """

    name: str
    utterances: tuple[str, ...]
    kept: np.ndarray
    columns: dict[str, tuple[str | float | None, ...]]
    offset: np.ndarray
    frame_us: int
    label: np.ndarray
    segment: np.ndarray
    segment_start: np.ndarray
    segment_end: np.ndarray
    pitch: str
    pitch_offset: np.ndarray
    pitch_values: np.ndarray
    segment_mark: np.ndarray = field(default_factory=lambda: np.empty(0, np.int16))
    marks: tuple[str, ...] = ()
    values: "FrameValues | None" = None
    inventory: Inventory = PAPER_PHONES

    @property
    def of_speech(self) -> np.ndarray:
        """Which frames are not silence: bool [frames]. Speech without an alignment is spoken noise."""
        return self.label != self.inventory.silence

    def column(self, name: str, property_name: str) -> Sequence:
        """One column of the utterances.

        Raises:
            ConfigError: there is no such column.
        """
        if name not in self.columns:
            known = ", ".join(sorted(map(printable, {*self.columns, "label", "f0", "duration"})))
            raise ConfigError(
                f"property {property_name}: column {name!r} is unknown; {self.name} has {known}: name one of these"
            )
        return self.columns[name]

    def values_of(self, property_name: str) -> np.ndarray:
        """The numbers of the frames: float32 [frames], NaN for none.

        Raises:
            StoreError: the frames have no numbers.
        """
        if self.values is None or self.values.number is None:
            raise StoreError(
                f"property {property_name}: expected numbers of the frames of {self.name}, found none; run the rule "
                "that makes them"
            )
        return self.values.number


def open_frames(path: str | Path, keep: Collection[tuple[str, str]] | None = None) -> FrameShard:
    """Read a frame store.

    Args:
        keep: the (subset, utterance) pairs to count; None for all.

    Raises:
        StoreError: the store is damaged, or made by another version.
    """
    store = open_store(path)
    attrs = dict(store.attrs)
    inventory = _inventory(path, attrs)
    utterances = tuple(attrs["utterances"])
    columns = {
        name.removesuffix("s"): tuple(values)
        for name, values in attrs.items()
        if name not in ("labels", "marks") and isinstance(values, list) and len(values) == len(utterances)
        if all(isinstance(value, str) for value in values)
    } | {name: tuple(values) for name, values in attrs.get("columns", {}).items()}
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
        segment_mark=store["segment_mark"][:] if "segment_mark" in store else np.empty(0, np.int16),
        marks=tuple(attrs.get("marks", ())),
        inventory=inventory,
    )


def tracks_of_recordings(path: str | Path) -> dict[str, np.ndarray]:
    """The F0 of a frame store by the digest of the recording: float32 Hz [frames], NaN unvoiced.

    Raises:
        StoreError: the store is damaged.
    """
    store = open_store(path)
    f0, offset = store["f0"][:], store["pitch_offset"][:]
    digests = store.attrs.get("recordings", {}).get("digests", [])
    return {digest: f0[offset[place] : offset[place + 1]] for place, digest in enumerate(digests)}


def _inventory(path: str | Path, attrs: Mapping[str, Any]) -> Inventory:
    labels = tuple(attrs["labels"])
    if labels == LABELS and "classes" not in attrs:
        return PAPER_PHONES
    if labels[-2:] != NEVER_IN_A_SET or "classes" not in attrs:
        raise StoreError(
            f"{path}: expected the labels {', '.join(LABELS)}, or others with their classes, found "
            f"{', '.join(map(printable, labels))}; it was made by another version: delete it and run again"
        )
    return Inventory(labels[:-2], {name: tuple(phones) for name, phones in attrs["classes"].items()})
