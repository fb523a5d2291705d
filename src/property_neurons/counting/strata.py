"""A property crossed with a confound: each group is divided into strata of the confound.

Counts by unit of these strata say whether a neuron still tells the groups apart where the confound is the same.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from property_neurons.corpus.frame_store import FrameShard
from property_neurons.counting.interval_properties import NamedProperty
from property_neurons.counting.layout import NO_GROUP, Layout, with_phones
from property_neurons.counting.numbers import TrackProperty
from property_neurons.counting.pitch_bins import UNVOICED, F0Padding
from property_neurons.counting.properties import Property, make_property
from property_neurons.counting.sampling import Sample
from property_neurons.errors import CountingError

# Between the names of a group and of its part.
_BETWEEN = " | "
_WITHOUT = "(none)"


@dataclass(frozen=True)
class PhoneThirdsOfF0:
    """Strata of F0: the thirds of each phone's voiced frames, and the frames without F0.

    Cuts of all phones together would follow the phone, whose F0 has a height of its own. Frames without F0 are a
    stratum of their own, so that every frame is in one, those of unvoiced phones, too.

    f0_padding: where a track shorter than the labels is padded; see `pitch_bins`.
    """

    f0_padding: F0Padding = "end"
    names: ClassVar = ("low", "middle", "high", "unvoiced")

    def lay_out(self, shards: Iterable[FrameShard]) -> Layout:
        """The strata; of a corpus that comes with pitch bins its bins.

        Raises:
            CountingError: a shard has no F0.
        """
        inventory, shards = with_phones(shards)
        n_labels = len(inventory.labels)
        cuts = self._cuts(shards, n_labels)

        def group_of(frames: FrameShard, sample: Sample) -> np.ndarray:
            track, label = self._tracks(frames)[sample.position], frames.label[sample.position]
            if frames.pitch == "bins":
                part = track.astype(np.int64)
            else:
                low, high = cuts[label].T
                part = np.where(np.isnan(track), UNVOICED, (track > low).astype(np.int64) + (track > high))
            return np.where(part == UNVOICED, len(self.names) - 1, part)

        return Layout(groups=self.names, cells=(), cell_of=np.empty((0, n_labels), np.int64), group_of=group_of)

    def _cuts(self, shards: Iterable[FrameShard], n_labels: int) -> np.ndarray:
        """float32 [labels, 2], in Hz; NaN for labels without voiced frames."""
        of_label: list[list[np.ndarray]] = [[] for _ in range(n_labels)]
        for shard in shards:
            if shard.pitch == "none":
                raise CountingError(f"{shard.name}: expected F0, found none; choose a pitch method for this corpus")
            if shard.pitch == "bins":
                continue
            track = self._tracks(shard)
            voiced = ~np.isnan(track)
            for label in np.unique(shard.label[voiced]):
                of_label[label].append(track[voiced & (shard.label == label)])
        cuts = np.full((n_labels, 2), np.nan, dtype=np.float32)
        for label, tracks in enumerate(of_label):
            if tracks:
                cuts[label] = np.percentile(np.concatenate(tracks).astype(np.float64), (100 / 3, 200 / 3))
        return cuts

    def _tracks(self, frames: FrameShard) -> np.ndarray:
        """The pitch of every frame of a shard's kept utterances, F0 in Hz or bins; all other frames are unvoiced."""
        unvoiced = UNVOICED if frames.pitch == "bins" else np.nan
        tracks = np.full(len(frames.label), unvoiced, dtype=frames.pitch_values.dtype)
        for index in np.flatnonzero(frames.kept):
            track = frames.pitch_values[frames.pitch_offset[index] : frames.pitch_offset[index + 1]]
            start, end = frames.offset[index], frames.offset[index + 1]
            track = track[: end - start]
            first = end - len(track) if self.f0_padding == "front" else start
            tracks[first : first + len(track)] = track
        return tracks


@dataclass(frozen=True)
class CrossedProperty:
    """A property whose groups are divided into strata: those of F0, or the groups of another property."""

    name: str
    property: Property
    strata: Property | PhoneThirdsOfF0

    def lay_out(self, shards: Iterable[FrameShard]) -> Layout:
        """The parts of each group, side by side, each with the group's phones; `strata` names them.

        Frames that one of the two does not count are not counted.

        Raises:
            ConfigError, CountingError: as of the two.
        """
        # They are read twice.
        shards = list(shards) if isinstance(shards, Iterator) else shards
        whole, parts = self.property.lay_out(shards), self.strata.lay_out(_Confounds(shards))
        # A frame without a value of the confound is alike others without one, as frames without F0 are.
        without = isinstance(self.strata, TrackProperty | NamedProperty)
        names = (*parts.groups, _WITHOUT) if without else parts.groups
        n_parts = len(names)

        def group_of(frames: FrameShard, sample: Sample) -> np.ndarray:
            group, part = whole.group_of(frames, sample), parts.group_of(_confound(frames), sample)
            if without:
                part = np.where(part == NO_GROUP, n_parts - 1, part)
            return np.where((group == NO_GROUP) | (part == NO_GROUP), NO_GROUP, group * n_parts + part)

        of_parts = whole.cell_of[:, np.newaxis] * n_parts + np.arange(n_parts)[:, np.newaxis]
        cell_of = np.where(whole.cell_of[:, np.newaxis] == NO_GROUP, NO_GROUP, of_parts)
        return Layout(
            groups=tuple(_names(whole.groups, names)),
            cells=tuple((name, label) for group, label in whole.cells for name in _names([group], names)),
            cell_of=cell_of.reshape(-1, whole.cell_of.shape[1]),
            group_of=group_of,
            strata=names,
            phones=whole.phones,
        )


def _confound(frames: FrameShard) -> FrameShard:
    """The frames with the values of the confound in place of the property's own, where it has some."""
    values = frames.values.confound if frames.values is not None else None
    return frames if values is None else replace(frames, values=values)


@dataclass(frozen=True)
class _Confounds:
    """Shards as their confound has them, opened one at a time."""

    shards: Iterable[FrameShard]

    def __iter__(self) -> Iterator[FrameShard]:
        return map(_confound, self.shards)


def make_crossed(property_: Property, column: str | None = None, **settings: Any) -> CrossedProperty:
    """A property crossed with its confound.

    Args:
        column: of the confound: "f0" for the thirds of each phone's F0, or, with `within`, for ranges of pitch, else as
            of `make_property`, which needs none for a track, intervals or clusters.
        settings: of that property, or of `PhoneThirdsOfF0`.
    """
    thirds = column == "f0" and "within" not in settings
    strata = PhoneThirdsOfF0(**settings) if thirds else make_property("confound", column, **settings)
    return CrossedProperty(property_.name, property_, strata)


def whole_groups(groups: Sequence[str], strata: Sequence[str]) -> tuple[str, ...]:
    """The groups whose parts a crossed layout has."""
    return tuple(part.removesuffix(f"{_BETWEEN}{strata[0]}") for part in groups[:: len(strata)])


def _names(groups: Sequence[str], parts: Sequence[str]) -> list[str]:
    return [f"{group}{_BETWEEN}{part}" if group else "" for group in groups for part in parts]
