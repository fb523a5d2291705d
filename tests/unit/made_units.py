"""Made-up counts by unit, held in memory."""

from dataclasses import dataclass, field, replace

import numpy as np
from scipy.sparse import csr_array

from property_neurons.counting.exchangeable import Exchangeable
from property_neurons.counting.unit_count_store import UnitCounts
from property_neurons.ranks.sites import Site


@dataclass(frozen=True)
class MadeUnits(UnitCounts):
    """Counts by unit whose sites are arrays [rows, neurons], and those of the other dealings."""

    made: list[np.ndarray] = field(default_factory=list)
    made_dealings: tuple["MadeUnits", ...] = ()

    def site_counts(self, site: int) -> csr_array:
        """As of a store."""
        return csr_array(self.made[site].astype(np.int32))

    def dealt(self, dealing: int) -> UnitCounts:
        """As of a store."""
        return self.made_dealings[dealing - 1] if dealing else self


def made_units(
    level, *, speaker, phone, group, n, counts, unit=None, cells=None, lambda_=0.05, n_groups=None, strata=()
):
    """Counts by unit from arrays [rows]; `counts` is an array [rows, neurons] for each site."""
    speaker, phone, group = (np.asarray(values, np.int32) for values in (speaker, phone, group))
    n_groups = n_groups or int(group.max()) + 1
    n_phones = int(phone.max()) + 1
    return MadeUnits(
        model="made",
        corpus="made",
        property_name="made",
        level=level,
        sites=tuple(Site(index + 1, str(index + 1), one.shape[1]) for index, one in enumerate(counts)),
        lambda_=lambda_,
        tau=tuple(max(1, round(lambda_ * one.shape[1])) for one in counts),
        groups=tuple(f"g{index}" for index in range(n_groups)),
        strata=strata,
        phones=tuple(f"p{index}" for index in range(n_phones)),
        pools=tuple((f"s{index}",) for index in range(int(speaker.max()) + 1)),
        dealings=1,
        cells=np.ones((n_groups, n_phones), dtype=bool) if cells is None else cells,
        speaker=speaker,
        unit=(speaker if unit is None else np.asarray(unit)).astype(np.int32),
        phone=phone,
        group=group,
        n=np.broadcast_to(np.asarray(n, np.int32), speaker.shape),
        store=None,
        made=list(counts),
    )


def rows_of(units, rows):
    """Some rows of a property's counts by unit, in the order and as often as they are named."""
    return made_units(
        units.level,
        speaker=units.speaker[rows],
        phone=units.phone[rows],
        group=units.group[rows],
        n=units.n[rows],
        counts=[units.site_counts(0).toarray()[rows]],
        unit=units.unit[rows],
        cells=units.cells,
        n_groups=len(units.groups),
    )


def speakers_and_phones(rng, *, speakers=12, phones=4, neurons=60, n=200, rate=0.05, planted=0, raised=0.0, spread=0.0):
    """A property of speakers, every second one in the second group, with `planted` neurons more active there.

    spread: standard deviation between speakers of each neuron's rate.
    """
    speaker, phone = np.divmod(np.arange(speakers * phones), phones)
    rates = np.full((speakers, neurons), rate) + spread * rng.standard_normal((speakers, neurons))
    rates[1::2, :planted] += raised
    counts = rng.binomial(n, np.clip(rates, 0, 1)[speaker])
    return made_units("speaker", speaker=speaker, phone=phone, group=speaker % 2, n=n, counts=[counts])


def runs_of_phones(rng, *, speakers=6, phones=3, runs=40, neurons=50, rate=0.05, groups=3, planted=0, raised=0.0):
    """A property of runs of one to five frames, the last group with `planted` neurons more active in it."""
    total = speakers * phones * runs
    speaker, phone = np.arange(total) // (phones * runs), np.arange(total) // runs % phones
    group = rng.integers(groups, size=total)
    n = rng.integers(1, 6, size=total)
    rates = np.full((total, neurons), rate)
    rates[np.ix_(group == groups - 1, range(planted))] += raised
    counts = rng.binomial(n[:, np.newaxis], rates)
    return made_units("run", speaker=speaker, phone=phone, group=group, n=n, counts=[counts], unit=np.arange(total))


def utterances_of_speakers(rng, *, speakers=8, utterances=8, phones=2, neurons=40, rate=0.06, spread=0.02):
    """A property of utterances, with nothing to find in a speaker; who is more active is also more often of a group.

    spread: standard deviation between speakers of the rate of all neurons, by which the share of a group goes.
    """
    total = speakers * utterances * phones
    unit, phone = np.divmod(np.arange(total), phones)
    speaker = unit // utterances
    active = np.clip(rate + spread * rng.standard_normal(speakers), 0.005, 1)
    of_second = np.where(active > np.median(active), 0.75, 0.25)
    group = (rng.random(speakers * utterances) < of_second[np.arange(speakers * utterances) // utterances])[unit]
    n = rng.integers(20, 60, size=total)
    counts = rng.binomial(n[:, np.newaxis], np.broadcast_to(active[speaker][:, np.newaxis], (total, neurons)))
    return made_units("utterance", speaker=speaker, phone=phone, group=group, n=n, counts=[counts], unit=unit)


def phones_in_groups(rng, *, speakers=5, group_of_phone=(0, 0, 0, 1, 1, 2, 2), runs=20, neurons=40):
    """A property of the phone itself, each neuron with phones that it prefers."""
    group_of_phone = np.asarray(group_of_phone)
    phones = len(group_of_phone)
    total = speakers * phones * runs
    speaker, phone = np.arange(total) // (phones * runs), np.arange(total) // runs % phones
    n = rng.integers(1, 6, size=total)
    rates = rng.choice([0.02, 0.2], p=[0.7, 0.3], size=(phones, neurons))
    counts = rng.binomial(n[:, np.newaxis], rates[phone])
    cells = group_of_phone == np.arange(group_of_phone.max() + 1)[:, np.newaxis]
    return made_units(
        "run",
        speaker=speaker,
        phone=phone,
        group=group_of_phone[phone],
        n=n,
        counts=[counts],
        unit=np.arange(total),
        cells=cells,
    )


def men_and_women(rng, *, speakers=24, phones=3, neurons=60, of_gender=40, rate=0.1):
    """Runs with nothing to find in a speaker: women speak high more often than low, and have neurons of their own.

    Neurons are active by gender in the first `of_gender`, and nowhere else, whatever the group: low, middle or high.
    """
    speaker, phone, group = [], [], []
    for one in range(speakers):
        runs = [(0, 12), (1, 6), (2, 1)] if one % 2 else [(0, 1), (1, 6), (2, 12)]
        for of in range(phones):
            own = [label for label, times in runs for _ in range(times)]
            speaker += [one] * len(own)
            phone += [of] * len(own)
            group += own
    speaker, total = np.array(speaker), len(group)
    rates = np.full((speakers, neurons), rate)
    rates[1::2, :of_gender] *= 0.5
    n = rng.integers(2, 8, size=total)
    counts = rng.binomial(n[:, np.newaxis], rates[speaker])
    return made_units("run", speaker=speaker, phone=phone, group=group, n=n, counts=[counts], unit=np.arange(total))


def summed_up(units, *, pools=None, dealings=8):
    """Runs summed up to a row for each speaker, phone and group, by each of their dealings.

    pools: so many of speakers, each summed up as one.
    """
    block = units.speaker.astype(np.int64) * len(units.phones) + units.phone
    dealt = Exchangeable(units.group.astype(np.int64), block).deals(dealings - 1, seed=0)
    own, *others = [
        _summed_up(units, labels, units.speaker % (pools or len(units.speakers)))
        for labels in [units.group, *(labels for several in dealt for labels in several)]
    ]
    return replace(own, dealings=dealings, made_dealings=tuple(others))


def _summed_up(units, groups, pool):
    rows = list(zip(pool.tolist(), units.phone.tolist(), groups.tolist(), strict=True))
    places = sorted(set(rows))
    number = {place: row for row, place in enumerate(places)}
    of_row = np.array([number[row] for row in rows])
    counts = np.zeros((len(places), units.sites[0].width), np.int64)
    np.add.at(counts, of_row, units.site_counts(0).toarray())
    speaker, phone, group = np.array(places).T
    return made_units(
        "speaker, phone and group",
        speaker=speaker,
        phone=phone,
        group=group,
        n=np.bincount(of_row, units.n).astype(int),
        counts=[counts],
        unit=np.arange(len(places)),
        n_groups=len(units.groups),
    )
