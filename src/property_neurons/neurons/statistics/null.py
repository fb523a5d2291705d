"""The null: sizes of sets and effects when labels are dealt anew."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from property_neurons.counting.exchangeable import AT_ONCE
from property_neurons.neurons.statistics.false_discovery import q_values
from property_neurons.neurons.statistics.labelled_sets import (
    LabelledSets,
    SiteUnits,
    effect_of_phones,
    labellings_at_once,
)
from property_neurons.neurons.statistics.labels import deals_phones, dealt_units, only_renames

# Scores that differ by rounding alone are equal: by this share, or by this much.
_EQUAL, _NEAR_ZERO = 1e-9, 1e-12


@dataclass(frozen=True)
class SiteNull:
    """One site beside its null.

    observed: the sets and effects of the labels as they are, a single labelling.
    sizes: int64 [groups + 1, permutations], |G_i| under dealt labels, and last |P|.
    p: float64 [groups, neurons], share of dealt labellings, the observed one among them, whose effect on the neuron is
        as large (Phipson and Smyth 2010). q: Benjamini and Hochberg's, over all groups and neurons of the site.
    p_family: the same with the largest effect on any neuron of the site.
    """

    observed: LabelledSets
    sizes: np.ndarray
    p: np.ndarray
    q: np.ndarray
    p_family: np.ndarray

    @property
    def observed_sizes(self) -> np.ndarray:
        """|G_i| and last |P|: int64 [groups + 1]."""
        return _sizes(self.observed)[:, 0]


def site_null(rows: SiteUnits, *, permutations: int, seed: int, deals: Iterable[np.ndarray] | None = None) -> SiteNull:
    """The null of one site; the same seed deals the same labels at every site.

    Without permutations, and where each group is one speaker, p and q are NaN.

    Args:
        deals: these labels, where they have been dealt before; see `Dealt.kept_deals`.
    """
    units = rows.units
    dealt = dealt_units(units)
    as_it_is = dealt.label[np.newaxis].astype(np.int16)
    if deals_phones(units):
        relabelled = _PhonesDealt(rows)
        observed = relabelled(as_it_is)
    else:
        relabelled = partial(rows.relabelled, with_active=False)
        observed = rows.relabelled(as_it_is)
    score = observed.score
    score = score - _EQUAL * np.abs(score) - _NEAR_ZERO
    missing = np.where(np.isnan(score), -np.inf, np.inf)
    as_large = np.zeros(score.shape[:2], np.int64)
    largest_as_large = np.zeros(score.shape[:2], np.int64)
    sizes = np.empty((len(units.groups) + 1, permutations), np.int64)
    first, at_once = 0, labellings_at_once(units, AT_ONCE)
    for labels in _parts(deals or dealt.deals(permutations, seed), at_once):
        found = relabelled(labels)
        sizes[:, first : first + len(labels)] = _sizes(found)
        first += len(labels)
        # A labelling that leaves a group nothing to compare counts as one whose effect is as large.
        dealt = np.where(np.isnan(found.score), missing, found.score)
        as_large += (dealt >= score).sum(axis=2)
        largest = np.sort(dealt.max(axis=(0, 1)))
        largest_as_large += len(largest) - np.searchsorted(largest, score[:, :, 0])
        # Before the next are made.
        del found, dealt
    defined = ~np.isnan(score[:, :, 0]) & (permutations > 0) & (not only_renames(units))
    p = np.where(defined, (1 + as_large) / (1 + permutations), np.nan)
    return SiteNull(
        observed, sizes, p, q_values(p), np.where(defined, (1 + largest_as_large) / (1 + permutations), np.nan)
    )


def p_of_size(observed: int, null: np.ndarray) -> float:
    """Share of dealt labellings, the observed one among them, with a set at least as large."""
    return float((1 + (null >= observed).sum()) / (1 + len(null)))


class _PhonesDealt:
    """Phones dealt among groups of the same sizes: the patterns of phones stay, only the groups change."""

    def __init__(self, rows: SiteUnits):
        self._rows = rows
        sums = np.stack(
            [rows._sum(phone, np.ones((len(rows.rows[phone]), 1)))[0][:, 0] for phone in range(len(rows.rows))]
        )
        n = np.array([rows.units.n[one].sum(dtype=np.int64) for one in rows.rows])
        least = rows.definition.least_counts(n, lambda_=rows.lambda_, tau=rows.tau, width=rows.width)
        self._pattern = (sums >= least[:, np.newaxis].astype(np.float64)).astype(np.float64)
        self._active = sums / np.maximum(n, 1)[:, np.newaxis]
        self._kept = rows.definition.kept(n)
        self._observed = n > 0

    def __call__(self, labels: np.ndarray) -> LabelledSets:
        parts = list(self._groups(labels))
        members, active, of_group = (np.stack(arrays) for arrays in zip(*parts, strict=True))
        with np.errstate(invalid="ignore", divide="ignore"):
            effect, others = effect_of_phones(active, of_group)
            return LabelledSets(members, effect, active / of_group[:, np.newaxis], others, effect)

    def _groups(self, labels: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        for group in range(len(self._rows.units.groups)):
            chosen = (labels == group).T.astype(np.float64)
            sizes = self._kept @ chosen
            holding = self._pattern.T @ chosen
            members = (holding >= self._rows.definition.needed(sizes)) & (sizes > 0)
            yield members, self._active.T @ chosen, self._observed @ chosen


def _parts(deals: Iterable[np.ndarray], at_once: int) -> Iterator[np.ndarray]:
    for labels in deals:
        for first in range(0, len(labels), at_once):
            yield labels[first : first + at_once]


def _sizes(found: LabelledSets) -> np.ndarray:
    group_neurons = found.group_neurons
    return np.concatenate([group_neurons.sum(axis=1), group_neurons.any(axis=0).sum(axis=0)[np.newaxis]])
