"""Sets found on parts of the speakers: how stable they are, and how selective on the other speakers."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array, csr_array

from property_neurons.counting.unit_count_store import UnitCounts
from property_neurons.errors import CountingError
from property_neurons.neurons.statistics.labelled_sets import (
    LABELLED_BYTES,
    LabelledSets,
    SiteUnits,
    labellings_at_once,
)
from property_neurons.neurons.statistics.selectivity import RankedScores, separation

BOOTSTRAPS = 200
_AT_ONCE = 50
# How often a split is drawn before one is taken that leaves a half without a group.
_TRIES = 100
_DECIMALS = 12
# Of the 4 GB that a job asks for; the counts of a layer are there beside.
_MOST_BYTES = 3 << 30


def speaker_halves(units: UnitCounts, halves: int, seed: int) -> np.ndarray | None:
    """Random halves of the speakers; where the property is one of the speaker, of each group's speakers.

    A split that leaves one half without a group that several speakers have is drawn again, if there are others.

    Returns:
        int8 [speakers, 2 * halves], 1 for speakers of a half; columns 2i and 2i + 1 are the two halves of one split.
        None where there are too few speakers: two, or two in each group.
    """
    strata = _speaker_strata(units)
    if not strata or min(map(len, strata)) < 2:
        return None
    rng = np.random.default_rng([seed, 1])
    spoken = np.zeros((len(units.speakers), len(units.groups)), bool)
    spoken[units.speaker, units.group] = True
    spoken = spoken[:, spoken.sum(axis=0) > 1].astype(np.int64)
    chosen = np.zeros((len(units.speakers), 2 * halves), np.int8)
    for split in range(halves):
        for _ in range(_TRIES):
            both = np.zeros((len(units.speakers), 2), np.int8)
            for speakers in strata:
                shuffled = rng.permutation(speakers)
                # Of an odd number the one half gets one more as often as the other.
                middle = (len(shuffled) + int(rng.integers(2))) // 2
                both[shuffled[:middle], 0] = 1
                both[shuffled[middle:], 1] = 1
            if (both.T @ spoken).all():
                break
        chosen[:, 2 * split : 2 * split + 2] = both
    return chosen


def check_halves_fit(units: UnitCounts, halves: int) -> None:
    """Check that so many splits fit into memory: sets, effects and patterns of one layer, and the sets of all layers.

    Raises:
        CountingError: they do not fit.
    """
    width = max(site.width for site in units.sites)
    of_one = LABELLED_BYTES + len(units.sites) + 2 * len(units.phones)
    needed = 2 * halves * len(units.groups) * width * of_one
    if needed <= _MOST_BYTES:
        return
    raise CountingError(
        f"property {units.property_name}: expected the sets of {halves} splits of the speakers to fit into "
        f"{_MOST_BYTES / 1e9:.1f} GB, found that those of {len(units.groups):,} groups take {needed / 1e9:.1f} GB; set "
        f"statistics.halves to {halves * _MOST_BYTES // needed}, or put the values of the property into fewer groups"
    )


def speaker_bootstraps(units: UnitCounts, number: int, seed: int) -> np.ndarray | None:
    """Resample speakers with replacement, as many as there are, within groups if the property is one of the speaker.

    Returns:
        int16 [speakers, number], how often each was drawn; None where there are too few speakers, as for halves.
    """
    strata = _speaker_strata(units)
    if not strata or min(map(len, strata)) < 2:
        return None
    rng = np.random.default_rng([seed, 2])
    times = np.zeros((len(units.speakers), number), np.int16)
    for speakers in strata:
        times[speakers] = rng.multinomial(len(speakers), np.full(len(speakers), 1 / len(speakers)), number).T
    return times


def selection_frequency(rows: SiteUnits, times: np.ndarray) -> np.ndarray:
    """pi: share of the bootstraps in which a neuron is in G_i: float64 [groups, neurons]."""
    at_once = labellings_at_once(rows.units, _AT_ONCE)
    total = sum(
        rows.weighted(times[:, first : first + at_once]).group_neurons.sum(axis=2)
        for first in range(0, times.shape[1], at_once)
    )
    return total / times.shape[1]


def nogueira_stability(selected: np.ndarray) -> float:
    """Stability of a selection of features over M repetitions (Nogueira, Sechidis and Brown, JMLR 2018, equation 4).

    1 where every repetition selects the same, 0 as of selections at random; NaN where it is undefined: fewer than two
    repetitions, nothing or everything selected.

    Args:
        selected: bool [repetitions, features]
    """
    repetitions = len(selected)
    share = selected.mean() if selected.size else 0.0
    if repetitions < 2 or not 0 < share < 1:
        return float("nan")
    frequency = selected.mean(axis=0)
    variance = repetitions / (repetitions - 1) * frequency * (1 - frequency)
    return float(1 - variance.mean() / (share * (1 - share)))


def jaccard(first: np.ndarray, second: np.ndarray) -> float:
    """Neurons in both sets over neurons in either; NaN for two empty sets."""
    either = int((first | second).sum())
    return float((first & second).sum() / either) if either else float("nan")


def mean_and_range(name: str, values: np.ndarray) -> dict[str, float]:
    """`name`, and with _low and _high the range that 95 % of the values lie in; those that are NaN left out."""
    values = values[~np.isnan(values)]
    if not len(values):
        return dict.fromkeys((name, f"{name}_low", f"{name}_high"), float("nan"))
    low, high = np.percentile(values, [2.5, 97.5])
    return {name: float(values.mean()), f"{name}_low": float(low), f"{name}_high": float(high)}


@dataclass(frozen=True)
class HeldOut:
    """Neurons found on one half of the speakers and tested on the other, over all halves.

    halves: int64 [groups, neurons], the number of halves on which a neuron was found, and so tested on the other.
    auroc, average_precision, effect: float64 [groups, neurons], means over these halves; NaN where there is none.
    found: for each half and group float64 [neurons found on it], AUROC on the other.
    """

    halves: np.ndarray
    auroc: np.ndarray
    average_precision: np.ndarray
    effect: np.ndarray
    found: tuple[tuple[np.ndarray, ...], ...]

    def of_half(self, half: int, group: int | None) -> np.ndarray:
        """AUROC on the other half of the neurons found on one, in one group, or in any."""
        return np.concatenate(self.found[half]) if group is None else self.found[half][group]


def held_out(rows: SiteUnits, halves: np.ndarray, found: LabelledSets) -> HeldOut:
    """How selective the group neurons of each half are on the other half.

    Args:
        halves: of `speaker_halves`.
        found: the sets of each half, `rows.weighted(halves)`.
    """
    group_neurons = found.group_neurons
    sums = {name: np.zeros(group_neurons.shape[:2]) for name in ("auroc", "precision", "effect")}
    looked_at = np.zeros(group_neurons.shape[:2], np.int64)
    all_found = []
    for half in range(halves.shape[1]):
        other = half ^ 1
        looked_for = np.flatnonzero(group_neurons[:, :, half].any(axis=0))
        units = UnitScores(rows, halves[:, other] > 0, looked_for)
        of_half = []
        for group in range(len(rows.units.groups)):
            columns = np.flatnonzero(group_neurons[group, :, half])
            auroc, precision = units.separation(group, np.searchsorted(looked_for, columns))
            effect = found.effect[group, columns, other]
            defined = ~np.isnan(auroc) & ~np.isnan(effect)
            columns = columns[defined]
            looked_at[group, columns] += 1
            sums["auroc"][group, columns] += auroc[defined]
            sums["precision"][group, columns] += precision[defined]
            sums["effect"][group, columns] += effect[defined]
            of_half.append(auroc[defined])
        all_found.append(tuple(of_half))
    with np.errstate(invalid="ignore", divide="ignore"):
        auroc, precision, effect = (sums[name] / looked_at for name in ("auroc", "precision", "effect"))
    return HeldOut(looked_at, auroc, precision, effect, tuple(all_found))


class UnitScores:
    """How active each neuron is in each unit of some speakers, and the unit's group.

    The score of a speaker or utterance is the mean over its phones of p(active | phone). The score of a run is the
    share of its active frames; it is compared with runs of the same phone or, where the phone is the group, of all
    phones. Where runs are summed up there is one score for each speaker, phone and group.

    neurons: the tested ones, ascending; None for all.
    """

    def __init__(self, rows: SiteUnits, speakers: np.ndarray, neurons: np.ndarray | None = None):
        units = rows.units
        self._n_groups = len(units.groups)
        chosen = np.flatnonzero(speakers[units.speaker])
        if units.level in ("run", "speaker, phone and group"):
            weight, unit = 1 / units.n[chosen], np.arange(len(chosen))
            self.group = units.group[chosen]
            self.stratum = None if units.of_phone else units.phone[chosen].astype(np.int64)
        else:
            _, first, unit, phones = np.unique(
                units.unit[chosen], return_index=True, return_inverse=True, return_counts=True
            )
            weight = 1 / (units.n[chosen] * phones[unit])
            self.group, self.stratum = units.group[chosen][first], None
        counts = rows.counts if neurons is None else rows.counts[:, neurons]
        scores = csr_array((weight, (unit, chosen)), (len(self.group), counts.shape[0])) @ counts
        # One in three is two in six: what differs by rounding alone is a tie.
        scores.data = np.round(scores.data, _DECIMALS)
        self._scores = scores.tocsc()

    def separation(self, group: int, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """AUROC and average precision for a group, as `selectivity.separation`, of some of the tested neurons."""
        return separation(coo_array(self._scores[:, columns]), self.group == group, self.stratum)

    def separations(self) -> tuple[np.ndarray, np.ndarray]:
        """The same of every one of them for each group: float64 [groups, neurons] each."""
        ranked = RankedScores(coo_array(self._scores), self.stratum)
        by_group = [ranked.separation(self.group == group) for group in range(self._n_groups)]
        auroc, precision = (np.stack(measure) for measure in zip(*by_group, strict=True))
        return auroc, precision


def _speaker_strata(units: UnitCounts) -> list[np.ndarray]:
    speakers, first = np.unique(units.speaker, return_index=True)
    if units.level != "speaker":
        return [speakers]
    group = units.group[first]
    return [speakers[group == one] for one in range(len(units.groups))]
