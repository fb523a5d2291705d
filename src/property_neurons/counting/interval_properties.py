"""Properties by the names of frames: marks of phones (stress, tone), labels of a tier, and words."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from property_neurons.corpus.frame_store import FrameShard
from property_neurons.corpus.group_names import names_problem
from property_neurons.counting.layout import NO_GROUP, By, Layout, Unit, crossed, with_phones
from property_neurons.counting.numbers import TrackProperty, check_two
from property_neurons.counting.sampling import Sample
from property_neurons.errors import CountingError, StoreError, printable, some_of

_MOST_GROUPS = 100


@dataclass(frozen=True)
class NamedProperty:
    """A property of names that frames have: one group for each name, or groups of names. Others are not counted.

    The phones of a group are those that have a name of some group, which for stress are the vowels.

    of: "mark", what the label of a phone says beside the phone, or "interval", the label of a tier, from a store of
        values of frames; "phone interval" where intervals are phones, "utterance interval" where they are utterances.
    groups: names by group; None for all names, sorted.
    """

    name: str
    of: Literal["mark", "interval", "phone interval", "utterance interval"]
    groups: Mapping[str, Sequence[str]] | None = None
    by: By = "phone"

    def lay_out(self, shards: Iterable[FrameShard]) -> Layout:
        """The groups; a stretch of frames has one where it is of a tier.

        Raises:
            CountingError: no frame has a name, a group has no frame, there is one group, or more than a hundred.
            StoreError: no store of intervals.
        """
        inventory, shards = with_phones(shards)
        labels_of: dict[str, set[str]] = {}
        for shard in shards:
            index, names = self._names(shard)
            kept = np.repeat(shard.kept, np.diff(shard.offset)) & (index >= 0)
            for name, label in np.unique(np.stack([index[kept], shard.label[kept]]), axis=1).T.tolist():
                labels_of.setdefault(names[name], set()).add(inventory.labels[label])
        groups = self._groups(labels_of)
        # Consonants carry no stress: as phones of a group they would have empty patterns, and sigma no member.
        carrying = set().union(*(labels_of.get(name, ()) for own in groups.values() for name in own))
        phones = [phone for phone in inventory.phones if phone in carrying]
        group_of_name = {name: place for place, own in enumerate(groups.values()) for name in own}

        def group_of(frames: FrameShard, sample: Sample) -> np.ndarray:
            index, names = self._names(frames)
            of_name = np.array([*(group_of_name.get(name, NO_GROUP) for name in names), NO_GROUP], dtype=np.int64)
            return of_name[index[sample.position]]

        lives_in: Unit = {"interval": "stretch", "utterance interval": "utterance"}.get(self.of, "run")
        return crossed(tuple(groups), inventory, group_of, self.by, lives_in, phones=phones)

    def _groups(self, found: Collection[str]) -> Mapping[str, Sequence[str]]:
        where = f"property {self.name}"
        if not found:
            source = "marks of phones (stress, tone)" if self.of == "mark" else "labels of intervals"
            raise CountingError(
                f"{where}: expected frames with {source}, found none; do the corpus's labels have them? Stress and "
                "words can come from a `dictionary` too"
            )
        if self.groups is None:
            if len(found) > _MOST_GROUPS or (problem := names_problem(sorted(found))):
                what = f"{len(found)} different ones" if len(found) > _MOST_GROUPS else problem
                raise CountingError(
                    f"{where}: expected {_MOST_GROUPS} labels at most, that can be told apart, found {what}; name "
                    "those you mean in `groups`"
                )
            groups = {name: (name,) for name in sorted(found)}
        else:
            groups = self.groups
        if empty := [group for group, names in groups.items() if not any(name in found for name in names)]:
            raise CountingError(
                f"{where}: expected frames in each group, found none in {some_of([printable(one) for one in empty])}; "
                f"the corpus has {some_of([printable(one) for one in sorted(found)])}: correct `groups`"
            )
        check_two(self.name, "groups", list(groups))
        return groups

    def _names(self, shard: FrameShard) -> tuple[np.ndarray, Sequence[str]]:
        """The name of each frame as an index, -1 for none, and the names."""
        if self.of == "mark":
            of_segment = np.append(shard.segment_mark, np.int16(-1)).astype(np.int64)
            marked = len(shard.segment_mark) > 0
            index = of_segment[shard.segment] if marked else np.full(len(shard.label), -1)
            nothing = [place for place, mark in enumerate(shard.marks) if mark == ""]
            return np.where(np.isin(index, nothing), -1, index), shard.marks
        values = _intervals(shard, self.name)
        return values.name, values.names


@dataclass(frozen=True)
class WordProperty(TrackProperty):
    """A property of words that is a number, from a store of the words of frames.

    words: "frequency", log10 of how often a word occurs in the kept utterances, upper and lower case alike; "position"
        in the word, from 0 at its first frame to 1 at its last.
    """

    words: Literal["frequency", "position"] = "frequency"

    @property
    def lives_in(self) -> Unit:
        """A word has one frequency, and many positions."""
        return "stretch" if self.words == "frequency" else "run"

    def lay_out(self, shards: Iterable[FrameShard]) -> Layout:
        """As of a track."""
        shards = list(shards)
        if self.words == "position":
            return self.cut(shards, lambda shard: _positions(_intervals(shard, self.name).interval))
        often: Counter[str] = Counter()
        for shard in shards:
            values = _intervals(shard, self.name)
            kept = np.repeat(shard.kept, np.diff(shard.offset))
            spoken = values.interval_name[np.setdiff1d(values.interval[kept], [-1])]
            often.update(values.names[name].lower() for name in spoken[spoken >= 0].tolist())

        def numbers(shard: FrameShard) -> np.ndarray:
            values = _intervals(shard, self.name)
            # Words of utterances that are left out may have been counted nowhere.
            times = np.array([*(often.get(name.lower(), 0) for name in values.names), 0], dtype=np.float64)
            return np.log10(np.where(times > 0, times, np.nan))[values.name]

        return self.cut(shards, numbers)


def _intervals(shard: FrameShard, name: str):
    if shard.values is None or shard.values.interval is None:
        raise StoreError(
            f"property {name}: expected intervals of the frames of {shard.name}, found none; run the rule that makes "
            "them"
        )
    return shard.values


def _positions(interval: np.ndarray) -> np.ndarray:
    """Where in its interval each frame lies: float64 [frames], NaN for none."""
    found, first, length = np.unique(interval, return_index=True, return_counts=True)
    place = np.searchsorted(found, interval)
    position = (np.arange(len(interval)) - first[place] + 0.5) / length[place]
    return np.where(interval < 0, np.nan, position)
