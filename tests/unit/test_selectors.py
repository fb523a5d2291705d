"""Selectors: each against its definition on a small table, and all of them where neurons are planted."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_units import made_units, phones_in_groups, runs_of_phones, speakers_and_phones
from sklearn.metrics import average_precision_score

from property_neurons.counting.balance import BalancedCells
from property_neurons.neurons.definition import SetDefinition
from property_neurons.neurons.groups import neuron_table
from property_neurons.neurons.statistics.labelled_sets import SiteUnits
from property_neurons.neurons.statistics.resampling import UnitScores
from property_neurons.neurons.statistics.selector_comparison import COLUMNS, compare_selectors, select
from property_neurons.neurons.statistics.selectors import SELECTORS, Activity, highest
from property_neurons.neurons.statistics.vocabulary import PAPER, RANDOM

# p(active | group) of seven neurons in three groups: everywhere, in two groups, in the first alone (strongly, weakly),
# everywhere but in the first, nowhere, rarely and in the first alone.
P_ACTIVE = np.array(
    [
        [0.90, 0.50, 0.40, 0.20, 0.00, 0.0, 0.01],
        [0.90, 0.48, 0.10, 0.02, 0.60, 0.0, 0.00],
        [0.86, 0.02, 0.10, 0.02, 0.60, 0.0, 0.00],
    ]
)
EVERYWHERE, TWO, FIRST, WEAKLY, NOT_FIRST, NEVER, RARELY = range(7)


@pytest.fixture(scope="module")
def activity():
    rest = (P_ACTIVE.sum(axis=0) - P_ACTIVE) / 2
    precision = np.linspace(0, 1, P_ACTIVE.size).reshape(P_ACTIVE.shape)
    return Activity(*(one[:, :, np.newaxis] for one in (P_ACTIVE, P_ACTIVE - rest, precision)))


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("activation_probability", [EVERYWHERE, TWO, FIRST, WEAKLY]),
        ("mean_difference", [FIRST, TWO, WEAKLY, EVERYWHERE]),
        ("contrast", [FIRST, WEAKLY, TWO, RARELY]),
        ("average_precision", [6, 5, 4, 3]),
        # What the first group lacks stands before what it has: |0 - 0.6| + |0 - 0.6|.
        ("probeless", [NOT_FIRST, FIRST, TWO, WEAKLY]),
        # One value in twenty is above the 95th percentile: after it the most active follow.
        ("entropy", [EVERYWHERE, TWO, FIRST, WEAKLY]),
    ],
)
def test_each_selector_orders_a_small_table_by_its_definition(activity, name, first):
    scores = SELECTORS[name](activity)
    assert scores.shape == (3, 7, 1)
    assert np.argsort(-scores[0, :, 0], kind="stable")[:4].tolist() == first


def test_entropy_prefers_the_uneven_among_the_often_active():
    p = np.full((2, 60), 0.01)
    p[:, 0], p[:, 1], p[:, 2] = 0.9, (0.8, 0.4), (0.3, 0.0)
    p[:, 3] = 0.02, 0.0
    p[:, 4:10] = 0.05
    entropy = SELECTORS["entropy"](Activity(p[:, :, np.newaxis], None, None))[0, :, 0]
    # The fourth is in the first group alone, and too rarely.
    assert np.argsort(-entropy, kind="stable").tolist()[:10] == [2, 1, 0, *range(4, 10), 3]


def test_of_equals_the_lower_number_is_chosen_and_nan_last():
    scores = np.array([[1.0, 2.0, np.nan, 1.0, 1.0], [np.nan, np.nan, 3.0, -1.0, np.nan]])[:, :, np.newaxis]
    chosen = highest(scores, np.array([[3], [3]]))[:, :, 0]
    assert [np.flatnonzero(one).tolist() for one in chosen] == [[0, 1, 3], [0, 2, 3]]
    assert not highest(scores, np.zeros((2, 1), int)).any()


PLANTED = ({30, 31, 32, 33, 34, 35}, {0, 1, 2, 3, 4, 5})
EVERY_FRAME = 20


@pytest.fixture(scope="module")
def planted():
    """Six neurons of the second group, six of the first, and one that is active in a third of all frames."""
    rng = np.random.default_rng(0)
    units = speakers_and_phones(rng, speakers=16, planted=6, raised=0.1, rate=0.03, neurons=400)
    first = units.group == 0
    units.made[0][first, 30:36] = rng.binomial(units.n[first], 0.13, (6, first.sum())).T
    units.made[0][:, EVERY_FRAME] = units.n // 3
    return units


def test_all_selectors_find_planted_neurons(planted):
    found = select(SiteUnits(planted, 0, SetDefinition()), None, 0).chosen
    sizes = found[PAPER].sum(axis=1)
    for name, chosen in found.items():
        assert chosen.shape == (2, 400, 1)
        assert (chosen.sum(axis=1) == sizes).all(), name
    for name in (PAPER, *SELECTORS):
        own = [set(np.flatnonzero(one)) for one in found[name][:, :, 0]]
        if name == "activation_probability":
            # It takes what is active everywhere first, in the place of a neuron of the group.
            assert all(EVERY_FRAME in one and len(one & group) >= 5 for one, group in zip(own, PLANTED, strict=True))
        elif name == "entropy":
            # One of the other group comes in, which by chance is often active in this one too.
            assert all(len(one & group) >= 5 for one, group in zip(own, PLANTED, strict=True))
            assert EVERY_FRAME not in own[0] | own[1]
        elif name == "probeless":
            # Which of two groups a neuron belongs to is not told.
            assert own[0] == own[1] <= PLANTED[0] | PLANTED[1]
        else:
            assert all(one >= group for one, group in zip(own, PLANTED, strict=True)), name
            assert EVERY_FRAME not in own[0] | own[1]


def test_average_precision_equals_scikit_learns(planted):
    rows = SiteUnits(planted, 0, SetDefinition())
    _, precision = UnitScores(rows, np.ones(16, bool)).separations()
    share = (planted.made[0] / planted.n[:, np.newaxis]).reshape(16, 4, 400).mean(axis=1)
    for group in range(2):
        positive = np.arange(16) % 2 == group
        for neuron in range(0, 400, 23):
            # Scores that differ by rounding alone are ties.
            expected = average_precision_score(positive, share[:, neuron].round(12))
            assert precision[group, neuron] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    "make", [lambda rng: speakers_and_phones(rng, planted=6, raised=0.1), runs_of_phones, phones_in_groups]
)
def test_the_comparison_holds_the_paper_against_itself_and_sizes_equal(make):
    units = make(np.random.default_rng(1))
    table, _ = compare_selectors(units, SetDefinition(sigma=0.5), halves=3, seed=0)
    assert list(table.columns) == list(COLUMNS)
    groups = len(units.groups) + 1
    assert len(table) == 2 * groups * (len(SELECTORS) + 2)
    sizes = table.groupby(["layer", "group"])["neurons"]
    assert (sizes.min() == sizes.max()).all()
    paper = table[(table["selector"] == PAPER) & (table["neurons"] > 0)]
    assert len(paper) > 2
    assert (paper["jaccard"] == 1).all()
    assert (paper["shared"] == 1).all()
    assert (paper["in_several"] == 0).all()
    again, _ = compare_selectors(units, SetDefinition(sigma=0.5), halves=3, seed=0)
    pd.testing.assert_frame_equal(table, again)


def test_held_out_selectivity_tells_planted_neurons_from_random_ones(planted):
    table, _ = compare_selectors(planted, SetDefinition(), halves=4, seed=0)
    of_group = table[(table["layer"] == 0) & (table["group"] == "g1")].set_index("selector")
    assert of_group.loc["mean_difference", "auroc"] > 0.9
    assert of_group.loc["average_precision", "auroc"] > 0.9
    assert abs(of_group.loc[RANDOM, "auroc"] - 0.5) < 0.2
    assert of_group.loc["mean_difference", "stability"] > 0.5 > of_group.loc[RANDOM, "stability"]
    # What a selector takes for both groups is no property of either.
    assert of_group.loc["mean_difference", "in_several"] == 0 < of_group.loc["probeless", "in_several"]


def test_without_halves_only_the_overlap_is_there(planted):
    table, _ = compare_selectors(planted, SetDefinition(), halves=0, seed=0)
    assert table["auroc"].isna().all()
    assert table["jaccard"].notna().any()


def test_no_selector_chooses_for_a_group_that_a_half_lacks():
    """The other groups' choice does not suffer from it either."""
    rng = np.random.default_rng(0)
    speaker, group = np.divmod(np.arange(4 * 3), 3)
    kept = (group < 2) | (speaker == 3)
    rates = np.full((3, 30), 0.02)
    rates[0, 20:25] = rates[1, 25:] = 0.3
    units = made_units(
        "utterance",
        speaker=speaker[kept],
        phone=np.zeros(kept.sum(), int),
        group=group[kept],
        n=200,
        counts=[rng.binomial(200, rates[group[kept]])],
        unit=np.arange(kept.sum()),
    )
    halves = np.array([[1, 1, 0, 0], [0, 0, 1, 1]], np.int8).T
    found = select(SiteUnits(units, 0, SetDefinition()), halves, 0)
    for name in SELECTORS:
        assert not found.chosen[name][2, :, 0].any()
    for name in ("contrast", "probeless", "mean_difference"):
        assert set(np.flatnonzero(found.chosen[name][0, :, 0])) <= set(range(20, 30))
    assert found.chosen["contrast"][0, 20:25, 0].all()


def test_what_is_chosen_at_random_differs_by_layer():
    rng = np.random.default_rng(0)
    made = speakers_and_phones(rng, speakers=8, planted=10, raised=0.1)
    units = replace(made, sites=(made.sites[0], replace(made.sites[0], layer=2)), tau=made.tau * 2, made=made.made * 2)
    one, two = (select(SiteUnits(units, site, SetDefinition()), None, 0).chosen[RANDOM] for site in (0, 1))
    assert (one.sum(axis=1) == two.sum(axis=1)).all()
    assert (one != two).any()


def test_balanced_sets_are_those_of_the_table_of_neurons():
    units = speakers_and_phones(np.random.default_rng(1), speakers=12, n=100, spread=0.02)
    fewer = np.where(units.group == 0, 30, 100).astype(np.int32)
    units = replace(units, n=fewer, made=[np.minimum(units.made[0], fewer[:, np.newaxis])])
    definition = SetDefinition(sigma=0.5)
    _, chosen = compare_selectors(units, definition, halves=2, seed=3, balance=True)
    table = neuron_table(BalancedCells(units, 3), definition)
    expected = table.loc[table["exclusive"], ["group", "neuron"]].sort_values(["group", "neuron"])
    found = chosen.loc[chosen["selector"] == PAPER, ["group", "neuron"]].sort_values(["group", "neuron"])
    assert found.to_numpy().tolist() == expected.to_numpy().tolist()
    assert len(found)
