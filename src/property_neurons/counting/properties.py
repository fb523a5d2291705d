"""Properties: how each sampled frame gets its cell, that is, its group and its phone.

A property is config alone. It is first laid out over a corpus, which fixes its groups, its cells and, for pitch, the
cuts; the layout then gives every sampled frame of every shard its cell.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from property_neurons.corpus.frame_store import FrameShard
from property_neurons.corpus.group_names import name_problem, names_problem
from property_neurons.corpus.phones import PHONE_CLASSES, Inventory, group_problems
from property_neurons.counting.interval_properties import NamedProperty, WordProperty
from property_neurons.counting.layout import NO_GROUP, By, Layout, crossed, of_utterances, with_cuts, with_phones
from property_neurons.counting.numbers import NumberProperty, TrackProperty, check_two, name_of
from property_neurons.counting.pitch_bins import (
    AtLowerCut,
    F0Padding,
    PitchCuts,
    Within,
    find_cuts,
    find_relative_cuts,
    frame_pitch_bins,
    in_semitones,
)
from property_neurons.counting.sampling import Sample
from property_neurons.errors import ConfigError, CountingError, printable

log = logging.getLogger(__name__)

# As many values as numbers may have where they are taken for names.
_MOST_NUMBERED = 20
_SOURCES = {
    "gender": "SPEAKERS.TXT, the corpus's `genders`, a column of its tables or vox1_meta.csv",
    "speaker": "the id up to the first '-', or the speaker's folder",
    "subset": "the folder that `subsets` names",
}


@dataclass(frozen=True)
class PhoneProperty:
    """A property of the phone: its groups are sets of phones, the corpus's classes, or each phone by itself ("single").

    Phones in no group are counted and enter no set.

    Raises:
        ConfigError: no or empty groups, a phone in two groups.
    """

    name: str
    groups: Literal["single", "classes"] | Mapping[str, Sequence[str]] = field(
        default_factory=lambda: dict(PHONE_CLASSES)
    )

    def __post_init__(self) -> None:
        if not isinstance(self.groups, str) and (found := group_problems(self.groups, None)):
            raise ConfigError(
                f"property {self.name}: expected named groups of phones, each phone in one group at most; found {found}"
            )

    def lay_out(self, shards: Iterable[FrameShard]) -> Layout:
        """The cells: one per label, groups in the given order, phones in the order of the corpus's.

        Raises:
            ConfigError: phones that the corpus does not have, or no classes of them.
        """
        inventory, _ = with_phones(shards)
        by_group, labels = self._phones_by_group(inventory), inventory.labels
        cells = [
            (group, phone) for group, phones in by_group.items() for phone in inventory.phones if phone in set(phones)
        ]
        grouped = {phone for _, phone in cells}
        cells += [("", label) for label in labels if label not in grouped]
        cell_of = np.empty((1, len(labels)), dtype=np.int64)
        for index, (_, label) in enumerate(cells):
            cell_of[0, labels.index(label)] = index
        return Layout(
            groups=tuple(by_group),
            cells=tuple(cells),
            cell_of=cell_of,
            group_of=lambda frames, sample: np.zeros(len(sample.position), dtype=np.int64),
            phones=inventory.phones,
        )

    def _phones_by_group(self, inventory: Inventory) -> Mapping[str, Sequence[str]]:
        if self.groups == "single":
            return {phone: (phone,) for phone in inventory.phones}
        groups = inventory.classes if self.groups == "classes" else self.groups
        if found := group_problems(groups, inventory.phones):
            remedy = (
                "fill the column `class` of the table of `phones`"
                if self.groups == "classes"
                else "name groups of these in `groups`, or `groups: classes`, the classes in the table of `phones`"
            )
            raise ConfigError(
                f"property {self.name}: expected groups of the corpus's phones ({', '.join(inventory.phones)}), found "
                f"{found}; {remedy}"
            )
        return groups


@dataclass(frozen=True)
class CategoryProperty:
    """A property of the utterance: one group per value of a column (gender, speaker, accent, ...).

    Utterances without a value are not counted. Numbers are taken for names where they are few.
    """

    name: str
    column: str
    order: tuple[str, ...] | None = None
    by: By = "phone"

    def __post_init__(self) -> None:
        if self.order is not None:
            _check_names(self.name, "order", self.order)

    def lay_out(self, shards: Iterable[FrameShard]) -> Layout:
        """One group per value: those of `order`, or all that kept utterances have, sorted.

        Raises:
            ConfigError: the corpus has no such column.
            CountingError: fewer than two values, values that are no names, not in `order`, or many numbers; a value of
                `order` that no utterance has.
        """
        inventory, shards = with_phones(shards)
        groups = self._groups(self._found(shards))
        index_of = {group: index for index, group in enumerate(groups)}

        def group_of(frames: FrameShard, sample: Sample) -> np.ndarray:
            of_utterance = np.array([index_of.get(value, NO_GROUP) for value in self._values(frames)], dtype=np.int64)
            return of_utterances(of_utterance, frames, sample)

        return crossed(groups, inventory, group_of, self.by, "utterance")

    def _found(self, shards: Iterable[FrameShard]) -> set[str]:
        found: set[str] = set()
        numbers: set[str] = set()
        without = 0
        for shard in shards:
            values = self._values(shard)
            without += sum(values[index] is None for index in np.flatnonzero(shard.kept))
            for index in np.flatnonzero(shard.kept):
                if values[index] is not None and values[index] not in found:
                    self._check_value(values[index], shard, index)
                    found.add(values[index])
                    if isinstance(shard.columns[self.column][index], float):
                        numbers.add(values[index])
        if without:
            log.info("property %s: %d utterances have no %s and are not counted", self.name, without, self.column)
        if len(numbers) > _MOST_NUMBERED:
            raise CountingError(
                f"property {self.name}: expected names in the column {self.column}, or at most {_MOST_NUMBERED} "
                f"different numbers, found {len(numbers)}; give `cuts: tertiles`, or two values or more"
            )
        return found

    def _groups(self, found: set[str]) -> tuple[str, ...]:
        where = f"property {self.name}"
        if not found:
            raise CountingError(
                f"{where}: expected utterances, found none with a {self.column}; name it where the corpus gives it "
                f"({_SOURCES.get(self.column, 'its own table')}), or choose another corpus or property"
            )
        if problem := names_problem(sorted(found)):
            raise CountingError(
                f"{where}: expected values of {self.column} that can be told apart, found {problem}; "
                "write them in one way in the corpus"
            )
        if self.order is None:
            check_two(self.name, f"values of {self.column}", sorted(found))
            return tuple(sorted(found))
        if unknown := found - set(self.order):
            raise CountingError(
                f"{where}: expected {self.column} to be one of {', '.join(self.order)}, found also "
                f"{', '.join(sorted(unknown))}; "
                + ("write F or M (or female, male) in the corpus, or " if self.column == "gender" else "")
                + "add them to `order`, or leave `order` out"
            )
        if empty := [group for group in self.order if group not in found]:
            raise CountingError(
                f"{where}: expected utterances of each {self.column} in `order`, found none of "
                f"{', '.join(map(printable, empty))}; leave them out of `order`, or choose a larger corpus"
            )
        check_two(self.name, "values in `order`", self.order)
        return self.order

    def _check_value(self, value: str, shard: FrameShard, index: int) -> None:
        if problem := name_problem(value):
            raise CountingError(
                f"property {self.name}: expected a {self.column} by name for each utterance, found {problem} for "
                f"{printable(shard.utterances[index])} ({shard.name}); correct it where the corpus gives it "
                f"({_SOURCES.get(self.column, 'its own table')}), or leave the utterance out"
            )

    def _values(self, shard: FrameShard) -> Sequence[str | None]:
        # An unknown gender is "" in the corpus.
        return [name_of(value) if value != "" else None for value in shard.column(self.column, self.name)]


@dataclass(frozen=True)
class PitchProperty:
    """A property of the frame's F0: low, middle and high. Unvoiced frames are not counted.

    within: the F0 that is cut, as it is ("corpus"), or in semitones from its speaker's median ("speaker").
    pitch_cuts, at_lower_cut, f0_padding: see `pitch_bins`.
    pitch_phones: the phones that make up the groups: "voiced", all but the class "unvoiced consonant", or "all".
    by: see `layout.crossed`.

    Raises:
        ConfigError: names of ranges that are none, or not three different ones.
    """

    name: str
    names: tuple[str, str, str] = ("low", "middle", "high")
    pitch_cuts: PitchCuts = "tertiles"
    at_lower_cut: AtLowerCut = "lower_bin"
    f0_padding: F0Padding = "end"
    pitch_phones: Literal["voiced", "all"] = "voiced"
    within: Within = "corpus"
    by: By = "phone"

    def __post_init__(self) -> None:
        _check_names(self.name, "names", self.names)

    def lay_out(self, shards: Iterable[FrameShard]) -> Layout:
        """The three groups, each with the phones that make them up.

        Raises:
            CountingError: see `find_cuts` and `find_relative_cuts`.
        """
        inventory, shards = with_phones(shards)
        if self.within == "speaker":
            cuts, medians = find_relative_cuts(shards, self.pitch_cuts, self.at_lower_cut)
        else:
            cuts, medians = find_cuts(shards, self.pitch_cuts, self.at_lower_cut), None

        left_out = inventory.classes.get("unvoiced consonant", ()) if self.pitch_phones == "voiced" else ()
        has_pitch = ~np.isin(inventory.labels, left_out)

        def group_of(frames: FrameShard, sample: Sample) -> np.ndarray:
            of_pitch = has_pitch[frames.label[sample.position]]
            frames = frames if medians is None else in_semitones(frames, medians)
            bins = frame_pitch_bins(frames, cuts, at_lower_cut=self.at_lower_cut, f0_padding=self.f0_padding)
            return np.where(of_pitch, bins[sample.position].astype(np.int64), NO_GROUP)

        phones = [phone for phone in inventory.phones if phone not in left_out]
        layout = crossed(self.names, inventory, group_of, self.by, phones=phones)
        return with_cuts(layout, cuts if medians is None else None)


@dataclass(frozen=True)
class DurationProperty:
    """A property of the run a frame belongs to: shorter than the first edge, up to the second, longer (section 9)."""

    name: str
    edges_ms: tuple[int, int] = (60, 100)
    by: By = "phone"

    def __post_init__(self) -> None:
        if not 0 < self.edges_ms[0] < self.edges_ms[1]:
            raise ConfigError(
                f"property {self.name}: expected two durations in ms, the shorter first, found {list(self.edges_ms)}"
            )

    def lay_out(self, shards: Iterable[FrameShard]) -> Layout:
        """The three groups; a run that lasts exactly as long as an edge is in the middle one."""
        inventory, _ = with_phones(shards)
        short, long = self.edges_ms

        def group_of(frames: FrameShard, sample: Sample) -> np.ndarray:
            duration = run_durations(frames, sample)
            return ((duration >= short * 1000).astype(np.int64) + (duration > long * 1000))[sample.run]

        return crossed((f"< {short} ms", f"{short}-{long} ms", f"> {long} ms"), inventory, group_of, self.by)


def _check_names(name: str, key: str, groups: Sequence[str]) -> None:
    problem = names_problem(groups) if groups else "no group"
    if problem:
        raise ConfigError(
            f"property {name}: expected distinct names of groups in `{key}`, found {problem}; correct `{key}`"
        )


Property = (
    PhoneProperty
    | CategoryProperty
    | PitchProperty
    | DurationProperty
    | NumberProperty
    | TrackProperty
    | NamedProperty
    | WordProperty
)
_OF_KEY = {"track": TrackProperty, "words": WordProperty, "of": NamedProperty}
OF_COLUMN = {"label": PhoneProperty, "f0": PitchProperty, "duration": DurationProperty}


def make_property(name: str, column: str | None = None, **settings: Any) -> Property:
    """A property from its settings in the configuration.

    Args:
        column: "label", "f0", "duration", or a column of the utterances, with `cuts` one of numbers.
        settings: fields of the property's class, of which `track`, `words` or `of` tells those of frames; lists
            stand for tuples.

    Raises:
        ConfigError: a setting is unknown for this column, or contradicts itself.
    """
    if settings.get("cuts", ...) is None:
        settings.pop("cuts")
    if column is None:
        key = next(key for key in _OF_KEY if key in settings)
        kind, source = _OF_KEY[key], f"{key} {settings[key]!r}"
    else:
        kind = OF_COLUMN.get(column) or (NumberProperty if "cuts" in settings else CategoryProperty)
        source = f"column {column!r}"
    given = {"column": column} if kind in (CategoryProperty, NumberProperty) else {}
    known = set(kind.__dataclass_fields__) - {"name", *given}
    unknown = sorted(set(settings) - known)
    if unknown:
        raise ConfigError(
            f"property {name}: {', '.join(unknown)} unknown for {source}, which knows {', '.join(sorted(known))}"
        )
    fields = {key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()}
    return kind(name, **given, **fields)


def run_durations(frames: FrameShard, sample: Sample) -> np.ndarray:
    """Duration of each run by its segments' own times, last end minus first start: int64 us [runs].

    Where a run begins or ends in time that no segment covers, the edge of that frame stands in.
    """
    utterance = np.searchsorted(frames.offset, sample.run_start, side="right") - 1
    first_frame_us = (sample.run_start - frames.offset[utterance]) * frames.frame_us
    last_frame_us = (sample.run_end - frames.offset[utterance]) * frames.frame_us
    first, last = frames.segment[sample.run_start], frames.segment[sample.run_end - 1]
    # A shard without segments still needs something to index.
    segment_start = np.append(frames.segment_start, 0)
    segment_end = np.append(frames.segment_end, 0)
    start = np.where(first >= 0, segment_start[first], first_frame_us)
    end = np.where(last >= 0, segment_end[last], last_frame_us)
    return end - start
