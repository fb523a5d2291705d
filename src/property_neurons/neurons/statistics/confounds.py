"""The sets found again with a confound held fixed: gender given F0, pitch given speaker, phones given duration.

Counts by unit of a property that is crossed with strata (`counting.strata`) are all that is needed. Sets are found
again
- `given` the strata: p(active | phone, group) becomes the mean over strata of p(active | phone, group, stratum), with
  weights that all groups share, so that no group has more of a stratum than another (direct standardisation); or
- `by` the strata, in place of the groups: pitch in semitones from each speaker's median, in place of pitch.
Fewer frames a cell, and fewer speakers, lose neurons by themselves. So the same is done with strata that mean nothing:
each run takes the stratum of a frame of the same phone and group of another speaker, the same other speaker for all.
Where runs are summed up (large corpora), whole rows of a speaker, phone, group and stratum take one. Few such rows vary
more than many runs do, so that p is then too large where a corpus has much speech of few speakers.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from property_neurons.counting.strata import whole_groups
from property_neurons.counting.unit_count_store import UnitCounts
from property_neurons.errors import CountingError
from property_neurons.neurons.cells import enough_frames
from property_neurons.neurons.definition import SetDefinition
from property_neurons.neurons.groups import neuron_sets
from property_neurons.neurons.membership import group_masks
from property_neurons.neurons.statistics.false_discovery import POWER, with_q
from property_neurons.neurons.statistics.table_terms import ALL_GROUPS, ALL_LAYERS
from property_neurons.progress import progress

DEALS = 100
# Counts of cells in strata that are held at a time.
_HELD = 1 << 25


@dataclass(frozen=True)
class Confounds:
    """layers: layer, site, group, found, given, stay, share, dealt_stay, dealt_share, dealt_low, dealt_high, p, q,
        detectable, deals, level.

    found: |G|, or |P| where the group is empty; given: the same where the confound is the same; stay: in both; share:
        stay / found. dealt_: means over strata that mean nothing, and the range of the share in 95 % of the deals. p:
        share of the deals, the strata as they are among them, in which as few stay. q: over the table. detectable: a
        share so low has p <= 0.05 80 times in 100, if it varies as with strata that mean nothing; 0 where none has.
        level: what the rows are that take a stratum, as of `UnitCounts`.
    cells: group, phone, stratum, frames, rows, speakers, weight, rare. weight: of the stratum in the group's mean; NaN
        where strata take the place of groups. rare: used, with fewer than 1 / lambda frames.
    """

    layers: pd.DataFrame
    cells: pd.DataFrame


class Crossed:
    """Counts by unit of a crossed property, as cells (a phone in a whole group) and strata."""

    def __init__(self, units: UnitCounts, definition: SetDefinition, *, by_strata: bool):
        """Args: by_strata: sets are found by the strata in place of the groups; both must be as many.

        Raises:
            CountingError: the property is not crossed, or there are other strata than groups.
        """
        if not units.strata:
            raise CountingError(f"{units.property_name}: expected groups in strata, found whole ones; count it crossed")
        self.units, self.definition, self.by_strata = units, definition, by_strata
        self.groups = whole_groups(units.groups, units.strata)
        self.n_strata = len(units.strata)
        if by_strata and len(self.groups) != self.n_strata:
            raise CountingError(
                f"{units.property_name}: expected as many strata as groups, found {self.n_strata} and "
                f"{len(self.groups)}; name as many ranges"
            )
        has = units.cells.reshape(len(self.groups), self.n_strata, -1).any(axis=1)
        self.group_of_cell, self.phone_of_cell = np.nonzero(has)
        number = np.cumsum(has.ravel()).reshape(has.shape) - 1
        self.cell = number[units.group // self.n_strata, units.phone]
        self.stratum = (units.group % self.n_strata).astype(np.int64)
        self.of_phone = bool((has.sum(axis=0) == 1).all())

    def frames(self, stratum: np.ndarray) -> np.ndarray:
        """int64 [cells, strata], for strata int [rows]."""
        size = len(self.group_of_cell) * self.n_strata
        return np.bincount(self._place(stratum), self.units.n, size).astype(np.int64).reshape(-1, self.n_strata)

    def group_neurons(self, counts: csr_array, stratum: np.ndarray, site: int) -> np.ndarray:
        """G_i given the strata, or by them: bool [groups, neurons].

        Args:
            counts: of the site, int [rows, neurons].
            stratum: of each row, int [rows].
        """
        place, n = self._place(stratum), self.frames(stratum)
        block = max(1, _HELD // max(1, n.size))
        found = []
        for first in range(0, counts.shape[1], block):
            part = counts if block >= counts.shape[1] else counts[:, first : first + block]
            row = np.repeat(np.arange(len(place)), np.diff(part.indptr))
            keys = place[row] * part.shape[1] + part.indices
            sums = np.bincount(keys, part.data, n.size * part.shape[1]).reshape(*n.shape, -1)
            patterns, kept = (self._by if self.by_strata else self._given)(sums, n, site)
            group = np.repeat(np.arange(self.n_strata), patterns.shape[0] // self.n_strata)
            group = group if self.by_strata else self.group_of_cell
            found.append(
                neuron_sets(patterns, group, len(self.groups), self.definition, kept, self.groups).group_neurons
            )
        return np.concatenate(found, axis=1)

    def weights(self, n: np.ndarray) -> np.ndarray:
        """The weight of each stratum in a cell's mean: float64 [cells, strata], rows of sum 1, or 0 where none is.

        For one phone all groups have the same weights, in proportion to 1 / (sum over groups of 1 / frames): Mantel and
        Haenszel's for two groups, overlap weights for more (Li and Li 2019). A stratum that one group lacks has weight
        0; a stratum with few frames of one group has a small weight. Where the phone itself has the group, the frames
        are those of the whole group, and each phone has these weights in its own strata.
        """
        weights = np.zeros(n.shape)
        if self.of_phone:
            of_groups = np.stack([n[self.group_of_cell == group].sum(axis=0) for group in range(len(self.groups))])
            weights[:] = _shared(of_groups) * (n > 0)
        else:
            for phone in np.unique(self.phone_of_cell):
                cells = np.flatnonzero((self.phone_of_cell == phone) & (n.sum(axis=1) > 0))
                weights[cells] = _shared(n[cells]) if len(cells) else 0
        total = weights.sum(axis=1, keepdims=True)
        return np.divide(weights, total, out=np.zeros(n.shape), where=total > 0)

    def dealt(self, deals: int, seed: int) -> Iterator[np.ndarray]:
        """Strata that mean nothing: int32 [rows], so many times.

        Each speaker gets a random partner, of the same group where the property is one of the speaker. Each row takes
        the stratum of a random frame of the partner in the same cell, or of any speaker where the partner has none.
        """
        speaker = self.units.speaker.astype(np.int64)
        n_speakers = len(self.units.speakers)
        group = self.group_of_cell[self.cell]
        low, high = np.full(n_speakers, len(self.groups)), np.full(n_speakers, -1)
        np.minimum.at(low, speaker, group)
        np.maximum.at(high, speaker, group)
        block = low if (low[speaker] == high[speaker]).all() else np.zeros(n_speakers, np.int64)
        of_speaker = _Rows(self.cell * n_speakers + speaker, self.units.n)
        of_cell = _Rows(self.cell, self.units.n)
        rng = np.random.default_rng([seed, 4])
        for _ in range(deals):
            other = np.arange(n_speakers)
            for one in np.unique(block):
                other[block == one] = rng.permutation(other[block == one])
            taken = of_speaker.any_of(self.cell * n_speakers + other[speaker], rng)
            anyones = of_cell.any_of(self.cell, rng)
            yield self.stratum[np.where(taken < 0, anyones, taken)].astype(np.int32)

    def _place(self, stratum: np.ndarray) -> np.ndarray:
        return self.cell * self.n_strata + stratum

    def _given(self, counts: np.ndarray, n: np.ndarray, site: int) -> tuple[np.ndarray, np.ndarray]:
        weights = self.weights(n)
        active = np.einsum("csn,cs->cn", counts, np.divide(weights, n, out=np.zeros(n.shape), where=n > 0))
        used = np.where(weights > 0, n, 0).sum(axis=1)
        variance = np.divide(weights**2, n, out=np.zeros(n.shape), where=n > 0).sum(axis=1)
        certain = np.divide(1.0, variance, out=np.zeros(len(n)), where=variance > 0)
        patterns = self.definition.exceeded(active, certain, used, **self._of_site(site))
        return patterns, self.definition.kept(used)

    def _by(self, counts: np.ndarray, n: np.ndarray, site: int) -> tuple[np.ndarray, np.ndarray]:
        phones = np.unique(self.phone_of_cell)
        of_phone = [self.phone_of_cell == phone for phone in phones]
        sums = np.stack([counts[cells].sum(axis=0) for cells in of_phone], axis=1)
        frames = np.stack([n[cells].sum(axis=0) for cells in of_phone], axis=1).ravel()
        settings = self._of_site(site)
        least = self.definition.least_counts(frames, **settings)
        return sums.reshape(len(frames), -1) >= least[:, np.newaxis], self.definition.kept(frames)

    def _of_site(self, site: int) -> dict[str, Any]:
        return {
            "lambda_": self.units.lambda_,
            "tau": self.units.tau[site],
            "width": self.units.sites[site].width,
        }


def confounds(
    units: UnitCounts, definition: SetDefinition, neurons: pd.DataFrame, *, by_strata: bool, seed: int
) -> Confounds:
    """Which neurons of a table are found again with the confound held fixed; the same seed gives the same tables.

    Args:
        units: of the crossed property, on the same corpus.
        neurons: of `groups.neuron_table`.
        by_strata: the strata take the place of the groups.
    """
    crossed = Crossed(units, definition, by_strata=by_strata)
    widths = [site.width for site in units.sites]
    found = [group_masks(neurons, group, widths) for group in crossed.groups]
    sizes, dealt_strata = [], list(crossed.dealt(DEALS, seed))
    sites = progress(list(range(len(units.sites))), what=f"what stays of {units.property_name}", unit="layer")
    for site in sites:
        counts = units.site_counts(site).astype(np.float64)
        own = np.stack([masks[site] for masks in found])
        given = crossed.group_neurons(counts, crossed.stratum, site)
        dealt = [_stay(own, crossed.group_neurons(counts, stratum, site)) for stratum in dealt_strata]
        sizes.append((_sizes(own), _sizes(given), _stay(own, given), np.stack(dealt, axis=1)))
    names = [(site + 1, units.sites[site].name) for site in range(len(units.sites))]
    # The same strata were dealt at every site, so what one deal gives may be added up.
    totals = tuple(sum(parts) for parts in zip(*sizes, strict=True))
    rows = [
        _row(layer, site, group, *(part[number] for part in parts))
        for (layer, site), parts in zip([*names, (ALL_LAYERS, "")], [*sizes, totals], strict=True)
        for number, group in enumerate((*crossed.groups, ALL_GROUPS))
    ]
    return Confounds(with_q(pd.DataFrame(rows)).assign(level=units.level), _cell_table(crossed))


class _Rows:
    """Rows by a key, ready to be chosen from at random, each as often as it has frames."""

    def __init__(self, key: np.ndarray, n: np.ndarray):
        self._order = np.argsort(key, kind="stable")
        self._keys, first = np.unique(key[self._order], return_index=True)
        self._up_to = np.cumsum(n[self._order], dtype=np.int64)
        ends = np.append(first[1:], len(key)) - 1
        self._before = np.append(0, self._up_to[ends][:-1])
        self._n = self._up_to[ends] - self._before

    def any_of(self, keys: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """For each key one of its rows; -1 where it has none."""
        place = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        there = self._keys[place] == keys
        frame = self._before[place] + (rng.random(len(keys)) * self._n[place]).astype(np.int64)
        chosen = np.searchsorted(self._up_to, frame, side="right")
        return np.where(there, self._order[chosen], -1)


def _shared(n: np.ndarray) -> np.ndarray:
    """Weights of strata that all groups have: float64 [strata], from frames [groups, strata]."""
    everywhere = (n > 0).all(axis=0)
    inverse = np.divide(1.0, n, out=np.zeros(n.shape), where=n > 0).sum(axis=0)
    weights = np.divide(1.0, inverse, out=np.zeros(len(inverse)), where=everywhere)
    return weights / weights.sum() if everywhere.any() else weights


def _sizes(group_neurons: np.ndarray) -> np.ndarray:
    """|G_i| and last |P|: int64 [groups + 1]."""
    return np.append(group_neurons.sum(axis=1), group_neurons.any(axis=0).sum())


def _stay(found: np.ndarray, given: np.ndarray) -> np.ndarray:
    """How many neurons of each G_i, and last of P, stay in P, in whatever group: int64 [groups + 1]."""
    return np.append((found & given).sum(axis=1), (found.any(axis=0) & given.any(axis=0)).sum())


def _row(layer: int, site: str, group: str, found: int, given: int, stay: int, dealt: np.ndarray) -> dict[str, Any]:
    none = float("nan")
    low, high = np.percentile(dealt, [2.5, 97.5]) / found if found else (none, none)
    return {
        "layer": layer,
        "site": site,
        "group": group,
        "found": int(found),
        "given": int(given),
        "stay": int(stay),
        "share": stay / found if found else none,
        "dealt_stay": float(dealt.mean()),
        "dealt_share": float(dealt.mean()) / found if found else none,
        "dealt_low": float(low),
        "dealt_high": float(high),
        "p": float((1 + (dealt <= stay).sum()) / (1 + len(dealt))) if found else none,
        "q": none,
        "detectable": max(0.0, float(np.percentile(dealt, 5) - POWER * dealt.std()) / found) if found else none,
        "deals": len(dealt),
    }


def _cell_table(crossed: Crossed) -> pd.DataFrame:
    units, place = crossed.units, crossed.cell * crossed.n_strata + crossed.stratum
    n = crossed.frames(crossed.stratum)
    weights = np.full(n.shape, np.nan) if crossed.by_strata else crossed.weights(n)
    cell, stratum = np.divmod(np.arange(n.size), crossed.n_strata)
    speakers = np.unique(place * len(units.speakers) + units.speaker) // len(units.speakers)
    used = np.ones(n.size, bool) if crossed.by_strata else weights.ravel() > 0
    return pd.DataFrame(
        {
            "group": np.array(crossed.groups, dtype=object)[crossed.group_of_cell[cell]],
            "phone": np.array(units.phones, dtype=object)[crossed.phone_of_cell[cell]],
            "stratum": np.array(units.strata, dtype=object)[stratum],
            "frames": n.ravel(),
            "rows": np.bincount(place, minlength=n.size),
            "speakers": np.bincount(speakers, minlength=n.size),
            "weight": weights.ravel(),
            "rare": used & (n.ravel() < enough_frames(units.lambda_)),
        }
    )
