"""The null of neuron sets: equal to a plain loop; uniform p where nothing is; power and false discoveries."""

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from made_units import (
    made_units,
    men_and_women,
    phones_in_groups,
    runs_of_phones,
    speakers_and_phones,
    summed_up,
    utterances_of_speakers,
)
from scipy.stats import binomtest, kstest

from property_neurons.counting.exchangeable import Chosen, Exchangeable
from property_neurons.neurons.definition import SetDefinition
from property_neurons.neurons.statistics.labelled_sets import SiteUnits
from property_neurons.neurons.statistics.labels import deals_phones, dealt_units
from property_neurons.neurons.statistics.null import p_of_size, site_null

DEFINITIONS = {
    "paper": SetDefinition(sigma=0.6),
    "options": SetDefinition("tau_over_width", sigma=0.5, min_count=45, cells="lower_bound", rare_cells="drop"),
}
UNITS = {
    "speakers": lambda rng: speakers_and_phones(rng, speakers=7, planted=5, raised=0.05, neurons=30),
    "runs": lambda rng: runs_of_phones(rng, planted=5, raised=0.1, runs=12, neurons=30),
    "runs summed up": lambda rng: summed_up(runs_of_phones(rng, planted=5, raised=0.1, runs=12, neurons=30)),
    "runs of pools": lambda rng: summed_up(runs_of_phones(rng, planted=5, raised=0.1, runs=12, neurons=30), pools=4),
    "phones": lambda rng: phones_in_groups(rng, runs=10, neurons=30),
    "single phones": lambda rng: phones_in_groups(rng, group_of_phone=range(6), runs=10, neurons=30),
}


@cache
def lower_end(count, n):
    return binomtest(count, n).proportion_ci(method="exact").low


def cells_under(units, labels):
    """(group, phone) -> counts [neurons] and frames, row by row."""
    if units.dealings > 1:
        counts, frames = {}, {}
        for block, dealing in enumerate(labels):
            dealt = units.dealt(int(dealing))
            rows = dealt.site_counts(0).toarray()
            for row in np.flatnonzero(dealt.speaker * len(units.phones) + dealt.phone == block):
                cell = int(dealt.group[row]), int(dealt.phone[row])
                counts[cell] = counts.get(cell, 0) + rows[row].astype(int)
                frames[cell] = frames.get(cell, 0) + int(dealt.n[row])
        return counts, frames
    index = {unit: place for place, unit in enumerate(sorted(set(units.unit.tolist())))}
    pairs = sorted({(speaker, phone) for speaker, phone in zip(units.speaker, units.phone, strict=True)})
    counts, frames = {}, {}
    rows = units.site_counts(0).toarray()
    for row in range(len(units.n)):
        phone = int(units.phone[row])
        if deals_phones(units):
            group = int(labels[phone])
        elif units.of_phone:
            phone = int(labels[pairs.index((units.speaker[row], units.phone[row]))])
            group = int(np.argmax(units.cells[:, phone]))
        else:
            group = int(labels[index[int(units.unit[row])]])
        counts[group, phone] = counts.get((group, phone), 0) + rows[row].astype(int)
        frames[group, phone] = frames.get((group, phone), 0) + int(units.n[row])
    return counts, frames


def loop_sets(units, definition, labels):
    """Sets and effects by the definitions, cell by cell and neuron by neuron."""
    counts, frames = cells_under(units, labels)
    groups, phones, width = range(len(units.groups)), range(len(units.phones)), units.sites[0].width
    if units.of_phone:
        group_of = labels if deals_phones(units) else np.argmax(units.cells, axis=0)
        place = {(int(group_of[phone]), phone) for phone in phones}
    else:
        place = {(group, phone) for group in groups for phone in phones}
    share = units.tau[0] / width if definition.threshold == "tau_over_width" else units.lambda_

    def in_pattern(count, n):
        if n < max(1, definition.min_count):
            return False
        if definition.cells == "point":
            return count / n > share
        return lower_end(int(count), n) > share

    members = np.zeros((len(groups), width), bool)
    effect = np.full((len(groups), width), np.nan)
    for group in groups:
        own = [phone for phone in phones if (group, phone) in place]
        if definition.rare_cells == "drop":
            own = [phone for phone in own if frames.get((group, phone), 0) >= max(1, definition.min_count)]
        for neuron in range(width):
            held = sum(
                in_pattern(counts[group, phone][neuron], frames[group, phone])
                for phone in own
                if (group, phone) in counts
            )
            members[group, neuron] = bool(own) and held >= math.ceil(definition.sigma * len(own) - 1e-9)
        if units.of_phone:
            shares = {phone: counts[cell] / frames[cell] for cell in counts for phone in [cell[1]]}
            mine = [shares[phone] for phone in shares if (group, phone) in place]
            others = [shares[phone] for phone in shares if (group, phone) not in place]
            if mine and others:
                effect[group] = np.mean(mine, axis=0) - np.mean(others, axis=0)
        else:
            differences = []
            for phone in phones:
                rest = [other for other in groups if other != group and (other, phone) in counts]
                if (group, phone) in counts and rest:
                    pooled = sum(counts[other, phone] for other in rest) / sum(frames[other, phone] for other in rest)
                    differences.append(counts[group, phone] / frames[group, phone] - pooled)
            if differences:
                effect[group] = np.mean(differences, axis=0)
    exclusive = members & (members.sum(axis=0) == 1)
    return members, exclusive, effect


def variance_of_units(units, phone):
    """a and b of V(count) = a n + b n², by ordinary least squares of squared residuals over n."""
    rows = np.flatnonzero(units.phone == phone)
    counts, n = units.site_counts(0).toarray()[rows].astype(float), units.n[rows].astype(float)
    if units.dealings > 1:
        share = counts.sum(axis=0) / n.sum()
        return share * (1 - share), np.zeros(len(share))
    # Labels of speakers change places among all, those of runs within the speaker.
    block = units.speaker[rows] if units.level == "run" else np.zeros(len(rows))
    rest = np.empty(counts.shape)
    for one in set(block):
        own = block == one
        rest[own] = counts[own] - n[own, np.newaxis] * counts[own].sum(axis=0) / n[own].sum()
    a, b = np.zeros(counts.shape[1]), np.zeros(counts.shape[1])
    for neuron in range(counts.shape[1]):
        squared = rest[:, neuron] ** 2
        if len(set(n)) == 1:
            a[neuron] = (squared / n).mean()
            continue
        # Weights 1 / n²: of squared = a n + b n², the sums over (squared / n) and over squared are those of the fit.
        both = np.linalg.solve([[len(n), n.sum()], [n.sum(), (n**2).sum()]], [(squared / n).sum(), squared.sum()])
        if both[1] <= 0:
            both = (squared / n).mean(), 0
        elif both[0] <= 0:
            both = 0, squared.sum() / (n**2).sum()
        a[neuron], b[neuron] = both
    return a, b


def loop_scores(units, labels, effect):
    """Effects over their standard errors, cell by cell."""
    if deals_phones(units):
        return effect
    counts, frames = cells_under(units, labels)
    variance = np.zeros(effect.shape)
    if units.of_phone:
        pairs = sorted(set(zip(units.speaker.tolist(), units.phone.tolist(), strict=True)))
        rows = units.site_counts(0).toarray().astype(float)
        of_phone = {}
        for (group, phone), n in frames.items():
            total = np.zeros(effect.shape[1])
            for pair in np.flatnonzero(labels == phone):
                own = (units.speaker == pairs[pair][0]) & (units.phone == pairs[pair][1])
                total += (rows[own].sum(axis=0) - units.n[own].sum() * counts[group, phone] / n) ** 2
            of_phone[group] = total / n**2
        for group in of_phone:
            others = [of_phone[other] for other in of_phone if other != group]
            variance[group] = of_phone[group] + sum(others) / len(others) ** 2
        return effect / np.sqrt(variance)
    index = {unit: place for place, unit in enumerate(sorted(set(units.unit.tolist())))}
    for group in range(len(units.groups)):
        compared = 0
        for phone in range(len(units.phones)):
            rest = [other for other in range(len(units.groups)) if other != group and (other, phone) in counts]
            if (group, phone) not in counts or not rest:
                continue
            compared += 1
            a, b = variance_of_units(units, phone)
            for here in ([group], rest):
                n = sum(frames[one, phone] for one in here)
                squares = 0
                if units.dealings == 1:
                    own = [
                        row for row in np.flatnonzero(units.phone == phone) if labels[index[units.unit[row]]] in here
                    ]
                    squares = sum(int(units.n[row]) ** 2 for row in own)
                variance[group] += a / n + b * squares / n**2
        variance[group] /= compared**2
    return effect / np.sqrt(variance)


@pytest.mark.parametrize("definition", DEFINITIONS.values(), ids=DEFINITIONS)
@pytest.mark.parametrize("make", UNITS.values(), ids=UNITS)
def test_the_null_equals_a_plain_loop(make, definition):
    units = make(np.random.default_rng(1))
    permutations = 6
    found = site_null(SiteUnits(units, 0, definition), permutations=permutations, seed=5)
    dealt = dealt_units(units)
    members, exclusive, effect = loop_sets(units, definition, dealt.label)
    assert (found.observed.members[:, :, 0] == members).all()
    np.testing.assert_allclose(found.observed.effect[:, :, 0], effect, atol=1e-12)
    scores = loop_scores(units, dealt.label, effect)
    np.testing.assert_allclose(found.observed.score[:, :, 0], scores, rtol=1e-6, atol=1e-9)
    as_large, largest_as_large = np.ones(effect.shape), np.ones(effect.shape)
    labellings = np.concatenate(list(dealt.deals(permutations, 5)))
    for number, labels in enumerate(labellings):
        _, other, other_effect = loop_sets(units, definition, labels)
        assert found.sizes[:-1, number].tolist() == other.sum(axis=1).tolist()
        assert found.sizes[-1, number] == other.any(axis=0).sum()
        other_scores = loop_scores(units, labels, other_effect)
        as_large += other_scores >= scores - 1e-9
        largest_as_large += np.nanmax(other_scores) >= scores - 1e-9
    np.testing.assert_allclose(found.p, as_large / (1 + permutations))
    np.testing.assert_allclose(found.p_family, largest_as_large / (1 + permutations))
    assert exclusive.any()


def test_labels_change_places_within_their_block_alone():
    rng = np.random.default_rng(0)
    dealt = Exchangeable(label=rng.integers(3, size=50), block=rng.integers(4, size=50))
    labellings = np.concatenate(list(dealt.deals(300, 1)))
    assert len(np.unique(labellings, axis=0)) == 300
    for block in range(4):
        inside = dealt.block == block
        expected = np.bincount(dealt.label[inside], minlength=3)
        assert all((np.bincount(one[inside], minlength=3) == expected).all() for one in labellings)
    assert (np.concatenate(list(dealt.deals(300, 1))) == labellings).all()
    assert (np.concatenate(list(dealt.deals(300, 2))) != labellings).any()


def test_the_number_of_distinct_labellings():
    assert Chosen(np.array([True, False, True, True]), 8).distinct() == 512
    assert Chosen(np.ones(500, bool), 8).distinct() == math.inf
    assert Exchangeable(np.array([0, 0, 1, 1]), np.zeros(4, int)).distinct() == 6
    assert Exchangeable(np.array([0, 1, 0, 1, 2]), np.array([0, 0, 1, 1, 1])).distinct() == 12
    assert Exchangeable(np.array([0, 0]), np.zeros(2, int)).distinct() == 1
    assert Exchangeable(np.arange(500), np.zeros(500, int)).distinct() == math.inf


def test_four_speakers_cannot_be_significant():
    units = speakers_and_phones(np.random.default_rng(0), speakers=4, planted=10, raised=0.3)
    found = site_null(SiteUnits(units, 0, SetDefinition()), permutations=199, seed=0)
    # One in six labellings is the true one, so that no p is far below.
    assert found.p[1, :10].min() > 0.1


NOTHING = {
    "speakers": lambda rng: speakers_and_phones(rng, speakers=16, phones=2, neurons=40, spread=0.01),
    "utterances": utterances_of_speakers,
    "runs": lambda rng: runs_of_phones(rng, neurons=40, runs=10),
    "runs summed up": lambda rng: summed_up(runs_of_phones(rng, neurons=40, runs=10)),
    "runs of pools": lambda rng: summed_up(runs_of_phones(rng, neurons=40, runs=10, speakers=24), pools=6),
}


@pytest.mark.parametrize(
    "kind", ["speakers", "utterances", "runs", "runs of pools", pytest.param("runs summed up", marks=pytest.mark.slow)]
)
def test_p_is_uniform_where_there_is_nothing_to_find(kind):
    rng, of_neurons, of_sizes, rejected = np.random.default_rng(3), [], [], 0
    for data in range(25):
        units = NOTHING[kind](rng)
        found = site_null(SiteUnits(units, 0, SetDefinition()), permutations=99, seed=data)
        of_neurons.append(found.p[-1])
        of_sizes.append(p_of_size(found.observed_sizes[-1], found.sizes[-1]))
        rejected += int((found.q <= 0.1).any())
    # A p of k / 100 stands for all up to it: moved to a random place there, it is uniform between 0 and 1.
    spread = np.concatenate(of_neurons) - rng.random(25 * len(of_neurons[0])) / 100
    assert kstest(spread, "uniform").pvalue > 0.01
    # Sizes tie, which makes their p too large, never too small.
    assert np.mean(np.array(of_sizes) <= 0.1) <= 0.25
    assert rejected <= 6


@pytest.mark.parametrize("summed", [lambda units: units, summed_up, lambda units: summed_up(units, pools=6)])
def test_neurons_of_who_speaks_are_none_of_how_they_speak(summed):
    """Where men speak low and women high, neurons of gender are no neurons of pitch, however units are summed up."""
    rng, of_gender, of_sizes = np.random.default_rng(5), [], []
    for data in range(8):
        found = site_null(SiteUnits(summed(men_and_women(rng)), 0, SetDefinition()), permutations=99, seed=data)
        # Held against all, the groups of most men and of most women differ in these neurons by far.
        assert np.abs(found.observed.effect[0, :40]).mean() > 2 * np.abs(found.observed.effect[0, 40:]).mean()
        of_gender.append(found.p[:, :40].ravel() <= 0.05)
        of_sizes.append(p_of_size(found.observed_sizes[-1], found.sizes[-1]))
    assert np.mean(of_gender) < 0.09
    assert min(of_sizes) > 0.02


def test_a_rare_phone_is_no_more_often_special_than_another():
    """Where phones mean nothing, those of few frames have small p as often as the others."""
    rng, p, found_any = np.random.default_rng(6), [], 0
    for data in range(6):
        speaker, phone = np.divmod(np.arange(20 * 10), 10)
        n = np.where(phone < 2, 10, 200)
        counts = rng.binomial(n[:, np.newaxis], 0.05, size=(200, 150))
        units = made_units(
            "run",
            speaker=speaker,
            phone=phone,
            group=phone,
            n=n,
            counts=[counts],
            unit=np.arange(200),
            cells=np.eye(10, dtype=bool),
        )
        found = site_null(SiteUnits(units, 0, SetDefinition()), permutations=399, seed=data)
        p.append([(found.p[:2] <= 0.05).mean(), (found.p[2:] <= 0.05).mean()])
        found_any += int((found.q <= 0.1).any())
    rare, others = np.mean(p, axis=0)
    assert rare < 0.07
    assert 0.03 < others < 0.07
    assert found_any <= 2


@pytest.mark.parametrize("balance", [None, 0])
@pytest.mark.parametrize("alike", [0, 0.5])
def test_short_runs_are_no_more_often_special_than_long_ones(balance, alike):
    """Runs of few frames in one group, of many in another, and neurons that know of neither.

    alike: how much runs differ in their rate, as a share of it.
    """
    rng, p = np.random.default_rng(8), []
    for data in range(5):
        speaker, phone = np.divmod(np.arange(8 * 4 * 50) // 50, 4)
        n = np.clip(rng.poisson(4, len(speaker)) + 1, 1, 14)
        group = (n >= 3).astype(int) + (n > 5)
        rate = 0.05 * (1 + alike * rng.choice([-1, 1], size=(len(n), 120)))
        counts = rng.binomial(n[:, np.newaxis], rate)
        units = made_units(
            "run", speaker=speaker, phone=phone, group=group, n=n, counts=[counts], unit=np.arange(len(n))
        )
        found = site_null(SiteUnits(units, 0, SetDefinition(), balance), permutations=199, seed=data)
        p.append((found.p <= 0.05).mean(axis=1))
        assert not (found.q <= 0.05).any()
    assert np.mean(p, axis=0).max() < 0.08


def test_a_neuron_that_cannot_vary_says_nothing_and_leaves_the_others_alone():
    """One that is active in the only run of a speaker alone: no labelling changes it, frames of groups aside."""
    rng = np.random.default_rng(0)
    speaker = np.append(np.zeros(60, int), [1])
    counts = rng.binomial(4, 0.3, size=(61, 6))
    counts[:, 5] = 0
    counts[60, 5] = 4
    group = np.append(np.arange(60) % 2, [1])
    n = np.where(np.arange(61) % 3, 4, 8)
    counts[:60, 0] = np.where(group[:60] == 1, 3, 0)
    units = made_units("run", speaker=speaker, phone=speaker * 0, group=group, n=n, counts=[counts], unit=np.arange(61))
    found = site_null(SiteUnits(units, 0, SetDefinition()), permutations=199, seed=0)
    assert (found.p[:, 5] == 1).all()
    assert found.p[1, 0] == found.p_family[1, 0] == 1 / 200
    assert np.isfinite(found.observed.score).all()


def test_a_group_without_a_phone_in_common_counts_as_one_whose_effect_is_as_large():
    """Of two speakers in each group some labellings compare nothing; p of the two groups then adds up to 1 and more."""
    phone = np.array([0, 1, 0, 1])
    units = made_units(
        "speaker",
        speaker=np.arange(4),
        phone=phone,
        group=np.array([0, 0, 1, 1]),
        n=100,
        counts=[np.random.default_rng(0).binomial(100, 0.1, size=(4, 8))],
    )
    found = site_null(SiteUnits(units, 0, SetDefinition()), permutations=400, seed=0)
    assert (found.p.sum(axis=0) > 1).all()
    assert found.p.min() > 0.3


def test_what_has_one_label_is_not_dealt():
    rng = np.random.default_rng(0)
    dealt = Chosen(np.array([True, False, True]), 4)
    labellings = np.concatenate(list(dealt.deals(300, 1)))
    assert (labellings[:, 1] == 0).all()
    assert np.unique(labellings[:, ::2], axis=0).tolist() == [[one, other] for one in range(4) for other in range(4)]
    units = summed_up(runs_of_phones(rng, speakers=3, phones=2, runs=20))
    assert dealt_units(units).mixed.tolist() == [True] * 6
    alone = replace(units, group=np.where(units.speaker == 1, 0, units.group))
    assert dealt_units(alone).mixed.tolist() == [True, True, False, False, True, True]


@pytest.mark.parametrize("kind", ["speakers", "runs", "runs of pools", "one speaker"])
def test_planted_neurons_are_found_and_few_others(kind):
    rng, power, false = np.random.default_rng(7), [], []
    for data in range(6):
        if kind == "speakers":
            units = speakers_and_phones(rng, speakers=20, planted=12, raised=0.03, spread=0.005)
        else:
            units = runs_of_phones(rng, planted=12, raised=0.12, runs=30)
            units = summed_up(units, pools=3) if kind == "runs of pools" else units
        if kind == "one speaker":
            units = summed_up(runs_of_phones(rng, speakers=1, phones=8, planted=12, raised=0.12, runs=140))
        found = site_null(SiteUnits(units, 0, SetDefinition()), permutations=299, seed=data)
        discovered = found.q[-1] <= 0.1
        power.append(discovered[:12].mean())
        false.append(discovered[12:].sum() / max(1, discovered.sum()))
    assert np.mean(power) > 0.9
    assert np.mean(false) <= 0.1


def test_without_permutations_there_is_no_p():
    units = speakers_and_phones(np.random.default_rng(0))
    found = site_null(SiteUnits(units, 0, SetDefinition()), permutations=0, seed=0)
    assert np.isnan(found.p).all()
    assert np.isnan(found.q).all()
    assert found.sizes.shape == (3, 0)


def test_the_least_count_of_a_lower_bound_is_that_of_the_exact_interval():
    definition = SetDefinition(cells="lower_bound")
    n = np.array([0, 1, 10, 99, 100, 1000, 4321])
    least = definition.least_counts(n, lambda_=0.05, tau=31, width=768)
    for frames, count in zip(n[1:], least[1:], strict=True):
        low = [
            binomtest(int(k), int(frames)).proportion_ci(method="exact").low for k in (count - 1, count) if k <= frames
        ]
        assert low[0] <= 0.05
        assert count > frames or low[1] > 0.05
    assert least[0] > 10**9
