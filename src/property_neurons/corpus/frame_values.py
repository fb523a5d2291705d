"""Values of each 20 ms frame beside its phone and F0: a number, or the interval of a tier that holds the frame.

The values of a property have stores of their own, shard by shard beside the frame stores, so that a new property makes
nothing else again.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from property_neurons.corpus.frame_store import FrameShard, open_frames
from property_neurons.corpus.phones import Inventory
from property_neurons.corpus.utterance_columns import without_missing
from property_neurons.errors import StoreError
from property_neurons.stores.zarr import add_array, new_store, open_store

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class FrameValues:
    """Values of the frames of a shard, in the order of its frame store; numbers or intervals.

    number: float32 [frames], NaN for none.
    interval: int32 [frames], index of the interval that holds most of a frame; -1 for none.
    interval_name: int32 [intervals], index into `names`; -1 where an interval has no label.
    names: the labels of intervals.
    confound: the values of what a property may be mistaken for, where it is crossed with that.
    """

    number: np.ndarray | None = None
    interval: np.ndarray | None = None
    interval_name: np.ndarray | None = None
    names: tuple[str, ...] = ()
    confound: "FrameValues | None" = None

    @property
    def name(self) -> np.ndarray:
        """The label of each frame: int32 [frames], index into `names`; -1 for none."""
        return np.append(self.interval_name, np.int32(-1))[self.interval]


def write_values(path: str | Path, utterances: Sequence[str], offset: np.ndarray, values: FrameValues) -> None:
    """Write the values of a shard's frames.

    Args:
        path: the .zarr to write.
        utterances: ids, in the order of the frame store.
        offset: int64 [utterances + 1], first frame of each.
    """
    with new_store(path) as store:
        store.attrs.update({"utterances": list(utterances), "names": list(values.names)})
        add_array(store, "offset", offset.astype(np.int64))
        if values.number is not None:
            add_array(store, "number", values.number.astype(np.float32))
            return
        add_array(store, "interval", values.interval.astype(np.int32))
        add_array(store, "interval_name", values.interval_name.astype(np.int32))


def open_values(path: str | Path, utterances: Sequence[str], offset: np.ndarray) -> FrameValues:
    """Read what `write_values` wrote, for the frames of a frame store.

    Raises:
        StoreError: the store is damaged, or of other frames.
    """
    store = open_store(path)
    if list(store.attrs.get("utterances", ())) != list(utterances) or not np.array_equal(store["offset"][:], offset):
        raise StoreError(
            f"{path}: expected values of the {len(utterances)} utterances of the frame store beside it, found others; "
            "delete it and run again"
        )
    if "number" in store:
        return FrameValues(number=store["number"][:])
    return FrameValues(
        interval=store["interval"][:], interval_name=store["interval_name"][:], names=tuple(store.attrs["names"])
    )


@dataclass(frozen=True, eq=False)
class FrameFiles:
    """A frame store, and what a property reads beside it, if anything.

    values: the store of what the property is made of.
    units: the store of the intervals that stand in the place of phones.
    confound: the store of what the property's confound is made of.
    columns: by utterance, what the user's tables say beside what the frame store knows.
    """

    store: str | Path
    values: str | Path | None = None
    units: str | Path | None = None
    confound: str | Path | None = None
    columns: "pd.DataFrame | None" = None


def open_frame_files(files: str | Path | FrameFiles, keep: Collection[tuple[str, str]] | None = None) -> FrameShard:
    """Read a frame store with the values beside it; arguments and errors as of `open_frames` and `open_values`."""
    if not isinstance(files, FrameFiles):
        return open_frames(files, keep)
    frames = open_frames(files.store, keep)
    if files.columns is not None:
        own = files.columns.reindex(frames.utterances)
        frames = replace(frames, columns=frames.columns | without_missing(own))
    if files.values is not None:
        frames = replace(frames, values=open_values(files.values, frames.utterances, frames.offset))
    if files.confound is not None:
        confound = open_values(files.confound, frames.utterances, frames.offset)
        frames = replace(frames, values=replace(frames.values or FrameValues(), confound=confound))
    if files.units is not None:
        frames = in_place_of_phones(frames, open_values(files.units, frames.utterances, frames.offset))
    return frames


def in_place_of_phones(frames: FrameShard, units: FrameValues) -> FrameShard:
    """The same frames with intervals in place of phones; silence stays, other frames without an interval are noise."""
    inventory = Inventory(units.names, {})
    name, interval = units.name, units.interval
    other = np.where(frames.of_speech, inventory.spoken_noise, inventory.silence)
    first = np.searchsorted(frames.offset, np.arange(len(interval)), side="right") - 1
    within = np.arange(len(interval)) - frames.offset[first]
    held = np.flatnonzero(interval >= 0)
    number, begins = np.unique(interval[held], return_index=True)
    length = np.bincount(interval[held], minlength=len(units.interval_name))
    start = np.zeros(len(units.interval_name), dtype=np.int64)
    start[number] = within[held][begins] * frames.frame_us
    return replace(
        frames,
        label=np.where(name >= 0, name, other).astype(np.int8),
        segment=interval,
        segment_start=start,
        segment_end=start + length * frames.frame_us,
        segment_mark=np.empty(0, np.int16),
        marks=(),
        inventory=inventory,
    )
