"""How strongly neurons are active in each group, from stored activation values: by speaker, phone and group.

Ranks say which neurons are most active, not how active they are. Two selectors of other studies need values: the mean
activation difference, and the entropy of how often a neuron is above its own 95th percentile. This module sums up
the stored values of some minutes of speech, in their stored order; no model runs.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from property_neurons.activations.store import CODES, ActivationStore, codes_of, open_activations, values_of_codes
from property_neurons.corpus.frame_store import FrameShard
from property_neurons.corpus.frame_values import FrameFiles, open_frame_files
from property_neurons.corpus.gate import let_through
from property_neurons.counting.job import OwnColumns, frame_files
from property_neurons.counting.layout import NO_GROUP, LaidOut, Layout
from property_neurons.counting.properties import make_property
from property_neurons.counting.sampling import Sampling, sample_frames
from property_neurons.counting.unit_count_store import UnitCounts
from property_neurons.errors import CountingError, StoreError
from property_neurons.stores.manifests import store_path

LOUD_PERCENTILE = 95
# Sums of one layer, of values and of loud frames, that are held at a time.
_MOST_SUMS = 1 << 26
_LEVEL = "speaker, phone and group"
_WITHOUT = "leave out selectors of values (statistics.activation_values: false; no `value_...` in a study's selectors)"


@dataclass(frozen=True)
class SummedUnits(UnitCounts):
    """One layer of sums by speaker, phone and group, in the place of counts: `site_counts` has float64 sums."""

    sums: np.ndarray | None = None

    def site_counts(self, site: int) -> csr_array:
        """The sums: float64 [rows, neurons]."""
        return csr_array(self.sums)


@dataclass(frozen=True)
class _Frames:
    """The counted rows of one shard's values, ascending, and the row of the sums for each: int64 [counted]."""

    values: ActivationStore
    row: np.ndarray
    place: np.ndarray


class ActivationValues:
    """The values of some of a corpus's speech, ready to be summed up for one property.

    Memory: 16 bytes for each counted frame, and, of one layer at a time, two sums for each speaker, phone, group and
    neuron and a histogram of 2048 values for each neuron.
    """

    def __init__(
        self,
        units: UnitCounts,
        shards: Sequence[tuple[ActivationStore, str | Path | FrameFiles]],
        property_: LaidOut,
        sampling: Sampling,
        keep: Collection[tuple[str, str]] | None = None,
    ):
        """Find the speaker, phone and group of each frame whose values are kept.

        Args:
            units: the property's counts by unit, of the same model and corpus.
            shards: (activation store, frame store) of each shard, the latter with what the property reads beside it.
            keep: the (subset, utterance) pairs that count; None for all.

        Raises:
            StoreError: the values are of another model, or of utterances that the frame stores do not have.
            CountingError: the sums do not fit into memory; no value is of a group.
        """
        self._units = units
        # Of the whole corpus, as the counts': so cuts of F0 are the same.
        layout = property_.lay_out(open_frame_files(frames, keep) for _, frames in shards)
        keys = [
            _counted(values, open_frame_files(frames, keep), layout, sampling, units)
            for values, frames in shards
            if _belongs(values, units)
        ]
        found, place = np.unique(
            np.concatenate([np.empty(0, np.int64), *(key for _, _, key in keys)]), return_inverse=True
        )
        widest = max(site.width for site in units.sites)
        if len(found) * widest > _MOST_SUMS:
            raise CountingError(
                f"property {units.property_name}: expected at most {_MOST_SUMS:,} sums of activation values of one "
                f"layer, found {len(found):,} of speakers, phones and groups x {widest:,} neurons; lower "
                f"browser.minutes, or {_WITHOUT}"
            )
        if not len(found):
            raise CountingError(
                f"property {units.property_name}: expected activation values of frames in its groups, found none; "
                f"raise browser.minutes, or {_WITHOUT}"
            )
        ends = np.cumsum([len(key) for _, _, key in keys])[:-1]
        self._frames = [
            _Frames(values, row, own) for (values, row, _), own in zip(keys, np.split(place, ends), strict=True)
        ]
        speaker, rest = np.divmod(found, len(units.phones) * len(units.groups))
        phone, group = np.divmod(rest, len(units.groups))
        self._columns = {
            "speaker": speaker.astype(np.int32),
            "unit": np.arange(len(found), dtype=np.int32),
            "phone": phone.astype(np.int32),
            "group": group.astype(np.int32),
            "n": np.bincount(place, minlength=len(found)).astype(np.int32),
        }

    def site(self, site: int) -> tuple[UnitCounts, UnitCounts]:
        """Sums of one layer's values, and how many frames are above the neuron's 95th percentile; each of one site.

        The percentile is over all frames whose values are kept, whatever their group: the least value that at least
        95 of 100 frames do not exceed, as stored (`activations.store.rounded`).
        """
        quantile = self._quantile(site)
        values, loud = np.zeros((2, len(self._columns["n"]), self._units.sites[site].width))
        for frames in self._frames:
            for first, block in frames.values.blocks(site):
                chosen = slice(*np.searchsorted(frames.row, (first, first + len(block))))
                places, index = np.unique(frames.place[chosen], return_inverse=True)
                if not len(places):
                    continue
                own = block[frames.row[chosen] - first].astype(np.float64)
                entries = (np.ones(len(index)), (index, np.arange(len(index))))
                gathered = csr_array(entries, (len(places), len(index)))
                values[places] += gathered @ own
                loud[places] += gathered @ (own > quantile).astype(np.float64)
        return self._summed(site, values), self._summed(site, loud)

    def _quantile(self, site: int) -> np.ndarray:
        """Of each neuron: float64 [neurons], exact, from the frames that have each of the values there can be."""
        width = self._units.sites[site].width
        histogram = np.zeros(width * CODES, np.int64)
        place = np.arange(width) * CODES
        for frames in self._frames:
            for _, block in frames.values.blocks(site):
                histogram += np.bincount((codes_of(block) + place).ravel(), minlength=width * CODES)
        value = values_of_codes()
        order = np.argsort(value, kind="stable")
        up_to = np.cumsum(histogram.reshape(width, CODES)[:, order], axis=1)
        # Whole numbers: a share of exactly 95 in 100 is enough.
        return value[order][np.argmax(100 * up_to >= LOUD_PERCENTILE * up_to[:, -1:], axis=1)]

    def _summed(self, site: int, sums: np.ndarray) -> SummedUnits:
        own = {field.name: getattr(self._units, field.name) for field in fields(UnitCounts)}
        of_site = {"level": _LEVEL, "sites": (self._units.sites[site],), "tau": (self._units.tau[site],), "dealings": 1}
        return SummedUnits(**own | of_site | self._columns, sums=sums)


def stored_values(
    job: Any, units: UnitCounts, keep: Collection[tuple[str, str]] | None = None
) -> ActivationValues | None:
    """The values that a job is given, from the `snakemake` object of its script; None where it is given none.

    Args:
        keep: the (subset, utterance) pairs that count; None = all that the corpora's gates let through.
    """
    if not job.input.get("activations"):
        return None
    stores = [open_activations(store_path(manifest)) for manifest in job.input.activations]
    columns = OwnColumns.read(job.input.get("columns", []))
    frames = frame_files(job.input.frames, job.input.get("values", []), job.input.get("clusters", []), columns=columns)
    return ActivationValues(
        units,
        list(zip(stores, frames, strict=True)),
        make_property(job.wildcards.property, **job.params.property),
        Sampling(**job.params.sampling),
        columns.kept(set().union(*map(let_through, job.input.checked)) if keep is None else keep),
    )


def _belongs(values: ActivationStore, units: UnitCounts) -> bool:
    """Whether a store has values; raises where they belong to another model than the counts."""
    if values.utterances and (values.model, values.sites) != (units.model, units.sites):
        raise StoreError(
            f"{values.name}: expected activation values of {units.model} ({len(units.sites)} layers), found those of "
            f"{values.model} ({len(values.sites)}); delete the activation stores and run again"
        )
    return bool(values.utterances)


def _counted(
    values: ActivationStore, frames: FrameShard, layout: Layout, sampling: Sampling, units: UnitCounts
) -> tuple[ActivationStore, np.ndarray, np.ndarray]:
    """The rows of a shard's values that are counted, and of each speaker, phone and group as one number."""
    place = {name: index for index, name in enumerate(frames.utterances)}
    unknown = [name for name in values.utterances if name not in place]
    if unknown:
        raise StoreError(
            f"{values.name}: expected utterances of {frames.name}, found {unknown[0]}; the two come from different "
            "versions of the corpus: delete the activation stores and run again"
        )
    first = np.full(len(frames.utterances), -1, np.int64)
    stored = np.zeros(len(frames.utterances), np.int64)
    of_values = [place[name] for name in values.utterances]
    first[of_values], stored[of_values] = values.offset[:-1], np.diff(values.offset)

    sample = sample_frames(frames, sampling)
    utterance = np.searchsorted(frames.offset, sample.position, side="right") - 1
    within = sample.position - frames.offset[utterance]
    cell = layout.cells_of(frames, sample)
    group, phone = _numbers(layout, units)
    counted = (within < stored[utterance]) & (cell != NO_GROUP)
    counted[counted] = (group[cell[counted]] >= 0) & (phone[cell[counted]] >= 0)
    utterance, within, cell = utterance[counted], within[counted], cell[counted]
    number = {name: index for index, names in enumerate(units.pools) for name in names}
    speaker = np.array([number.get(name, -1) for name in frames.columns["speaker"]], np.int64)[utterance]
    key = (speaker * len(units.phones) + phone[cell]) * len(units.groups) + group[cell]
    row = first[utterance] + within
    # Values may be stored in another order of utterances than frames.
    order = np.argsort(row, kind="stable")
    return values, row[order], key[order]


def _numbers(layout: Layout, units: UnitCounts) -> tuple[np.ndarray, np.ndarray]:
    """The group and phone of each cell as the counts number them: int64 [cells], -1 for what is in no set."""
    groups = {name: index for index, name in enumerate(units.groups)}
    phones = {name: index for index, name in enumerate(units.phones)}
    pairs = [(groups.get(group, -1), phones.get(phone, -1)) for group, phone in layout.cells]
    group, phone = np.array(pairs, np.int64).reshape(-1, 2).T
    return group, phone
