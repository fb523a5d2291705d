"""Neuron sets, and the effect of a group on each neuron, for many labellings or weightings of the same units."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property, partial

import numpy as np
from scipy.sparse import csc_array, csr_array

from property_neurons.counting.balance import frames_left, thinned, thinning
from property_neurons.counting.unit_count_store import UnitCounts, unit_blocks
from property_neurons.neurons.definition import SetDefinition
from property_neurons.neurons.statistics.standard_errors import (
    PooledVariance,
    error_of_effects,
    errors_of_phones,
    pooled_variance,
    scores_of,
)

# Groups x neurons x labellings that are dealt at a time: 1.5 GB with their scores and those before. Bytes of each that
# is found in parts of the speakers.
_MOST_LABELLED = 1 << 24
LABELLED_BYTES = 40
# Sparse products are slower than dense ones from here on.
_DENSE_FROM = 0.1
# Whole numbers up to here are exact in single precision.
_EXACT = 1 << 24


def labellings_at_once(units: UnitCounts, most: int) -> int:
    """How many labellings of the widest layer fit into memory at once: `most`, or fewer if there are many groups."""
    width = max(site.width for site in units.sites)
    return min(most, max(1, _MOST_LABELLED // (len(units.groups) * width)))


@dataclass(frozen=True)
class LabelledSets:
    """The sets of one site under each of M labellings.

    members: bool [groups, neurons, M], N_i of equation 3.
    effect: float64 [groups, neurons, M], p(active | phone, group) - p(active | phone, other groups), mean over the
        phones that both have; where groups are made of phones, the mean of p over a group's phones less the mean over
        the others'. NaN where there is none.
    active: float64 [groups, neurons, M], mean over phones of p(active | phone, group).
    others: float64 [groups, neurons, M], what the effect is the difference to: the mean of the other groups.
    score: float64 [groups, neurons, M], what a null compares: the effect over its standard error, but for a factor
        that all labellings of a neuron share (`standard_errors`); where groups are made of several phones, the effect.
    """

    members: np.ndarray
    effect: np.ndarray
    active: np.ndarray
    others: np.ndarray
    score: np.ndarray

    @property
    def group_neurons(self) -> np.ndarray:
        """G_i of equation 4: bool [groups, neurons, M]."""
        return self.members & (self.members.sum(axis=0) == 1)


def joined(parts: Sequence[LabelledSets]) -> LabelledSets:
    """The sets of several labellings, one after the other."""
    names = [field.name for field in fields(LabelledSets)]
    return LabelledSets(*(np.concatenate([getattr(part, name) for part in parts], axis=2) for name in names))


class SiteUnits:
    """The rows of a site's unit counts by phone, ready to be summed with weights."""

    def __init__(self, units: UnitCounts, site: int, definition: SetDefinition, balance: int | None = None):
        """Read the counts of a site.

        Args:
            balance: thin each phone's frames to as many in every group, under each labelling anew, with this seed.
        """
        self._thinning = partial(thinning, units, site, balance)
        self._of_deals = self._thinning()
        self.units, self.definition, self.site = units, definition, site
        self.width, self.tau, self.lambda_ = units.sites[site].width, units.tau[site], units.lambda_
        self.index = np.unique(units.unit, return_inverse=True)[1]
        self.counts = units.site_counts(site)
        self.rows = [np.flatnonzero(units.phone == phone) for phone in range(len(units.phones))]
        whole = self.counts.dtype.kind != "f"
        dtypes = [_exact_type(units, rows) if whole else np.float64 for rows in self.rows]
        self._by_phone = [_transposed(self.counts[rows], dtype) for rows, dtype in zip(self.rows, dtypes, strict=True)]
        self._n = [units.n[rows].astype(dtype) for rows, dtype in zip(self.rows, dtypes, strict=True)]
        self._squares = [units.n[rows].astype(np.float64) ** 2 for rows in self.rows]

    def relabelled(self, labels: np.ndarray, *, with_active: bool = True) -> LabelledSets:
        """The sets under other labels, int [M, what `labels.dealt_units` deals].

        Args:
            with_active: False leaves `active` and `others` NaN, which saves time where the effect does not need them.
        """
        if self.units.of_phone:
            found = self._sets(self._phones_relabelled(labels), len(labels))
            return replace(found, score=scores_of(found.effect, self._errors_of_phones(labels)))
        of_unit = np.ascontiguousarray(labels.T)
        sums = self._chosen(of_unit) if self.units.dealings > 1 else self._relabelled(of_unit)
        frames = np.zeros((2, *self.units.cells.shape, len(labels)))
        sums = _noting(self._balanced(sums, self._of_deals, self._left), frames)
        found = self._sets(sums, len(labels), with_active=with_active)
        return replace(found, score=scores_of(found.effect, error_of_effects(*frames, self._variance)))

    def weighted(self, weights: np.ndarray) -> LabelledSets:
        """The sets when each speaker's frames count so many times: int [speakers, M]."""
        return self._sets(self._of_speakers(weights), weights.shape[1])

    def patterns(self, weights: np.ndarray) -> np.ndarray:
        """The activation patterns when each speaker's frames count so many times: bool [cells, neurons, M].

        Rows as in `units.phone_cell_groups`.
        """
        found = np.zeros((*self.units.cells.shape, self.counts.shape[1], weights.shape[1]), dtype=bool)
        for phone, cells in self._of_speakers(weights):
            for group, cell in enumerate(cells):
                if cell is not None:
                    counts, n, _ = cell
                    least = self.definition.least_counts(
                        n.astype(np.int64), lambda_=self.lambda_, tau=self.tau, width=self.width
                    )
                    found[group, phone] = counts >= least.astype(np.float64)
        return found[self.units.cells]

    def _of_speakers(self, weights: np.ndarray) -> "_CellSums":
        return self._balanced(self._weighted(weights), self._thinning())

    @cached_property
    def _left(self) -> np.ndarray:
        """How many frames of each phone balance leaves of a group as it is, and so of a dealt one at most: [phones]."""
        n = np.zeros(self.units.cells.shape, np.int64)
        np.add.at(n, (self.units.group, self.units.phone), self.units.n)
        return frames_left(n).max(axis=0)

    def _balanced(
        self, sums: "_CellSums", rng: np.random.Generator | None, most: np.ndarray | None = None
    ) -> "_CellSums":
        if rng is None:
            yield from sums
            return
        for phone, cells in sums:
            here = [group for group, cell in enumerate(cells) if cell is not None]
            counts, n = (np.stack([cells[group][part] for group in here]).astype(np.int64) for part in (0, 1))
            counts, left = thinned(counts, n, rng, most=None if most is None else most[phone])
            # Units lose frames in proportion.
            squares = [
                cells[group][2] * (left[place] / np.maximum(n[place], 1)) ** 2 for place, group in enumerate(here)
            ]
            of_group = dict(zip(here, zip(counts, left, squares, strict=True), strict=True))
            yield phone, [of_group.get(group) for group in range(len(cells))]

    def _relabelled(self, of_unit: np.ndarray) -> "_CellSums":
        groups = range(len(self.units.groups))
        for phone, rows in enumerate(self.rows):
            labels = of_unit[self.index[rows]]
            yield phone, [self._sum(phone, labels == group) for group in groups]

    def _chosen(self, dealing: np.ndarray) -> "_CellSums":
        """Of each block of units one of its dealings: int [blocks, M]."""
        n_phones = len(self.units.phones)
        for phone in range(n_phones):
            cells: list[_CellSum | None] = [None] * len(self.units.groups)
            for number, dealt in enumerate(self._dealings):
                units, own = dealt.units, dealt.rows[phone]
                chosen = dealing[unit_blocks(units.level, units.speaker[own], units.phone[own], n_phones)] == number
                for group in np.flatnonzero(self.units.cells[:, phone]):
                    found = dealt._sum(phone, chosen & (units.group[own] == group)[:, np.newaxis])
                    before = cells[group]
                    cells[group] = found if before is None else tuple(map(np.add, before, found))
            yield phone, cells

    @cached_property
    def _dealings(self) -> list["SiteUnits"]:
        others = range(1, self.units.dealings)
        return [self, *(SiteUnits(self.units.dealt(one), self.site, self.definition) for one in others)]

    def _weighted(self, weights: np.ndarray) -> "_CellSums":
        for phone, rows in enumerate(self.rows):
            of_row = weights[self.units.speaker[rows]]
            group = self.units.group[rows]
            yield (
                phone,
                [
                    self._sum(phone, of_row * (group == one)[:, np.newaxis]) if self.units.cells[one, phone] else None
                    for one in range(len(self.units.groups))
                ],
            )

    def _phones_relabelled(self, labels: np.ndarray) -> "_CellSums":
        counts, frames = self._pairs
        n_phones, m = len(self.units.phones), labels.shape[0]
        sums, n = np.empty((n_phones, counts.shape[1], m)), np.empty((n_phones, m))
        for labelling, dealt in enumerate(self._dealt_pairs(labels)):
            sums[:, :, labelling], n[:, labelling] = dealt @ counts, dealt @ frames
        for phone in range(n_phones):
            own = int(np.argmax(self.units.cells[:, phone]))
            cell = (sums[phone], n[phone], np.zeros(m))
            yield phone, [cell if group == own else None for group in range(len(self.units.groups))]

    def _errors_of_phones(self, labels: np.ndarray) -> np.ndarray:
        """Of effects of single phones: float64 [groups, neurons, M]."""
        of_phone = errors_of_phones(*self._pairs, list(self._dealt_pairs(labels)))
        return of_phone[np.argmax(self.units.cells, axis=1)]

    @cached_property
    def _pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Counts float64 [pairs of a speaker and a phone, neurons] and frames float64 [pairs]."""
        speaker_phone = self.units.speaker.astype(np.int64) * len(self.units.phones) + self.units.phone
        of_row = np.unique(speaker_phone, return_inverse=True)[1]
        gathered = csr_array((np.ones(len(of_row)), (of_row, np.arange(len(of_row)))))
        return (gathered @ self.counts).toarray().astype(np.float64), gathered @ self.units.n.astype(np.float64)

    def _dealt_pairs(self, labels: np.ndarray) -> Iterator[csr_array]:
        """Which pairs each phone has under each labelling: [phones, pairs]."""
        for of_pair in labels:
            ones = (np.ones(len(of_pair)), (of_pair, np.arange(len(of_pair))))
            yield csr_array(ones, (len(self.units.phones), len(of_pair)))

    @cached_property
    def _variance(self) -> PooledVariance:
        """Of the units that are dealt; of units that are summed up as of frames that know nothing of each other."""
        units, shape = self.units, (len(self.rows), self.counts.shape[1])
        within, between = np.zeros(shape), np.zeros(shape)
        for phone, rows in enumerate(self.rows):
            if not len(rows):
                continue
            counts, n = self.counts[rows], units.n[rows]
            if units.dealings > 1:
                share = np.asarray(counts.sum(axis=0)).ravel() / n.sum(dtype=np.int64)
                within[phone] = share * (1 - share)
            else:
                block = unit_blocks(units.level, units.speaker[rows], units.phone[rows], len(units.phones))
                within[phone], between[phone] = pooled_variance(counts, n, block)
        return PooledVariance(within, between)

    def _sum(self, phone: int, weights: np.ndarray) -> "_CellSum":
        """Weighted sums over a phone's rows, weights [rows, M]: counts [neurons, M], frames [M], squared frames [M]."""
        weights = np.ascontiguousarray(weights, dtype=self._n[phone].dtype)
        return self._by_phone[phone] @ weights, self._n[phone] @ weights, self._squares[phone] @ weights

    def _sets(self, sums: "_CellSums", m: int, *, with_active: bool = True) -> LabelledSets:
        n_groups, n_neurons = len(self.units.groups), self.counts.shape[1]
        shape = (n_groups, n_neurons, m)
        holding = np.zeros(shape, np.uint8)
        sizes = np.zeros((n_groups, m), np.int64)
        active, effect, others = np.zeros(shape), np.zeros(shape), np.zeros(shape if with_active else 0)
        of_group, compared = np.zeros((n_groups, m)), np.zeros((n_groups, m))
        # Filled again and again: most of the time goes into these sums, and new arrays of this size cost as much.
        one, other, holds = np.empty(shape[1:]), np.empty(shape[1:]), np.empty(shape[1:], dtype=bool)
        for _, cells in sums:
            here = [group for group, cell in enumerate(cells) if cell is not None]
            n = np.stack([cells[group][1] for group in here]).astype(np.int64)
            least = self.definition.least_counts(n, lambda_=self.lambda_, tau=self.tau, width=self.width)
            kept = self.definition.kept(n)
            of_cell = [cells[group][0].astype(np.float64, copy=False) for group in here]
            all_counts, all_n = sum(of_cell[1:], of_cell[0]), n.sum(axis=0)
            for place, (group, counts) in enumerate(zip(here, of_cell, strict=True)):
                # Most neurons exceed no threshold of a cell without frames, which is the largest number there is.
                np.greater_equal(counts, least[place].astype(np.float64), out=holds)
                holding[group] += holds.view(np.uint8)
                sizes[group] += kept[place]
                own, rest = _inverse(n[place]), _inverse(all_n - n[place])
                if with_active:
                    active[group] += np.multiply(counts, own, out=one)
                of_group[group] += own > 0
                if len(here) > 1:
                    both = (own > 0) & (rest > 0)
                    own, rest = np.where(both, own, 0), np.where(both, rest, 0)
                    np.multiply(counts, own + rest, out=one)
                    np.multiply(all_counts, rest, out=other)
                    effect[group] += np.subtract(one, other, out=one)
                    if with_active:
                        others[group] += np.multiply(np.subtract(all_counts, counts, out=other), rest, out=other)
                    compared[group] += both
        members = (holding >= self.definition.needed(sizes)[:, np.newaxis]) & (sizes > 0)[:, np.newaxis]
        with np.errstate(invalid="ignore", divide="ignore"):
            if self.units.of_phone:
                effect, others = effect_of_phones(active, of_group)
            else:
                effect /= compared[:, np.newaxis]
                others = others / compared[:, np.newaxis] if with_active else np.full(shape, np.nan)
            active = active / of_group[:, np.newaxis] if with_active else np.full(shape, np.nan)
        return LabelledSets(members, effect, active, others, effect)


# Counts [neurons, M], frames [M] and squared frames of rows [M] of a cell.
_CellSum = tuple[np.ndarray, np.ndarray, np.ndarray]
# For each phone, its cell in each group; None where it has no cell.
_CellSums = Iterator[tuple[int, Sequence[_CellSum | None]]]


def _noting(sums: _CellSums, frames: np.ndarray) -> _CellSums:
    """The same sums, noting frames and squared frames on the way: float64 [2, groups, phones, M]."""
    for phone, cells in sums:
        for group, cell in enumerate(cells):
            if cell is not None:
                frames[:, group, phone] = cell[1:]
        yield phone, cells


def effect_of_phones(active: np.ndarray, of_group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean over a group's phones less that over the other groups', and the latter: float64 [groups, neurons, M].

    Args:
        active: sums over the phones of a group of p(active | phone), float64 [groups, neurons, M].
        of_group: how many phones, float64 [groups, M].
    """
    others = (active.sum(axis=0) - active) / (of_group.sum(axis=0) - of_group)[:, np.newaxis]
    return active / of_group[:, np.newaxis] - others, others


def _exact_type(units: UnitCounts, rows: np.ndarray) -> type:
    """Single precision where all sums over these rows are exact, with weights that add up to the speakers at most."""
    largest = np.bincount(units.speaker[rows], units.n[rows]).max(initial=0)
    return np.float32 if largest * len(units.speakers) < _EXACT else np.float64


def _transposed(counts: csr_array, dtype: type) -> np.ndarray | csc_array:
    turned = counts.astype(dtype).T
    return np.ascontiguousarray(turned.toarray()) if counts.nnz > _DENSE_FROM * np.prod(counts.shape) else turned


def _inverse(n: np.ndarray) -> np.ndarray:
    return np.divide(1.0, n, out=np.zeros(n.shape), where=n > 0)
