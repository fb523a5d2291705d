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
from property_neurons.tasks.intervals import bootstrap_interval, estimate, mean_interval, paired_difference, resample
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


def test_the_interval_equals_a_plain_loop_over_the_same_draws():
    scores = score_table(1)
    rates = []
    for rows in loop_draws(scores, 300, seed=5):
        drawn = [scores.iloc[row] for row in rows]
        rates.append(sum(row["error"] for row in drawn) / sum(row["weight"] for row in drawn))
    found = bootstrap_interval(scores, resamples=300, level=0.9, seed=5)
    assert found == pytest.approx((np.quantile(rates, 0.05), np.quantile(rates, 0.95)), rel=1e-12)
    assert found == bootstrap_interval(scores.sample(frac=1, random_state=0), resamples=300, level=0.9, seed=5)
    assert found != bootstrap_interval(scores, resamples=300, level=0.9, seed=6)


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
            low, high = bootstrap_interval(table, resamples=resamples)
            held[place] += low <= 0.2 <= high
    return held / studies


def test_intervals_of_speakers_hold_the_truth_where_those_of_utterances_do_not():
    by_speaker, by_utterance = coverage(25, 100)
    assert by_speaker > 0.6
    assert by_utterance < 0.5


@pytest.mark.slow
def test_how_often_intervals_hold_the_truth():
    by_speaker, by_utterance = coverage(300, 300)
    assert (by_speaker, by_utterance) == pytest.approx((0.79, 0.26), abs=0.06)
    assert coverage(150, 200, speakers=40, per_speaker=10)[0] == pytest.approx(0.93, abs=0.05)


def p_of_no_difference(studies, speakers, spread):
    rng = np.random.default_rng(1)
    pairs = [[clustered(rng, speakers, 6, spread) for _ in range(2)] for _ in range(studies)]
    return [paired_difference([first], [second], resamples=300).p for first, second in pairs]


def test_p_is_uniform_where_there_is_no_difference():
    assert stats.kstest(p_of_no_difference(25, 12, 0), "uniform").pvalue > 0.01


@pytest.mark.slow
@pytest.mark.parametrize(("speakers", "spread"), [(5, 0.0), (5, 0.05), (40, 0.0)])
def test_one_in_twenty_tests_without_a_difference_passes_at_5_percent(speakers, spread):
    found = np.array(p_of_no_difference(300, speakers, spread))
    assert stats.kstest(found, "uniform").pvalue > 0.01
    assert np.mean(found < 0.05) == pytest.approx(0.05, abs=0.035)


def test_the_detectable_difference_is_found_four_times_in_five():
    scores = clustered(np.random.default_rng(2), speakers=400, per_speaker=2)
    found = estimate(0.0, resample(scores, resamples=400).rates([scores])[:, 0], 400)
    error = np.sqrt(0.04**2 / 800 + 0.05**2 / 400)
    assert found.detectable == pytest.approx(2.8 * error, rel=0.15)
    nothing = estimate(0.0, np.zeros(100), 5)
    assert (nothing.p, np.isnan(nothing.detectable)) == (1.0, True)
    assert estimate(0.5, np.full(100, 0.5), 5).p == 2**-4


def test_the_interval_of_a_mean_draws_runs_too():
    runs = [score_table(seed) for seed in (1, 1, 1)]
    assert mean_interval(runs, resamples=200) == pytest.approx(bootstrap_interval(runs[0], resamples=200))
    apart = [runs[0], runs[0].assign(error=0), runs[0].assign(error=runs[0]["weight"])]
    low, high = mean_interval(apart, resamples=200)
    assert low < 0.15
    assert high > 0.7


def test_one_correction_for_a_table():
    q = q_values([0.01, np.nan, 0.04, 0.03])
    assert q == pytest.approx([0.03, np.nan, 0.04, 0.04], nan_ok=True)
    assert np.isnan(q_values([np.nan])).all()


def test_the_interval_is_as_wide_as_theory_has_it():
    n, p = 2000, 0.2
    error = np.random.default_rng(0).permutation(np.repeat([1, 0], [int(p * n), n - int(p * n)]))
    names = [f"u{index}" for index in range(n)]
    scores = pd.DataFrame({"utterance": names, "speaker": names, "error": error, "weight": 1})
    low, high = bootstrap_interval(scores)
    half = 1.96 * np.sqrt(p * (1 - p) / n)
    assert (low, high) == pytest.approx((p - half, p + half), abs=0.1 * half)


def test_draws_without_weight_are_left_out_of_the_interval():
    scores = pd.DataFrame({"utterance": ["a", "b"], "speaker": "s", "error": [2.0, 0.0], "weight": [4, 0]})
    assert bootstrap_interval(scores, resamples=50) == (0.5, 0.5)


def test_the_difference_equals_a_plain_loop_over_the_same_draws():
    first, second = [score_table(seed, scale=1.3) for seed in (1, 2, 3)], [score_table(seed) for seed in (4, 5)]
    resamples, n = 200, len(first[0])
    utterance = loop_draws(first[0], resamples, seed=9)
    rng = np.random.default_rng([9, 1])
    runs = [rng.integers(len(side), size=(resamples, len(side))) for side in (first, second)]
    differences = []
    for number in range(resamples):
        means = []
        for side, run in zip((first, second), runs, strict=True):
            drawn = [side[index].iloc[utterance[number]] for index in run[number]]
            means.append(np.mean([scores["error"].sum() / scores["weight"].sum() for scores in drawn]))
        differences.append(means[0] - means[1])
    shuffled = [first[0].sample(frac=1, random_state=1), *first[1:]]
    found = paired_difference(shuffled, second, resamples=resamples, level=0.8, seed=9)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(differences, [0.1, 0.9])), rel=1e-12)
    assert found.mean == pytest.approx(
        sum(scores["error"].sum() for scores in first) / 3 / first[0]["weight"].sum()
        - sum(scores["error"].sum() for scores in second) / 2 / second[0]["weight"].sum()
    )
    assert (found.n_first, found.n_second, found.utterances) == (3, 2, n)
    assert found.low < found.mean < found.high


def test_what_is_hard_for_both_cancels():
    first = score_table(1).assign(error=lambda table: np.arange(len(table)) % 2 * table["weight"])
    second = first.assign(error=first["error"] + 0.1 * first["weight"])
    found = paired_difference([first], [second], resamples=200)
    assert (found.mean, found.low, found.high) == pytest.approx([-0.1] * 3)
    assert (found.n_first, found.n_second, found.utterances, found.speakers) == (1, 1, len(first), 7)
    assert found.p == 2**-6
    low, high = bootstrap_interval(first, resamples=200)
    assert high - low > 0.1


def test_runs_that_differ_widen_the_interval_though_both_sides_have_as_many():
    runs = [score_table(1).assign(error=lambda table, share=share: share * table["weight"]) for share in (0.1, 0.3)]
    found = paired_difference(runs, runs, resamples=2000)
    assert (found.mean, found.low, found.high) == pytest.approx((0, -0.2, 0.2))


def test_runs_on_other_utterances_are_refused():
    scores = score_table(1, n=5)
    with pytest.raises(TaskError, match="found u004 in some runs alone"):
        paired_difference([scores], [scores, scores.iloc[:4]])
    with pytest.raises(TaskError, match="found u004, x in some runs alone"):
        paired_difference([scores], [scores.replace({"utterance": {"u004": "x"}})])
    for first, second in (([], [scores]), ([scores], [])):
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
        bootstrap_interval(wrong)
    with pytest.raises(TaskError, match=problem):
        paired_difference([score_table(1, n=5)], [wrong])


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
