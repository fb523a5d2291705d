"""Stability and held-out selectivity: against other libraries, closed forms and the definitions."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_units import made_units, phones_in_groups, rows_of, runs_of_phones, speakers_and_phones
from scipy.sparse import coo_array
from scipy.stats import false_discovery_control
from sklearn.metrics import average_precision_score, roc_auc_score

from property_neurons.counting.balance import BalancedCells
from property_neurons.errors import CountingError
from property_neurons.neurons.definition import SetDefinition
from property_neurons.neurons.embedding import group_silhouette, pattern_distances
from property_neurons.neurons.groups import layer_summary, neuron_table
from property_neurons.neurons.patterns import site_patterns
from property_neurons.neurons.statistics import labelled_sets
from property_neurons.neurons.statistics.held_out_silhouette import half_silhouettes
from property_neurons.neurons.statistics.labelled_sets import SiteUnits
from property_neurons.neurons.statistics.report import NEURON_COLUMNS, neuron_statistics, with_statistics
from property_neurons.neurons.statistics.resampling import (
    UnitScores,
    held_out,
    jaccard,
    nogueira_stability,
    selection_frequency,
    speaker_bootstraps,
    speaker_halves,
)
from property_neurons.neurons.statistics.selectivity import group_entropy, log_odds, separation
from property_neurons.neurons.statistics.selector_comparison import compare_selectors
from property_neurons.ranks.sites import Site


@pytest.fixture(scope="module")
def scores():
    rng = np.random.default_rng(0)
    values = np.where(rng.random((200, 7)) < 0.4, rng.integers(1, 5, (200, 7)) / 4, 0.0)
    values[:, 6] = 0
    return values, rng.random(200) < 0.3, rng.integers(0, 4, 200)


def test_separation_equals_scikit_learns(scores):
    values, positive, _ = scores
    auroc, precision = separation(coo_array(values), positive)
    for column in range(values.shape[1]):
        assert auroc[column] == pytest.approx(roc_auc_score(positive, values[:, column]), abs=1e-12)
        assert precision[column] == pytest.approx(average_precision_score(positive, values[:, column]), abs=1e-12)


def test_separation_within_strata_weighs_them_by_their_pairs(scores):
    values, positive, stratum = scores
    # A stratum of one kind has nothing to compare.
    stratum = np.where(positive, stratum, np.minimum(stratum, 2))
    auroc, precision = separation(coo_array(values), positive, stratum)
    for column in range(values.shape[1]):
        u, pairs, gains, ones = 0.0, 0, 0.0, 0
        for one in range(3):
            inside = stratum == one
            n1, n0 = positive[inside].sum(), (~positive[inside]).sum()
            u += roc_auc_score(positive[inside], values[inside, column]) * n1 * n0
            gains += average_precision_score(positive[inside], values[inside, column]) * n1
            pairs, ones = pairs + n1 * n0, ones + n1
        assert auroc[column] == pytest.approx(u / pairs, abs=1e-12)
        assert precision[column] == pytest.approx(gains / ones, abs=1e-12)


def test_separation_is_undefined_without_both_kinds(scores):
    values, _, _ = scores
    auroc, precision = separation(coo_array(values), np.zeros(200, bool))
    assert np.isnan(auroc).all()
    assert np.isnan(precision).all()
    assert separation(coo_array((200, 0)), np.zeros(200, bool))[0].shape == (0,)


def test_auroc_of_planted_runs_is_its_closed_form():
    """Of runs of one frame, active with chance p1 or p0, the AUROC is 1/2 + (p1 - p0) / 2."""
    rng = np.random.default_rng(0)
    total, rates = 60_000, np.array([0.05, 0.3])
    group, phone = rng.integers(2, size=total), rng.integers(3, size=total)
    speaker = rng.integers(10, size=total)
    counts = rng.random((total, 6)) < rates[group][:, np.newaxis]
    units = made_units(
        "run", speaker=speaker, phone=phone, group=group, n=1, counts=[counts], unit=np.arange(total), lambda_=0.1
    )
    rows = SiteUnits(units, 0, SetDefinition())
    halves = speaker_halves(units, 4, 0)
    found = held_out(rows, halves, rows.weighted(halves))
    assert (found.halves[1] == 8).all()
    np.testing.assert_allclose(found.auroc[1], 0.5 + (0.3 - 0.05) / 2, atol=0.01)
    np.testing.assert_allclose(found.effect[1], 0.25, atol=0.01)


def test_equal_shares_of_runs_of_other_lengths_are_ties():
    n = np.array([3, 6, 9, 12, 21, 24, 27, 33, 39, 49])
    counts = np.repeat((n // 3)[:, np.newaxis], 2, axis=1)
    counts[-1] = 0
    speaker = np.arange(10) % 2
    units = made_units(
        "run", speaker=speaker, phone=speaker * 0, group=[0, 1] * 5, n=n, counts=[counts], unit=range(10)
    )
    auroc, _ = UnitScores(SiteUnits(units, 0, SetDefinition()), np.ones(2, bool)).separation(1, np.array([0, 1]))
    # Nine runs are active in a third of their frames; the tenth, of the group, in none.
    assert auroc.tolist() == [0.4, 0.4]


def test_held_out_follows_the_definition():
    units = speakers_and_phones(np.random.default_rng(2), speakers=10, neurons=30, planted=8, raised=0.04, spread=0.02)
    definition = SetDefinition(sigma=0.6)
    rows = SiteUnits(units, 0, definition)
    halves = speaker_halves(units, 3, 1)
    found = held_out(rows, halves, rows.weighted(halves))
    counts = units.site_counts(0).toarray()
    expected = {}
    for half in range(6):
        table = neuron_table(rows_of(units, halves[units.speaker, half] > 0), definition)
        others = np.flatnonzero(halves[:, half ^ 1])
        for row in table[table["exclusive"]].itertuples():
            score = [(counts / units.n[:, np.newaxis])[units.speaker == one, row.neuron].mean() for one in others]
            positive = [f"g{one % 2}" == row.group for one in others]
            expected.setdefault((int(row.group[1:]), row.neuron), []).append(
                (roc_auc_score(positive, score), average_precision_score(positive, score))
            )
    assert expected
    assert found.halves.sum() == sum(map(len, expected.values()))
    for (group, neuron), values in expected.items():
        auroc, precision = np.mean(values, axis=0)
        assert found.auroc[group, neuron] == pytest.approx(auroc)
        assert found.average_precision[group, neuron] == pytest.approx(precision)


@pytest.mark.parametrize("speakers", [4, 7, 20])
def test_halves_are_halves_of_each_groups_speakers(speakers):
    units = speakers_and_phones(np.random.default_rng(0), speakers=speakers)
    halves = speaker_halves(units, 30, 0)
    assert (halves[:, 0::2] + halves[:, 1::2] == 1).all()
    for group in range(2):
        sizes = halves[group::2].sum(axis=0)
        of_group = len(range(group, speakers, 2))
        assert set(sizes) <= {of_group // 2, (of_group + 1) // 2}
    assert len(np.unique(halves[:, 0::2], axis=1).T) > 1


def test_three_speakers_of_two_groups_have_no_halves():
    units = speakers_and_phones(np.random.default_rng(0), speakers=3)
    assert speaker_halves(units, 5, 0) is None
    assert speaker_bootstraps(units, 5, 0) is None
    found = neuron_statistics(units, SetDefinition(), permutations=5, halves=3, seed=0)
    assert len(found.stability) == 0
    assert found.neurons["selection"].isna().all()


def test_selection_frequency_is_that_of_resampled_speakers():
    units = speakers_and_phones(np.random.default_rng(4), speakers=8, planted=6, raised=0.03, spread=0.02)
    definition = SetDefinition(sigma=0.6)
    times = speaker_bootstraps(units, 7, 0)
    assert (times[0::2].sum(axis=0) == 4).all()
    assert (times[1::2].sum(axis=0) == 4).all()
    found = selection_frequency(SiteUnits(units, 0, definition), times)
    expected = np.zeros(found.shape)
    for one in times.T:
        rows = np.concatenate([np.flatnonzero(units.speaker == who) for who in np.repeat(np.arange(8), one)])
        table = neuron_table(rows_of(units, rows), definition)
        for row in table[table["exclusive"]].itertuples():
            expected[int(row.group[1:]), row.neuron] += 1 / 7
    np.testing.assert_allclose(found, expected)
    assert found.max() > 0


def test_nogueira_is_kunchevas_index_for_sets_of_one_size():
    """For sets of k features of d it is the mean over pairs of (r - k^2 / d) / (k - k^2 / d) (Kuncheva 2007)."""
    rng = np.random.default_rng(0)
    sets = np.zeros((6, 40), bool)
    for one in sets:
        one[rng.choice(15, 8, replace=False)] = True
    chance = 8**2 / 40
    pairs = [
        ((sets[a] & sets[b]).sum() - chance) / (8 - chance) for a in range(len(sets)) for b in range(len(sets)) if a < b
    ]
    assert nogueira_stability(sets) == pytest.approx(np.mean(pairs))
    assert nogueira_stability(np.stack([sets[0]] * 3)) == 1
    assert np.isnan(nogueira_stability(np.zeros((3, 5), bool)))
    at_random = rng.random((200, 500)) < 0.2
    assert abs(nogueira_stability(at_random)) < 0.02


def test_jaccard():
    assert jaccard(np.array([True, True, False]), np.array([True, False, True])) == pytest.approx(1 / 3)
    assert np.isnan(jaccard(np.zeros(2, bool), np.zeros(2, bool)))


def test_entropy_and_log_odds():
    active = np.array([[0.2, 0.1, 0.0], [0.0, 0.1, 0.0]])
    assert group_entropy(active)[:2].tolist() == [0, 1]
    assert np.isnan(group_entropy(active)[2])
    assert log_odds(np.array(0.5), np.array(0.2), 1000) == pytest.approx(np.log(4))
    assert np.isfinite(log_odds(np.array(1.0), np.array(0.0), 1000))


def uneven(rng, speakers=20, n=200, **made):
    """A property of speakers, every fifth one in the first group."""
    units = speakers_and_phones(rng, speakers=speakers, n=n, **made)
    return replace(units, group=np.minimum(units.speaker % 5, 1).astype(np.int32))


@pytest.mark.parametrize("make", [uneven, runs_of_phones])
def test_balanced_groups_have_as_many_frames_of_each_phone(make):
    units = make(np.random.default_rng(0))
    keep = np.random.default_rng(1).random(len(units.n)) < np.where(units.group == 0, 0.5, 1)
    units = rows_of(units, keep)
    thinned = BalancedCells(units, 3)
    n, phone = units.phone_cell_n, np.nonzero(units.cells)[1]
    assert thinned.phone_cell_n.tolist() == [n[phone == one].min() for one in phone]
    before, after = units.phone_cell_counts(0), thinned.phone_cell_counts(0)
    assert (after <= before).all()
    assert (after <= thinned.phone_cell_n[:, np.newaxis]).all()
    # Sampled without replacement: the share of active frames stays.
    assert after.sum() / thinned.phone_cell_n.sum() == pytest.approx(before.sum() / n.sum(), rel=0.05)
    assert (thinned.phone_cell_counts(0) == after).all()


def test_balanced_cells_and_balanced_units_give_the_same_sets():
    units, definition = uneven(np.random.default_rng(2), n=12, spread=0.02), SetDefinition(sigma=0.5)
    statistics = neuron_statistics(units, definition, permutations=20, halves=2, seed=4, balance=True)
    table = neuron_table(BalancedCells(units, 4), definition)
    assert len(with_statistics(table, statistics)) == len(table) > 0
    with pytest.raises(CountingError, match="expected the counts of cells and those of units to give the same sets"):
        with_statistics(neuron_table(units, definition), statistics)


def test_phones_own_groups_are_not_thinned():
    units = phones_in_groups(np.random.default_rng(0))
    assert (BalancedCells(units, 0).phone_cell_counts(0) == units.phone_cell_counts(0)).all()
    drawn = [SiteUnits(units, 0, SetDefinition(), seed).weighted(np.ones((5, 1))) for seed in (None, 0)]
    assert (drawn[0].effect == drawn[1].effect).all()


def test_balance_is_fair_to_groups_of_few_speakers():
    """Four speakers against sixteen, three frames of a phone each, and nothing to find."""
    rng, of_sizes, auroc = np.random.default_rng(0), [], []
    for study in range(40):
        units = uneven(rng, n=3, phones=4, neurons=30, rate=0.1)
        definition = SetDefinition(sigma=0.5)
        found = neuron_statistics(units, definition, permutations=99, halves=4, seed=study, balance=True)
        null = found.null[(found.null["layer"] == 1) & (found.null["group"] != "")]
        of_sizes.append(null["p"].to_numpy())
        auroc.append(found.stability.loc[found.stability["group"] != "", "auroc"].to_numpy())
    assert (np.mean(np.array(of_sizes) <= 0.05, axis=0) <= 0.15).all()
    assert np.nanmean(auroc, axis=0) == pytest.approx([0.5, 0.5], abs=0.06)


def test_the_others_are_those_of_the_phones_that_both_have():
    """Phone 1 is spoken in the first group alone, and there the neuron is active."""
    units = made_units(
        "speaker",
        speaker=[0, 0, 1, 2, 2, 3],
        phone=[0, 1, 0, 0, 1, 0],
        group=[0, 0, 1, 0, 0, 1],
        n=100,
        counts=[np.array([[10], [90], [4], [10], [90], [4]])],
    )
    row = (
        neuron_statistics(units, SetDefinition(), permutations=0, halves=0, seed=0).neurons.set_index("group").loc["g0"]
    )
    assert row["p_active"] == pytest.approx(0.5)
    assert (row["p_others"], row["effect"]) == pytest.approx((0.04, 0.06))
    assert row["log_odds"] == pytest.approx(np.log(0.1 / 0.9) - np.log(0.04 / 0.96))


@pytest.fixture(scope="module")
def found():
    units = speakers_and_phones(np.random.default_rng(5), speakers=12, planted=10, raised=0.06, spread=0.01)
    definition = SetDefinition(sigma=0.6)
    statistics = neuron_statistics(units, definition, permutations=399, halves=4, seed=0)
    return units, neuron_table(units, definition), statistics


def test_the_tables_say_what_each_set_is_worth(found):
    units, table, statistics = found
    joined = with_statistics(table, statistics)
    assert joined.columns.tolist() == [*table.columns, *NEURON_COLUMNS]
    pd.testing.assert_frame_equal(joined[table.columns.tolist()], table)
    planted = joined[(joined["group"] == "g1") & (joined["neuron"] < 10) & joined["exclusive"]]
    assert len(planted) >= 6
    assert (planted["q"] < 0.05).all()
    assert planted["auroc"].mean() > 0.95
    others = joined[joined["exclusive"] & (joined["neuron"] >= 10)]
    assert planted["selection"].mean() > 0.7 > others["selection"].mean()
    null = statistics.null.set_index(["layer", "group"])
    summary = layer_summary(table, units).set_index("group")
    assert null.loc[(1, "g1"), "observed"] == summary.loc["g1", "group_neurons"]
    assert null.loc[(1, ""), "observed"] == summary.loc["g1", "property_neurons"]
    assert null.loc[(0, ""), "observed"] == null.loc[(1, ""), "observed"]
    assert null.loc[(1, "g1"), "false_share"] == pytest.approx(1 / null.loc[(1, "g1"), "ratio"])
    assert statistics.stability["group"].tolist() == ["g0", "g1", ""]
    assert (statistics.stability["speakers"] == 12).all()


def test_a_false_discovery_rate_leaves_neurons_out(found):
    _, table, statistics = found
    joined = with_statistics(table, statistics, fdr=0.05)
    assert joined["exclusive"].sum() < table["exclusive"].sum()
    assert (joined.loc[joined["exclusive"], "q"] <= 0.05).all()
    assert len(joined) == len(table)


def test_groups_of_one_speaker_have_no_null_and_keep_their_sets():
    """Dealt anew they would only change their names."""
    rng = np.random.default_rng(0)
    speaker, phone = np.divmod(np.arange(8 * 3), 3)
    counts = rng.binomial(100, np.where(rng.random((8, 40)) < 0.2, 0.3, 0.03)[speaker])
    units = made_units("speaker", speaker=speaker, phone=phone, group=speaker, n=100, counts=[counts])
    statistics = neuron_statistics(units, SetDefinition(), permutations=50, halves=2, seed=0)
    assert statistics.null[["null_mean", "p", "q", "detectable"]].isna().all().all()
    assert statistics.neurons[["p", "q", "p_family"]].isna().all().all()
    table = neuron_table(units, SetDefinition())
    assert table["exclusive"].any()
    limited = with_statistics(table, statistics, fdr=0.05)
    assert limited["exclusive"].tolist() == table["exclusive"].tolist()


def test_the_table_of_the_null_says_what_it_could_have_seen(found):
    _, _, statistics = found
    null = statistics.null
    assert np.allclose(null["q"], false_discovery_control(null["p"]))
    assert (null["detectable"] > null["null_mean"]).all()
    assert (null.loc[null["observed"] > null["detectable"], "p"] <= 0.05).all()


def test_halves_have_every_group_that_two_speakers_have():
    """A property of utterances: one group of two speakers of eight, one of a single speaker."""
    speaker, group = np.divmod(np.arange(8 * 4), 4)
    kept = (group < 2) | ((group == 2) & (speaker < 2)) | ((group == 3) & (speaker == 5))
    units = made_units(
        "utterance",
        speaker=speaker[kept],
        phone=np.zeros(kept.sum(), int),
        group=group[kept],
        n=50,
        counts=[np.ones((kept.sum(), 3), int)],
        unit=np.arange(kept.sum()),
    )
    halves = speaker_halves(units, 40, 0)
    assert (halves[:2].sum(axis=0) == 1).all()
    assert (halves[:, 0::2] + halves[:, 1::2] == 1).all()
    assert set(halves.sum(axis=0)) == {4}


def test_statistics_of_other_sets_are_refused(found):
    _, table, statistics = found
    with pytest.raises(CountingError, match=rf"neuron {table['neuron'].iloc[0]} of layer 1 in g0 by one of them"):
        with_statistics(table.iloc[1:], statistics)


def test_the_same_seed_gives_the_same_tables(found):
    units, _, statistics = found
    again = neuron_statistics(units, SetDefinition(sigma=0.6), permutations=399, halves=4, seed=0)
    for name in ("neurons", "null", "stability"):
        pd.testing.assert_frame_equal(getattr(again, name), getattr(statistics, name))


@pytest.mark.parametrize("make", [speakers_and_phones, runs_of_phones, phones_in_groups])
def test_silhouettes_of_halves_follow_the_definition(make):
    units = make(np.random.default_rng(4))
    definition = SetDefinition(min_count=20)
    rows = SiteUnits(units, 0, definition)
    halves = speaker_halves(units, 2, 0)
    patterns = rows.patterns(halves)
    group = units.phone_cell_groups
    within, across = half_silhouettes(patterns, group)
    for split in range(2):
        sides = []
        for half in (2 * split, 2 * split + 1):
            sides.append(site_patterns(rows_of(units, halves[units.speaker, half] > 0), 0, definition))
            np.testing.assert_array_equal(patterns[:, :, half], sides[-1])
        usual = [group_silhouette(pattern_distances(side), group) for side in sides]
        assert within[:, split].mean() == pytest.approx(np.mean(usual))
        for row in range(len(group)):
            values = []
            for one, other in (sides, sides[::-1]):
                far = np.sqrt((one[row] != other).sum(axis=1))
                mean = {k: far[(group == k) & (np.arange(len(group)) != row)].mean() for k in np.unique(group)}
                own, nearest = mean.pop(group[row]), min(mean.values())
                values.append((nearest - own) / max(nearest, own))
            assert across[row, split] == pytest.approx(np.mean(values))


def test_what_speakers_do_alike_in_all_phones_separates_within_halves_and_not_across():
    """Where speakers differ and genders do not, patterns of a gender lie together because the same people spoke."""
    rng = np.random.default_rng(0)
    options = [{"spread": 0.03}, {"planted": 30, "raised": 0.1, "spread": 0.03}]
    nothing, planted = (
        [values.mean() for values in _silhouettes_of(speakers_and_phones(rng, phones=20, neurons=200, **each))]
        for each in options
    )
    assert nothing[0] > 0.2
    assert abs(nothing[1]) < 0.03
    assert planted[1] > 0.03


def _silhouettes_of(units):
    rows = SiteUnits(units, 0, SetDefinition())
    return half_silhouettes(rows.patterns(speaker_halves(units, 10, 0)), units.phone_cell_groups)


@pytest.mark.parametrize("count", [neuron_statistics, compare_selectors])
def test_splits_of_more_groups_than_fit_are_refused_with_how_many_do(count):
    units = runs_of_phones(np.random.default_rng(0), groups=3)
    # A thousand phones: 2000 and a few bytes for each of 2 x 8 halves, 3 groups and 400,000 neurons.
    units = replace(units, phones=("p",) * 1000, sites=(Site(1, "1", 400_000),))
    arguments = {"permutations": 1} if count is neuron_statistics else {}
    with pytest.raises(CountingError, match=r"into 3.2 GB, found .* 3 groups take 39.2 GB; set statistics.halves to 0"):
        count(units, SetDefinition(), halves=8, seed=0, **arguments)


@pytest.mark.parametrize("make", [speakers_and_phones, phones_in_groups])
def test_what_is_held_at_a_time_changes_no_number(make, monkeypatch):
    units = make(np.random.default_rng(2))
    arguments = {"permutations": 130, "halves": 2, "seed": 3}
    at_once = neuron_statistics(units, SetDefinition(), **arguments)
    # Three labellings of each group and neuron.
    monkeypatch.setattr(labelled_sets, "_MOST_LABELLED", 3 * len(units.groups) * units.sites[0].width)
    in_parts = neuron_statistics(units, SetDefinition(), **arguments)
    pd.testing.assert_frame_equal(in_parts.neurons, at_once.neurons)
    pd.testing.assert_frame_equal(in_parts.null, at_once.null)


def test_silhouettes_of_single_phones_are_undefined():
    units = phones_in_groups(np.random.default_rng(0), group_of_phone=range(7))
    assert all(np.isnan(values).all() for values in _silhouettes_of(units))


def test_sizes_of_single_phones_have_no_null():
    units = phones_in_groups(np.random.default_rng(0), group_of_phone=range(5))
    statistics = neuron_statistics(units, SetDefinition(), permutations=19, halves=2, seed=0)
    assert statistics.null["p"].isna().all()
    assert statistics.null["false_share"].isna().all()
    assert statistics.neurons["p"].notna().all()
