"""Activation patterns against exact fractions."""

from fractions import Fraction

import numpy as np
import pytest

from property_neurons.neurons.definition import SetDefinition
from property_neurons.neurons.patterns import activation_patterns


def loop_patterns(counts, n, share, min_count):
    patterns = np.zeros(counts.shape, dtype=bool)
    for cell, neuron in np.ndindex(*counts.shape):
        if n[cell] > 0 and n[cell] >= min_count:
            patterns[cell, neuron] = Fraction(int(counts[cell, neuron]), int(n[cell])) > share
    return patterns


@pytest.mark.parametrize("lambda_", [0.01, 0.02, 0.05, 1 / 3])
@pytest.mark.parametrize("min_count", [0, 1, 100])
def test_patterns_equal_exact_fractions(lambda_, min_count):
    rng = np.random.default_rng(0)
    n = np.array([0, 1, 3, 99, 100, 101, 1000, 123_457, 10**12])
    counts = np.minimum(np.round(n[:, None] * lambda_).astype(np.int64) + rng.integers(-1, 2, (len(n), 60)), n[:, None])
    counts = np.maximum(counts, 0)
    found = activation_patterns(counts, n, SetDefinition("lambda", min_count=min_count), lambda_=lambda_, tau=31)
    np.testing.assert_array_equal(found, loop_patterns(counts, n, Fraction(str(lambda_)), min_count))
    found = activation_patterns(counts, n, SetDefinition("tau_over_width", min_count=min_count), lambda_=lambda_, tau=2)
    np.testing.assert_array_equal(found, loop_patterns(counts, n, Fraction(2, 60), min_count))


def test_the_threshold_is_strict():
    counts = np.array([[1, 2], [10, 11]])
    found = activation_patterns(counts, np.array([100, 1000]), SetDefinition("lambda"), lambda_=0.01, tau=31)
    assert found.tolist() == [[False, True], [False, True]]


def test_the_two_thresholds_differ_where_tau_was_rounded():
    counts, n = np.zeros((1, 3072), dtype=np.int64), np.array([100_000])
    counts[0, 0] = 1005
    lambda_ = activation_patterns(counts, n, SetDefinition("lambda"), lambda_=0.01, tau=31)
    tau = activation_patterns(counts, n, SetDefinition("tau_over_width"), lambda_=0.01, tau=31)
    assert (lambda_[0, 0], tau[0, 0]) == (True, False)


def test_cells_without_frames_or_with_too_few_have_empty_patterns():
    counts = np.array([[0, 0], [5, 0], [5, 0]])
    n = np.array([0, 9, 10])
    found = activation_patterns(counts, n, SetDefinition("lambda", min_count=10), lambda_=0.01, tau=1)
    assert found.tolist() == [[False, False], [False, False], [True, False]]
