"""Counts by unit: the same sums as the counts of cells, one step finer, for the statistics of neuron sets.

A unit is what a label varies over: a speaker where the property is one of the speaker (gender), an utterance where it
differs within speakers, a stretch of frames of one group where neighbouring phones share it (a word's frequency), else
a run of frames of one phone in one group. Made from stored ranks; no model runs.

Counts of runs take about as much room as the ranks. Where one layer would have too many (`unit_pools`), utterances
and runs are therefore summed up for each speaker, to a row for each of the speaker's phones in each group. These rows
are not exchangeable, since they differ in frames: where men speak low and women high, dealing whole rows would give
each group as much of men as of women, and call every neuron of gender one of pitch. So the labels of utterances and
runs are dealt while they are counted, several times, and each dealing is summed up by itself.

Where these are still more, speakers are pooled: so many of them, of one label where the property is one of the speaker,
count as one. Memory, disk and the time for statistics then stop growing with the corpus.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import zarr

from property_neurons.corpus.frame_store import FrameShard
from property_neurons.corpus.frame_values import FrameFiles, open_frame_files
from property_neurons.corpus.phones import NEVER_IN_A_SET
from property_neurons.counting.exchangeable import Exchangeable
from property_neurons.counting.join import open_shards, rank_rows
from property_neurons.counting.layout import NO_GROUP, LaidOut, Layout
from property_neurons.counting.sampling import Sample, Sampling, sample_frames
from property_neurons.counting.unit_count_store import ROW_COLUMNS, Level, UnitCounts, open_unit_counts, unit_blocks
from property_neurons.counting.unit_pools import fewest_pooled, number_of_dealings, room_for, summed_up
from property_neurons.progress import progress
from property_neurons.ranks.store import RankStore
from property_neurons.stores.zarr import add_array, add_empty_array, new_store

_SUMMED_UP: dict[Level, Level] = {
    "utterance": "speaker and group",
    "stretch": "speaker and group",
    "run": "speaker, phone and group",
}

# Counts of speakers are held, site by site, until all shards are read; further sites cost another pass over the ranks.
_HELD_BYTES = 1 << 30
_CHUNK = 1 << 20
# Frames whose ids are looked at together, and rows of counts that are written together.
_FRAMES_AT_ONCE = 1 << 17
_ROWS_AT_ONCE = 1 << 12
_ONE = np.int32(1)


def count_units(
    shards: Sequence[tuple[str | Path, str | Path | FrameFiles]],
    property_: LaidOut,
    sampling: Sampling,
    *,
    lambda_: float,
    corpus: str,
    output: str | Path,
    keep: Collection[tuple[str, str]] | None = None,
) -> UnitCounts:
    """Count, for one property, by unit and phone, and write the store; arguments as of `count.count_activations`.

    Only cells that sets are made of are counted: a phone in a group. Memory: the ids of one site of one shard, and
    where units are summed up by speaker the counts of as many sites as fit into 1 GiB.

    Raises:
        CountingError, ConfigError, StoreError: as `count.count_activations`.
        CountingError: the speakers of so many groups do not fit into memory, even pooled.
    """
    ranks, tau = open_shards(shards, property_.name, sampling, lambda_, keep)
    sites = ranks[0].sites
    frame_stores = [frame_store for _, frame_store in shards]
    frames = _Frames(frame_stores, keep)
    layout = property_.lay_out(frames)
    # Parts of a speaker's group are the speaker's too.
    whole = property_.property.lay_out(frames) if layout.strata else layout
    unit, much, group_of = _level_and_speakers(layout, whole, frames, max(tau))
    level = _SUMMED_UP.get(unit, unit) if much else unit
    cells = _Cells(layout)
    groups = 1 if level == "speaker" or len(cells.pairs) == len(cells.phones) else len(layout.groups)
    sizes = [(site.width, k) for site, k in zip(sites, tau, strict=True)]
    number_of = {name: number for number, name in enumerate(group_of)}
    pools, dealings = [[name] for name in group_of], 1
    each_unit = level == unit != "speaker"
    if not each_unit:
        room = room_for(property_.name, len(cells.phones) * groups * max(width for width, _ in sizes), group_of)
        # Strata have no null; phones and speakers are dealt as they are.
        if level != unit and groups > 1 and not layout.strata:
            dealings = number_of_dealings(room, len(group_of))
        pools = fewest_pooled(group_of, room // dealings)
    pool_of = {name: number for number, names in enumerate(pools) for name in names}
    pairs = list(zip(ranks, frame_stores, strict=True))

    def units_of(
        number_of: Mapping[str, int], ranks_of_shard: RankStore, frame_store: str | Path | FrameFiles
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        frames_of_shard = open_frame_files(frame_store, keep)
        return _shard_units(ranks_of_shard, frames_of_shard, layout, cells, unit, sampling, number_of)

    with new_store(output) as store:
        if each_unit:
            _write_parts(store, pairs, partial(units_of, pool_of), sizes)
        else:
            # Labels change places within a speaker, not within a pool.
            dealt = _dealt_groups(pairs, partial(units_of, number_of), unit, len(cells.phones), dealings)
            extent = (len(pools), len(cells.phones), groups)
            _write_speakers(store, pairs, partial(units_of, pool_of), sizes, extent, level, dealt)
        store.attrs.update(
            {
                "model": ranks[0].model,
                "corpus": corpus,
                "property": property_.name,
                "level": level,
                "sites": [asdict(site) for site in sites],
                "lambda": lambda_,
                "tau": tau,
                "groups": list(layout.groups),
                "strata": list(layout.strata),
                "phones": list(cells.phones),
                "pools": pools,
                "dealings": dealings,
                "cells": cells.pairs,
            }
        )
    return open_unit_counts(output)


def _level_and_speakers(
    layout: Layout, whole: Layout, shards: Iterable[FrameShard], tau: int
) -> tuple[Level, bool, dict[str, int]]:
    """The unit over which groups vary, whether units are summed up, and sorted speakers, each with its group if any.

    The unit is the speaker where all utterances of each speaker have one and the same group.
    """
    level: Level = "speaker" if layout.lives_in == "utterance" else layout.lives_in
    group_of: dict[str, int] = {}
    frames, varies = 0, False
    for shard in shards:
        frames += int(np.diff(shard.offset)[shard.kept].sum())
        group_of |= {shard.columns["speaker"][index]: NO_GROUP for index in np.flatnonzero(shard.kept)} | group_of
        if whole.lives_in != "utterance":
            continue
        counted = np.flatnonzero(shard.kept & (np.diff(shard.offset) > 0))
        first = shard.offset[counted]
        groups = whole.group_of(shard, Sample(first, np.arange(len(first)), first, first + 1))
        for index, group in zip(counted, groups.tolist(), strict=True):
            speaker = shard.columns["speaker"][index]
            varies |= NO_GROUP not in (group, group_of[speaker]) and group != group_of[speaker]
            group_of[speaker] = group if group != NO_GROUP else group_of[speaker]
    if varies and level == "speaker":
        level = "utterance"
    speakers = {name: NO_GROUP if varies else group_of[name] for name in sorted(group_of)}
    return level, summed_up(frames, tau), speakers


# What a shard's counted frames add to: their rows in the rank store with the row of the counts, and the rows' columns.
_Units = Callable[[RankStore, str | Path | FrameFiles], tuple[np.ndarray, dict[str, np.ndarray]]]
_Shards = Sequence[tuple[RankStore, str | Path | FrameFiles]]
# Width and tau of each site.
_Sizes = Sequence[tuple[int, int]]


@dataclass(frozen=True)
class _Frames:
    """The frames of all shards, read one by one as often as they are gone through."""

    stores: Sequence[str | Path | FrameFiles]
    keep: Collection[tuple[str, str]] | None

    def __iter__(self) -> Iterator[FrameShard]:
        return (open_frame_files(store, self.keep) for store in self.stores)


class _Cells:
    """Group and phone of each cell of a layout as numbers, NO_GROUP for cells that no set is made of."""

    def __init__(self, layout: Layout):
        used = [(group, phone) for group, phone in layout.cells if group != "" and phone not in NEVER_IN_A_SET]
        # The phones of the corpus in their order, whatever else after them.
        named = {phone: None for _, phone in used}
        self.phones = tuple(phone for phone in dict.fromkeys((*layout.phones, *named)) if phone in named)
        self.group = self._numbers(layout, used, 0, layout.groups)
        self.phone = self._numbers(layout, used, 1, self.phones)
        pairs = zip(self.group.tolist(), self.phone.tolist(), strict=True)
        self.pairs = sorted({pair for pair in pairs if pair[0] != NO_GROUP})

    @staticmethod
    def _numbers(layout: Layout, used: list[tuple[str, str]], part: int, names: Sequence[str]) -> np.ndarray:
        number = {name: index for index, name in enumerate(names)}
        chosen = set(used)
        return np.array([number[cell[part]] if cell in chosen else NO_GROUP for cell in layout.cells], dtype=np.int64)


def _shard_units(
    ranks: RankStore,
    frames: FrameShard,
    layout: Layout,
    cells: _Cells,
    level: Level,
    sampling: Sampling,
    number_of: Mapping[str, int],
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """[2, counted frames]: the row of the rank store, and the row of the counts; and the columns of these."""
    sample = sample_frames(frames, sampling)
    row = rank_rows(ranks, frames, sample.position)
    cell = layout.cells_of(frames, sample)
    counted = (row >= 0) & (cell != NO_GROUP)
    counted[counted] = cells.group[cell[counted]] != NO_GROUP
    row, cell, run = row[counted], cell[counted], sample.run[counted]
    utterance = np.searchsorted(frames.offset, sample.position[counted], side="right") - 1
    # Utterances that are left out may be of speakers that have no number.
    speaker = np.array([number_of.get(name, -1) for name in frames.columns["speaker"]], dtype=np.int64)[utterance]
    if level == "stretch":
        # A pause within a stretch is not counted, and does not end it.
        of_all = np.searchsorted(frames.offset, sample.position, side="right") - 1
        group = layout.group_of(frames, sample)
        ends = (of_all[1:] != of_all[:-1]) | (group[1:] != group[:-1])
        unit = np.cumsum(np.append(True, ends)[: len(group)])[counted] - 1
    elif level == "run":
        # Where the group changes within a run, as pitch does, each piece is a unit.
        unit = np.cumsum(np.append(True, (run[1:] != run[:-1]) | (cell[1:] != cell[:-1]))[: len(run)]) - 1
    else:
        unit = utterance if level == "utterance" else speaker
    phone, group = cells.phone[cell], cells.group[cell]
    keys = (unit * len(cells.phones) + phone) * len(layout.groups) + group
    keys, first, of_frame = np.unique(keys, return_index=True, return_inverse=True)
    columns = {
        "speaker": speaker[first],
        "unit": unit[first],
        "phone": phone[first],
        "group": group[first],
        "n": np.bincount(of_frame, minlength=len(keys)),
    }
    return np.stack([row, of_frame]), columns


def _blocks(unit: np.ndarray) -> Iterator[slice]:
    """The counted frames of a shard, some at a time, those of one unit together: slices of int [frames], ascending."""
    first_of_unit = np.flatnonzero(np.append(True, np.diff(unit) != 0)[: len(unit)])
    first = 0
    while first < len(unit):
        later = np.searchsorted(first_of_unit, first + _FRAMES_AT_ONCE)
        end = int(first_of_unit[later]) if later < len(first_of_unit) else len(unit)
        yield slice(first, end)
        first = end


def _numbered(
    shards: _Shards, units_of: _Units, what: str
) -> Iterator[tuple[RankStore, np.ndarray, dict[str, np.ndarray]]]:
    """The ranks, rows and columns of each shard, its units numbered on from those of the shards before."""
    units = 0
    for ranks, frame_store in progress(shards, what=what, unit="shard"):
        rows, columns = units_of(ranks, frame_store)
        columns["unit"] += units
        units = int(columns["unit"].max(initial=units - 1)) + 1
        yield ranks, rows, columns


def _write_parts(store: zarr.Group, shards: _Shards, units_of: _Units, sizes: _Sizes) -> None:
    """Shard after shard: no utterance is in two of them."""
    arrays = [_CountArrays(store, site) for site in range(len(sizes))]
    parts: list[dict[str, np.ndarray]] = []
    for ranks, rows, columns in _numbered(shards, units_of, "counting by unit"):
        parts.append(columns)
        blocks = list(_blocks(columns["unit"][rows[1]]))
        for site, (width, tau) in enumerate(sizes):
            ids = ranks.ids(site, tau)
            for block in blocks:
                row, of_frame = rows[:, block]
                first = int(of_frame.min())
                keys = (of_frame - first)[:, np.newaxis] * width + ids[row]
                keys, counts = np.unique(keys, return_counts=True)
                arrays[site].append(keys // width, keys % width, counts, int(of_frame.max()) - first + 1)
    _write_rows(store, {name: np.concatenate([part[name] for part in parts]) for name in ROW_COLUMNS})


def _dealt_groups(
    shards: _Shards, units_of: _Units, unit: Level, n_phones: int, dealings: int
) -> list[list[np.ndarray | None]]:
    """The groups of each shard's rows under each dealing: int16 [rows], None for the groups as they are.

    Memory: about 100 bytes a unit; 960 hours have some 40 million runs.
    """
    if dealings == 1:
        return [[None] for _ in shards]
    parts: dict[str, list[np.ndarray]] = {"unit": [], "speaker": [], "phone": [], "group": []}
    for _, _, columns in _numbered(shards, units_of, "dealing labels"):
        for name, of_shards in parts.items():
            of_shards.append(columns[name].astype(np.int32))
    ends = np.cumsum([len(of_shard) for of_shard in parts["unit"]])[:-1]
    unit_of_row, speaker, phone, group = (np.concatenate(parts.pop(name)) for name in list(parts))
    _, first, of_row = np.unique(unit_of_row, return_index=True, return_inverse=True)
    dealt = Exchangeable(group[first], unit_blocks(unit, speaker[first], phone[first], n_phones))
    (others,) = dealt.deals(dealings - 1, seed=0)
    of_shards = [np.split(labels[of_row], ends) for labels in others]
    return [[None, *of_shard] for of_shard in zip(*of_shards, strict=True)]


def _write_speakers(
    store: zarr.Group,
    shards: _Shards,
    units_of: _Units,
    sizes: _Sizes,
    extent: tuple[int, int, int],
    level: Level,
    dealt: Sequence[Sequence[np.ndarray | None]],
) -> None:
    """Speakers are in many shards: every speaker, phone and group has its place until all have been read."""
    n_speakers, n_phones, n_groups = extent
    dealings = len(dealt[0]) if dealt else 1
    size = n_speakers * n_phones * n_groups
    per_pass = max(1, _HELD_BYTES // (dealings * size * max(width for width, _ in sizes) * 4))
    stores = [store, *(store.require_group(f"dealt/{number}") for number in range(1, dealings))]
    for first in range(0, len(sizes), per_pass):
        chosen = range(first, min(first + per_pass, len(sizes)))
        held = {site: np.zeros((dealings, size * sizes[site][0]), np.int32) for site in chosen}
        n, group = np.zeros((dealings, size), np.int64), np.zeros((dealings, size), np.int64)
        for (ranks, frame_store), labels in zip(
            progress(shards, what="counting by unit", unit="shard"), dealt, strict=True
        ):
            rows, columns = units_of(ranks, frame_store)
            of_speaker = (columns["speaker"] * n_phones + columns["phone"]) * n_groups
            places = []
            for number, own in enumerate(labels):
                of_row = columns["group"] if own is None else own
                # One group of a speaker, or of a phone, needs no places for the others.
                place = of_speaker + (of_row if n_groups > 1 else 0)
                np.add.at(n[number], place, columns["n"])
                group[number, place] = of_row
                places.append(place)
            for site in chosen:
                width, tau = sizes[site]
                ids = ranks.ids(site, tau)
                for start in range(0, rows.shape[1], _FRAMES_AT_ONCE):
                    row, of_frame = rows[:, start : start + _FRAMES_AT_ONCE]
                    for number, place in enumerate(places):
                        keys = place[of_frame][:, np.newaxis] * width + ids[row]
                        # Flat keys and a number of the same type: fifteen times as fast.
                        np.add.at(held[site][number], keys.ravel(), _ONE)
        for number, of_dealing in enumerate(stores):
            counted = np.flatnonzero(n[number])
            for site in chosen:
                arrays, by_place = _CountArrays(of_dealing, site), held[site][number].reshape(size, -1)
                for start in range(0, len(counted), _ROWS_AT_ONCE):
                    values = by_place[counted[start : start + _ROWS_AT_ONCE]]
                    row, neuron = np.nonzero(values)
                    arrays.append(row, neuron, values[row, neuron], len(values))
    for number, of_dealing in enumerate(stores):
        counted = np.flatnonzero(n[number])
        speaker, phone, own = counted // n_groups // n_phones, counted // n_groups % n_phones, group[number, counted]
        unit = {"speaker": speaker, "speaker and group": speaker * n_groups + own}.get(level, counted)
        columns = {"speaker": speaker, "unit": unit, "phone": phone, "group": own, "n": n[number, counted]}
        _write_rows(of_dealing, columns)


def _write_rows(store: zarr.Group, columns: dict[str, np.ndarray]) -> None:
    for name in ROW_COLUMNS:
        add_array(store, f"rows/{name}", columns[name].astype(np.int32))


class _CountArrays:
    """The sparse counts of one site, written as they come: how many neurons each row holds, which, how often."""

    def __init__(self, store: zarr.Group, site: int):
        self._arrays = [
            add_empty_array(store, f"{name}/{site:02d}", (0,), dtype, (_CHUNK,))
            for name, dtype in (("stored", np.uint32), ("neurons", np.uint16), ("values", np.uint32))
        ]

    def append(self, row: np.ndarray, neuron: np.ndarray, counts: np.ndarray, n_rows: int) -> None:
        """Add rows, their entries ascending."""
        for array, values in zip(self._arrays, (np.bincount(row, minlength=n_rows), neuron, counts), strict=True):
            if len(values):
                array.append(values.astype(array.dtype))
