"""Scores against small loops: decoding, edits, rates, intervals, R^2."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from property_neurons.errors import TaskError
from property_neurons.neurons.statistics.false_discovery import q_values
from property_neurons.tasks.intervals import (
    estimate,
    interval_label,
    mean_interval,
    paired_difference,
    resample,
)
from property_neurons.tasks.metrics import constant_mse, r_squared
from property_neurons.tasks.scores import rate
from property_neurons.tasks.utterance_errors import collapse, edits

SEQUENCES = st.lists(st.integers(0, 3), max_size=9)


def loop_edits(reference, hypothesis):
    """The table of Wagner and Fischer."""
    table = [[max(i, j) for j in range(len(hypothesis) + 1)] for i in range(len(reference) + 1)]
    for i, j in itertools.product(range(1, len(reference) + 1), range(1, len(hypothesis) + 1)):
        differs = reference[i - 1] != hypothesis[j - 1]
        table[i][j] = min(table[i - 1][j] + 1, table[i][j - 1] + 1, table[i - 1][j - 1] + differs)
    return table[-1][-1]


def score_table(seed, n=40, scale=1.0):
    """Made-up edits of a run; the lengths of the utterances are those of every run."""
    weight = np.random.default_rng(7).integers(5, 60, size=n)
    error = np.random.default_rng(seed).binomial(weight, 0.3 * scale)
    return pd.DataFrame(
        {
            "utterance": [f"u{index:03d}" for index in range(n)],
            "speaker": [f"s{index % 7 if index < 30 else 3}" for index in range(n)],
            "gender": "F",
            "error": error,
            "weight": weight,
        }
    )


def rate_of(scores):
    return scores["error"].sum() / scores["weight"].sum()


def loop_draws(scores, resamples, seed):
    """For each resample the rows drawn: speakers with replacement, each with all utterances."""
    rng = np.random.default_rng(seed)
    speakers = sorted(set(scores["speaker"]))
    rows = {name: scores.index[scores["speaker"] == name].tolist() for name in speakers}
    return [
        [row for one in rng.integers(len(speakers), size=len(speakers)) for row in rows[speakers[one]]]
        for _ in range(resamples)
    ]


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ([], []),
        ([9, 9], []),
        ([1, 1, 2, 2, 2], [1, 2]),
        ([1, 9, 1], [1, 1]),
        ([9, 3, 3, 9, 9, 3, 0, 9], [3, 3, 0]),
        ([0], [0]),
    ],
)
def test_repeats_are_merged_and_blanks_dropped(ids, expected):
    assert collapse(np.array(ids, dtype=np.int64), 9).tolist() == expected


@given(st.lists(st.integers(0, 3), max_size=20), st.integers(0, 3))
def test_collapse_equals_a_plain_loop(ids, blank):
    expected = [unit for unit, _ in itertools.groupby(ids) if unit != blank]
    assert collapse(np.array(ids, dtype=np.int16), blank).tolist() == expected


@given(SEQUENCES, SEQUENCES)
@settings(deadline=None)
def test_edits_equal_a_small_table(reference, hypothesis):
    expected = loop_edits(reference, hypothesis)
    assert edits(reference, hypothesis) == expected
    assert edits(np.array(reference, dtype=np.int16), np.array(hypothesis, dtype=np.int64)) == expected


def test_the_rate_is_of_sums_and_no_mean_of_rates():
    scores = pd.DataFrame({"utterance": ["a", "b"], "error": [1, 30], "weight": [10, 40]})
    assert rate(scores) == pytest.approx(31 / 50)


def test_speakers_are_drawn_within_their_groups_and_utterances_of_a_lone_one():
    scores = score_table(1)
    within = pd.Series(np.where(scores["speaker"].isin(["s0", "s1"]), "a", "b"), index=scores["utterance"])
    within[scores["utterance"][scores["speaker"] == "s2"]] = "c"
    drawn = resample(scores, resamples=50, within=within)
    units = drawn.unit_of.groupby(within).unique()
    n = {"a": 2, "b": 4, "c": int((scores["speaker"] == "s2").sum())}
    assert {group: len(own) for group, own in units.items()} == n
    assert {group: set(drawn.times[:, own].sum(axis=1)) for group, own in units.items()} == {
        group: {count} for group, count in n.items()
    }


def clustered(rng, speakers=5, per_speaker=60, spread=0.05, noise=0.04):
    """Error rates of 20 % in the mean that differ by 5 points from speaker to speaker, by 4 from one utterance on."""
    rates = np.repeat(0.2 + spread * rng.standard_normal(speakers), per_speaker)
    return pd.DataFrame(
        {
            "utterance": [f"u{number}" for number in range(speakers * per_speaker)],
            "speaker": np.repeat([f"s{number:03d}" for number in range(speakers)], per_speaker),
            "error": rates + noise * rng.standard_normal(len(rates)),
            "weight": 1,
        }
    )


def coverage(studies, resamples, **changes):
    """How often intervals of 95 % hold the true rate: of speakers and utterances, of utterances alone."""
    rng = np.random.default_rng(0)
    held = np.zeros(2)
    for _ in range(studies):
        scores = clustered(rng, **changes)
        for place, table in enumerate((scores, scores.assign(speaker=scores["utterance"]))):
            low, high = mean_interval([table], resamples=resamples)
            held[place] += low <= 0.2 <= high
    return held / studies


def test_intervals_of_speakers_hold_the_truth_where_those_of_utterances_do_not():
    by_speaker, by_utterance = coverage(25, 100)
    assert by_speaker > 0.85
    assert by_utterance < 0.5


@pytest.mark.slow
def test_how_often_intervals_hold_the_truth():
    by_speaker, by_utterance = coverage(300, 300)
    assert (by_speaker, by_utterance) == pytest.approx((0.95, 0.26), abs=0.06)
    assert coverage(150, 200, speakers=40, per_speaker=10)[0] == pytest.approx(0.95, abs=0.05)


def p_of_no_difference(studies, speakers, spread):
    rng = np.random.default_rng(1)
    pairs = [[clustered(rng, speakers, 6, spread) for _ in range(2)] for _ in range(studies)]
    return [paired_difference({0: first}, {0: second}, resamples=300).p for first, second in pairs]


def test_p_is_uniform_where_there_is_no_difference():
    assert stats.kstest(p_of_no_difference(25, 12, 0), "uniform").pvalue > 0.01


@pytest.mark.slow
@pytest.mark.parametrize(("speakers", "spread"), [(5, 0.0), (5, 0.05), (40, 0.0)])
def test_one_in_twenty_tests_without_a_difference_passes_at_5_percent(speakers, spread):
    found = np.array(p_of_no_difference(300, speakers, spread))
    assert stats.kstest(found, "uniform").pvalue > 0.01
    assert np.mean(found < 0.05) == pytest.approx(0.05, abs=0.035)


def loop_of_seeds(studies, seeds, speakers, of_seeds, of_speakers, *, paired):
    """p of studies of two equal models: a seed's model is better or worse by chance, and what it does to a speaker."""
    rng = np.random.default_rng(3)
    names = [f"s{number}" for number in range(speakers)]
    whole = pd.DataFrame({"utterance": names, "speaker": names, "weight": 1})

    def side():
        changes = of_seeds * rng.standard_normal((seeds, 1)) + rng.standard_normal((seeds, speakers))
        return changes + of_speakers * rng.standard_normal(speakers)

    found = []
    for _ in range(studies):
        runs = [{seed: whole.assign(error=errors) for seed, errors in enumerate(side())} for _ in range(2)]
        found.append(paired_difference(*runs, paired=paired, resamples=300).p)
    return np.array(found)


@pytest.mark.slow
@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize(("seeds", "of_seeds", "of_speakers"), [(3, 0, 1), (3, 2, 0.5)])
def test_few_seeds_that_differ_do_not_make_a_difference_of_nothing(seeds, of_seeds, of_speakers, paired):
    p = loop_of_seeds(250, seeds, 12, of_seeds, of_speakers, paired=paired)
    assert np.mean(p < 0.05) < 0.1
    assert np.mean(p < 0.2) > 0.03


def test_the_detectable_difference_is_found_four_times_in_five():
    scores = clustered(np.random.default_rng(2), speakers=400, per_speaker=2)
    found = estimate(0.0, resample(scores, resamples=400).rates([scores])[:, 0], 400)
    error = np.sqrt(0.04**2 / 800 + 0.05**2 / 400)
    assert found.detectable == pytest.approx(2.8 * error, rel=0.15)
    nothing = estimate(0.0, np.zeros(100), 5)
    assert (nothing.p, np.isnan(nothing.detectable)) == (1.0, True)
    assert estimate(0.5, np.full(100, 0.5), 5).p == 2**-4


def test_of_one_unit_only_seeds_can_tell():
    alone = estimate(0.1, np.full(100, 0.1), 1)
    assert (alone.low, alone.high, np.isnan(alone.p)) == (0.1, 0.1, True)
    runs = np.array([0.0, 0.1, 0.2])
    found = estimate(0.1, np.full(100, 0.1), 1, [runs])
    assert (found.low, found.high) == pytest.approx(stats.t.interval(0.95, 2, 0.1, stats.sem(runs)))
    assert found.p == pytest.approx(stats.ttest_1samp(runs, 0).pvalue)


def loop_of_estimate(mean, over_speakers, speakers, runs, level):
    """What `estimate` says it does, by scipy's t: low, high and p."""
    parts = [(np.var(over_speakers) * speakers / (speakers - 1), speakers - 1)]
    parts += [(np.var(own, ddof=1) / len(own), len(own) - 1) for own in runs if len(own) > 1]
    error = np.sqrt(sum(part for part, _ in parts))
    freedom = error**4 / sum(part**2 / own for part, own in parts)
    return *stats.t.interval(level, freedom, mean, error), 2 * stats.t.cdf(-abs(mean / error), freedom)


@pytest.mark.parametrize("n", [1, 3])
def test_the_interval_is_over_speakers_and_runs(n):
    runs = [score_table(seed) for seed in range(n)]
    rates = [rate_of(run) for run in runs]
    drawn = np.mean([[rate_of(run.iloc[rows]) for rows in loop_draws(runs[0], 200, seed=4)] for run in runs], axis=0)
    expected = loop_of_estimate(np.mean(rates), drawn, 7, [rates], 0.9)
    found = mean_interval(runs, resamples=200, level=0.9, seed=4)
    assert found == pytest.approx(expected[:2], rel=1e-12)
    shuffled = [run.sample(frac=1, random_state=0) for run in runs]
    assert found == pytest.approx(mean_interval(shuffled, resamples=200, level=0.9, seed=4), rel=1e-12)
    assert found != mean_interval(runs, resamples=200, level=0.9, seed=6)


def test_runs_that_lie_far_apart_give_no_rate_below_zero():
    whole = score_table(1)
    low, high = mean_interval([whole, whole.assign(error=0), whole.assign(error=whole["weight"])], resamples=200)
    assert low == 0
    assert high > 1


def test_one_correction_for_a_table():
    q = q_values([0.01, np.nan, 0.04, 0.03])
    assert q == pytest.approx([0.03, np.nan, 0.04, 0.04], nan_ok=True)
    assert np.isnan(q_values([np.nan])).all()


def test_the_interval_is_as_wide_as_theory_has_it():
    n, p = 2000, 0.2
    error = np.random.default_rng(0).permutation(np.repeat([1, 0], [int(p * n), n - int(p * n)]))
    names = [f"u{index}" for index in range(n)]
    scores = pd.DataFrame({"utterance": names, "speaker": names, "error": error, "weight": 1})
    low, high = mean_interval([scores])
    half = 1.96 * np.sqrt(p * (1 - p) / n)
    assert (low, high) == pytest.approx((p - half, p + half), abs=0.1 * half)


def test_draws_without_weight_are_left_out_of_the_interval():
    scores = pd.DataFrame({"utterance": ["a", "b"], "speaker": "s", "error": [2.0, 0.0], "weight": [4, 0]})
    assert mean_interval([scores], resamples=50) == (0.5, 0.5)


@pytest.mark.parametrize("paired", [True, False])
def test_the_difference_equals_a_plain_loop_over_the_same_draws(paired):
    first = {seed: score_table(seed, scale=1.3) for seed in (1, 2, 3)}
    second = {seed: score_table(seed + 3) for seed in ((3, 1, 2) if paired else (1, 2))}
    differences = []
    for rows in loop_draws(first[1], 200, seed=9):
        means = [np.mean([rate_of(run.iloc[rows]) for run in side.values()]) for side in (first, second)]
        differences.append(means[0] - means[1])
    rates = [{seed: rate_of(run) for seed, run in side.items()} for side in (first, second)]
    mean = np.mean(list(rates[0].values())) - np.mean(list(rates[1].values()))
    runs = [[rates[0][seed] - rates[1][seed] for seed in first]] if paired else [list(own.values()) for own in rates]
    expected = (mean, *loop_of_estimate(mean, differences, 7, runs, 0.8))
    first[1] = first[1].sample(frac=1, random_state=1)
    found = paired_difference(first, second, paired=paired, resamples=200, level=0.8, seed=9)
    assert (found.mean, found.low, found.high, found.p) == pytest.approx(expected, rel=1e-9)
    assert (found.n_first, found.n_second, found.utterances) == (3, len(second), len(first[1]))


def test_what_is_hard_for_both_cancels():
    first = score_table(1).assign(error=lambda table: np.arange(len(table)) % 2 * table["weight"])
    second = first.assign(error=first["error"] + 0.1 * first["weight"])
    found = paired_difference({0: first}, {0: second}, resamples=200)
    assert (found.mean, found.low, found.high) == pytest.approx([-0.1] * 3)
    assert (found.n_first, found.n_second, found.utterances, found.speakers) == (1, 1, len(first), 7)
    assert found.p == 2**-6
    low, high = mean_interval([first], resamples=200)
    assert high - low > 0.1


def test_what_differs_between_seeds_cancels_for_paired_ones_alone():
    runs = [score_table(1).assign(error=lambda table, share=share: share * table["weight"]) for share in (0.1, 0.3)]
    paired, apart = (
        paired_difference(dict(enumerate(runs)), dict(enumerate(runs)), paired=paired, resamples=200)
        for paired in (True, False)
    )
    assert (paired.mean, paired.low, paired.high, paired.p) == (0, 0, 0, 1)
    half = stats.t.ppf(0.975, 2) * np.sqrt(2 * 0.1**2)
    assert (apart.mean, apart.low, apart.high) == pytest.approx((0, -half, half))


def test_an_interval_says_whether_seeds_are_in_it():
    assert interval_label(3) == "95 % interval over speakers and seeds"
    assert interval_label(1) == "95 % interval over speakers (one seed)"


def test_runs_on_other_utterances_are_refused():
    scores = score_table(1, n=5)
    with pytest.raises(TaskError, match="found u004 in some runs alone"):
        paired_difference({0: scores}, {0: scores, 1: scores.iloc[:4]})
    with pytest.raises(TaskError, match="found u004, x in some runs alone"):
        paired_difference({0: scores}, {0: scores.replace({"utterance": {"u004": "x"}})})
    for first, second in (({}, {0: scores}), ({0: scores}, {})):
        with pytest.raises(TaskError, match=f"found {len(first)} and {len(second)};"):
            paired_difference(first, second)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda scores: scores.iloc[:0], "found none"),
        (lambda scores: pd.concat([scores, scores.iloc[1:2]]), "more for u001"),
        (lambda scores: scores.assign(weight=0), "zero for all 5"),
        (lambda scores: scores.assign(weight=[1, 1, -1, 1, 1]), "others for u002"),
        (lambda scores: scores.assign(error=[1, 1, 1, np.nan, np.inf]), "others for u003, u004"),
    ],
)
def test_scores_without_a_rate_are_refused(change, problem):
    wrong = change(score_table(1, n=5))
    with pytest.raises(TaskError, match=problem):
        rate(wrong)
    with pytest.raises(TaskError, match=problem):
        mean_interval([wrong])
    with pytest.raises(TaskError, match=problem):
        paired_difference({0: score_table(1, n=5)}, {0: wrong})


def test_r_squared_and_the_constant():
    rng = np.random.default_rng(2)
    target = 5 + 0.3 * rng.standard_normal(1000)
    predicted = target + 0.1 * rng.standard_normal(1000)
    sums = (target.sum(), (target**2).sum(), len(target))
    expected = 1 - ((target - predicted) ** 2).sum() / ((target - target.mean()) ** 2).sum()
    assert r_squared(((target - predicted) ** 2).sum(), *sums) == pytest.approx(expected, rel=1e-9)
    assert r_squared(((target - target.mean()) ** 2).sum(), *sums) == pytest.approx(0, abs=1e-9)
    assert r_squared(0.0, *sums) == 1
    assert constant_mse(4.8, *sums) == pytest.approx(np.mean((target - 4.8) ** 2), rel=1e-9)
    assert constant_mse(target.mean(), *sums) == pytest.approx(target.var(), rel=1e-9)


def test_frames_without_variance_are_refused():
    for sums in ((1.0, 0.0, 0.0, 0), (1.0, 5.3 * 7, 5.3**2 * 7, 7), (1.0, 5.3, 5.3**2, 1)):
        with pytest.raises(TaskError):
            r_squared(*sums)
    with pytest.raises(TaskError, match="voiced frames"):
        constant_mse(5.0, 0.0, 0.0, 0)
