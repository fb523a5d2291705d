"""Properties of numbers, of utterances or of frames, cut into ranges."""

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from property_neurons.corpus.frame_store import FrameShard
from property_neurons.corpus.group_names import names_problem
from property_neurons.corpus.tracks import OF_STRETCHES, OF_UTTERANCES
from property_neurons.counting.layout import NO_GROUP, By, Layout, Unit, crossed, of_utterances, with_phones
from property_neurons.counting.sampling import Sample
from property_neurons.errors import ConfigError, CountingError, printable, some_of

Cuts = Literal["tertiles"] | tuple[float, ...]
Within = Literal["corpus", "speaker"]
_DOUBLE = np.dtype(np.float64)
_THIRDS = ("low", "middle", "high")


def name_of(value: str | float | None) -> str | None:
    """A value of a column, or a cut, as a group's name; numbers with all of their digits and no exponent (20240101)."""
    return np.format_float_positional(value, trim="-") if isinstance(value, float) else value


def check_two(name: str, what: str, groups: Sequence[str]) -> None:
    """Refuse a property that has one group: all of its neurons would be that group's."""
    if len(groups) < 2:
        raise CountingError(
            f"property {name}: expected two {what} at least, found {some_of([printable(group) for group in groups])} "
            "alone; with one group there is nothing to tell apart: choose a larger corpus, or another property"
        )


@dataclass(frozen=True)
class _Ranges:
    """The common part of properties of numbers.

    cuts: thirds of all numbers of the kept utterances, or the values between ranges; a number equal to a cut is in the
        range below it.
    within: "speaker" cuts the difference from the median of the speaker's numbers.
    names: of the ranges, from the lowest; None for low, middle and high, or the values themselves.
    by: see `layout.crossed`.

    Raises:
        ConfigError: cuts that do not ascend, or not one name more than there are cuts.
    """

    name: str
    cuts: Cuts = "tertiles"
    within: Within = "corpus"
    names: tuple[str, ...] | None = None
    by: By = "phone"

    def __post_init__(self) -> None:
        where = f"property {self.name}"
        if not isinstance(self.cuts, str) and (not self.cuts or not np.all(np.diff(self.cuts) > 0)):
            raise ConfigError(f"{where}: expected `cuts` of values that ascend, found {list(self.cuts)}; correct them")
        expected = 3 if isinstance(self.cuts, str) else len(self.cuts) + 1
        if self.names is not None and (len(self.names) != expected or names_problem(self.names)):
            raise ConfigError(
                f"{where}: expected {expected} different `names` of ranges, found {list(self.names)}; correct them"
            )

    def _groups(self) -> tuple[str, ...]:
        if self.names is not None or isinstance(self.cuts, str):
            return self.names or _THIRDS
        shown = [name_of(float(cut)) for cut in self.cuts]
        between = [f"{low} to {high}" for low, high in itertools.pairwise(shown)]
        return (f"up to {shown[0]}", *between, f"above {shown[-1]}")

    def _find_cuts(self, values: np.ndarray, what: str, stored: np.dtype = _DOUBLE) -> np.ndarray:
        """float64 [ranges - 1]; every range holds a value.

        Args:
            stored: the precision of the numbers: in single precision 0.1 is a little more.
        """
        where = f"property {self.name}"
        if not values.size:
            raise CountingError(f"{where}: expected {what}, found none; leave the property out, or use more speech")
        thirds = isinstance(self.cuts, str)
        cuts = np.percentile(values, (100 / 3, 200 / 3)) if thirds else np.asarray(self.cuts, stored).astype(_DOUBLE)
        held = np.bincount(np.searchsorted(cuts, values), minlength=len(cuts) + 1)
        if np.any(held == 0) or np.any(np.diff(cuts) <= 0):
            groups = self._groups()
            empty = [printable(groups[index]) for index in np.flatnonzero(held == 0)]
            shown = ", ".join(f"{cut:g}" for cut in cuts)
            raise CountingError(
                f"{where}: expected {what} in every range between the cuts {shown}, found none in "
                f"{some_of(empty) or 'the middle'} ({values.min():g} to {values.max():g}); give other values in `cuts`"
            )
        return cuts

    def _medians(self, of_speaker: Mapping[str, Sequence[np.ndarray]]) -> dict[str, float]:
        if self.within == "corpus":
            return dict.fromkeys(of_speaker, 0.0)
        joined = {speaker: np.concatenate(parts) for speaker, parts in of_speaker.items()}
        return {speaker: float(np.median(values)) for speaker, values in joined.items() if values.size}


@dataclass(frozen=True)
class NumberProperty(_Ranges):
    """A property of the utterance that is a number (age, SNR, ...); each utterance counts once in the cuts."""

    column: str = ""

    def lay_out(self, shards: Iterable[FrameShard]) -> Layout:
        """One group per range; utterances without a number are not counted.

        Raises:
            ConfigError: the corpus has no such column.
            CountingError: a value that is no finite number, no number at all, or a range without one.
        """
        inventory, shards = with_phones(shards)
        of_speaker = defaultdict(list)
        for shard in shards:
            values = self._values(shard)
            for index in np.flatnonzero(shard.kept & ~np.isnan(values)):
                of_speaker[shard.columns["speaker"][index]].append(values[index : index + 1])
        medians = self._medians(of_speaker)
        relative = [np.concatenate(parts) - medians[speaker] for speaker, parts in of_speaker.items()]
        cuts = self._find_cuts(np.concatenate([np.empty(0), *relative]), f"numbers in the column {self.column}")

        def group_of(frames: FrameShard, sample: Sample) -> np.ndarray:
            values = self._values(frames) - np.array([medians.get(one, np.nan) for one in frames.columns["speaker"]])
            return of_utterances(_ranges(values, cuts), frames, sample)

        return crossed(self._groups(), inventory, group_of, self.by, "utterance")

    def _values(self, shard: FrameShard) -> np.ndarray:
        """float64 [utterances], NaN where there is none."""
        given = shard.column(self.column, self.name)
        for index in np.flatnonzero(shard.kept):
            value = given[index]
            if isinstance(value, str) or (value is not None and np.isinf(value)):
                raise CountingError(
                    f"property {self.name}: expected a finite number in the column {self.column} for each utterance, "
                    f"found {printable(value)!r} for {printable(shard.utterances[index])}; correct it in the corpus's "
                    "table, or leave `cuts` out where the column holds names"
                )
        return np.array([np.nan if isinstance(value, str) or value is None else value for value in given], np.float64)


@dataclass(frozen=True)
class TrackProperty(_Ranges):
    """A property of the frame that is a number (energy, speaking rate, ...), from a store of values of frames.

    Frames without a number are not counted. All frames but those of silence count in the cuts.
    """

    track: str = ""

    @property
    def lives_in(self) -> Unit:
        """See `Layout`."""
        if self.track in OF_UTTERANCES:
            return "utterance"
        return "stretch" if self.track in OF_STRETCHES else "run"

    def lay_out(self, shards: Iterable[FrameShard]) -> Layout:
        """One group per range.

        Raises:
            CountingError: no frame has a number, or a range has none.
        """
        return self.cut(shards, lambda shard: shard.values_of(self.name))

    def cut(self, shards: Iterable[FrameShard], numbers: Callable[[FrameShard], np.ndarray]) -> Layout:
        """Cut the numbers of each shard's frames into ranges: float [frames], NaN for none."""
        inventory, shards = with_phones(shards)
        of_speaker, stored = defaultdict(list), _DOUBLE
        for shard in shards:
            values = numbers(shard)
            stored = values.dtype
            counted = shard.of_speech & ~np.isnan(values)
            for index in np.flatnonzero(shard.kept):
                frames = slice(shard.offset[index], shard.offset[index + 1])
                of_speaker[shard.columns["speaker"][index]].append(values[frames][counted[frames]])
        medians = self._medians(of_speaker)
        relative = [np.concatenate(of_speaker[one]).astype(np.float64) - median for one, median in medians.items()]
        cuts = self._find_cuts(
            np.concatenate([np.empty(0), *relative]), f"frames with {self.track or self.name}", stored
        )

        def group_of(frames: FrameShard, sample: Sample) -> np.ndarray:
            median = np.array([medians.get(speaker, np.nan) for speaker in frames.columns["speaker"]])
            values = numbers(frames)[sample.position] - of_utterances(median, frames, sample)
            return _ranges(values, cuts)

        return crossed(self._groups(), inventory, group_of, self.by, self.lives_in)


def _ranges(values: np.ndarray, cuts: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(values), NO_GROUP, np.searchsorted(cuts, values)).astype(np.int64)
