"""The cells of a property over one corpus, and which sampled frame is in which."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Literal, Protocol

import numpy as np

from property_neurons.corpus.frame_store import FrameShard
from property_neurons.corpus.phones import ANY, NEVER_IN_A_SET, PAPER_PHONES, PHONES, Inventory
from property_neurons.counting.sampling import Sample

NO_GROUP = -1
By = Literal["phone", "none"]
Unit = Literal["utterance", "stretch", "run"]


@dataclass(frozen=True)
class Layout:
    """The cells of a property over one corpus.

    groups: names, in order.
    cells: (group, label), groups first; the group is "" for labels that the property gives none.
    cell_of: int64 [groups, labels], index into `cells`, NO_GROUP where a label is not counted. A property of the phone
        itself has one row, as the label alone decides.
    group_of: gives the sampled frames of a shard their row of `cell_of`, NO_GROUP for none: int [sampled].
    lives_in: what has one group: a whole utterance (a speaker, where all utterances of each speaker have the same), a
        stretch of frames of one utterance, or not even a run of one phone.
    pitch_cuts_hz: the two cuts, where F0 was cut.
    strata: names of the parts that each group was divided into, where it was: `groups` are then those parts, the parts
        of one group side by side.
    phones: of the corpus, in the order of rows.
    """

    groups: tuple[str, ...]
    cells: tuple[tuple[str, str], ...]
    cell_of: np.ndarray
    group_of: Callable[[FrameShard, Sample], np.ndarray]
    lives_in: Unit = "run"
    pitch_cuts_hz: tuple[float, float] | None = None
    strata: tuple[str, ...] = ()
    phones: tuple[str, ...] = PHONES

    def cells_of(self, frames: FrameShard, sample: Sample) -> np.ndarray:
        """The cell of each sampled frame, NO_GROUP for frames that are not counted: int64 [sampled]."""
        group = self.group_of(frames, sample)
        return np.where(group == NO_GROUP, NO_GROUP, self.cell_of[group, frames.label[sample.position]])


class LaidOut(Protocol):
    """A rule that gives frames their cells: a property, or a property crossed with another."""

    @property
    def name(self) -> str: ...

    def lay_out(self, shards: Iterable[FrameShard]) -> Layout: ...


def with_phones(shards: Iterable[FrameShard]) -> tuple[Inventory, Iterable[FrameShard]]:
    """The phones of a corpus, and its shards; reading the phones does not use up a one-pass iterator of shards."""
    first = next(iter(shards), None)
    if first is None:
        return PAPER_PHONES, shards
    return first.inventory, chain([first], shards) if isinstance(shards, Iterator) else shards


def crossed(
    groups: Sequence[str],
    inventory: Inventory,
    group_of: Callable[[FrameShard, Sample], np.ndarray],
    by: By = "phone",
    lives_in: Unit = "run",
    *,
    phones: Sequence[str] | None = None,
) -> Layout:
    """A layout with a cell for each group and phone, or, `by` "none", for each group.

    By phone, silence and spoken noise have cells of their own, which enter no set. By none silence is left out.

    Args:
        phones: those that make up the groups; None for all of the inventory.
    """
    if by == "none":
        return _by_group(groups, inventory, group_of, lives_in)
    labels = (*(inventory.phones if phones is None else phones), *NEVER_IN_A_SET)
    cell_of = np.full((len(groups), len(inventory.labels)), NO_GROUP, dtype=np.int64)
    columns = [inventory.labels.index(label) for label in labels]
    cell_of[:, columns] = np.arange(len(groups) * len(labels)).reshape(len(groups), len(labels))
    return Layout(
        groups=tuple(groups),
        cells=tuple((group, label) for group in groups for label in labels),
        cell_of=cell_of,
        group_of=group_of,
        lives_in=lives_in,
        phones=inventory.phones,
    )


def _by_group(
    groups: Sequence[str],
    inventory: Inventory,
    group_of: Callable[[FrameShard, Sample], np.ndarray],
    lives_in: Unit,
) -> Layout:
    speech = np.arange(len(inventory.labels)) != inventory.silence
    of_group = np.arange(len(groups), dtype=np.int64)[:, np.newaxis]
    return Layout(
        groups=tuple(groups),
        cells=tuple((group, ANY) for group in groups),
        cell_of=np.where(speech, of_group, NO_GROUP),
        group_of=group_of,
        # Frames of one group that follow each other are alike, whatever their phones.
        lives_in="stretch" if lives_in == "run" else lives_in,
        phones=inventory.phones,
    )


def with_cuts(layout: Layout, cuts_hz: tuple[float, float] | None) -> Layout:
    """The same layout, with the cuts of F0 that made its groups."""
    return replace(layout, pitch_cuts_hz=cuts_hz)


def of_utterances(of_utterance: np.ndarray, frames: FrameShard, sample: Sample) -> np.ndarray:
    """Spread a value of each utterance of the shard over its sampled frames: [sampled]."""
    return of_utterance[np.searchsorted(frames.offset, sample.position, side="right") - 1]
