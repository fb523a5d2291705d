"""Scores against small loops: decoding, edits, rates, intervals, R^2."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from property_neurons.errors import TaskError
from property_neurons.tasks.intervals import Difference, bootstrap_interval, paired_difference
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
            "speaker": "s",
            "gender": "F",
            "error": error,
            "weight": weight,
        }
    )


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
    rng = np.random.default_rng(5)
    rates = []
    for _ in range(300):
        drawn = [scores.iloc[index] for index in rng.integers(len(scores), size=len(scores))]
        rates.append(sum(row["error"] for row in drawn) / sum(row["weight"] for row in drawn))
    found = bootstrap_interval(scores, resamples=300, level=0.9, seed=5)
    assert found == pytest.approx((np.quantile(rates, 0.05), np.quantile(rates, 0.95)), rel=1e-12)
    assert found == bootstrap_interval(scores.sample(frac=1, random_state=0), resamples=300, level=0.9, seed=5)
    assert found != bootstrap_interval(scores, resamples=300, level=0.9, seed=6)


def test_the_interval_is_as_wide_as_theory_has_it():
    n, p = 2000, 0.2
    error = np.random.default_rng(0).permutation(np.repeat([1, 0], [int(p * n), n - int(p * n)]))
    scores = pd.DataFrame({"utterance": [f"u{index}" for index in range(n)], "error": error, "weight": 1})
    low, high = bootstrap_interval(scores)
    half = 1.96 * np.sqrt(p * (1 - p) / n)
    assert (low, high) == pytest.approx((p - half, p + half), abs=0.1 * half)


def test_draws_without_weight_are_left_out_of_the_interval():
    scores = pd.DataFrame({"utterance": ["a", "b"], "error": [2.0, 0.0], "weight": [4, 0]})
    assert bootstrap_interval(scores, resamples=50) == (0.5, 0.5)


def test_the_difference_equals_a_plain_loop_over_the_same_draws():
    first, second = [score_table(seed, scale=1.3) for seed in (1, 2, 3)], [score_table(seed) for seed in (4, 5)]
    resamples, n = 200, len(first[0])
    rng = np.random.default_rng(9)
    utterance = [rng.integers(n, size=n) for _ in range(resamples)]
    runs = [rng.integers(len(side), size=(resamples, len(side))) for side in (first, second)]
    differences = []
    for resample in range(resamples):
        means = []
        for side, run in zip((first, second), runs, strict=True):
            drawn = [side[index].iloc[utterance[resample]] for index in run[resample]]
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
    assert found == Difference(*([pytest.approx(-0.1)] * 3), n_first=1, n_second=1, utterances=len(first))
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
