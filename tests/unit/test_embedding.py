"""MDS and silhouettes: the arguments that matter, undefined cases, determinism."""

import math
import warnings

import numpy as np
import pytest
from sklearn.manifold import smacof
from synthetic_stores import make_corpus, write_shards
from threadpoolctl import threadpool_limits

from property_neurons.corpus.phones import PHONES
from property_neurons.counting.count import count_activations
from property_neurons.counting.properties import make_property
from property_neurons.counting.sampling import Sampling
from property_neurons.neurons.definition import SetDefinition
from property_neurons.neurons.embedding import embed, embedding_tables, group_silhouette, pattern_distances
from property_neurons.neurons.patterns import site_patterns


def two_clouds(n=20, width=300, seed=0):
    rng = np.random.default_rng(seed)
    group = np.repeat([0, 1], n)
    return rng.random((2 * n, width)) < np.where(group[:, None] == 0, 0.3, 0.7) * (np.arange(width) < 100), group


def loop_silhouette(points, group):
    values = []
    for i in range(len(points)):
        near = {}
        for other in set(group):
            rows = [j for j in range(len(points)) if group[j] == other and j != i]
            near[other] = sum(math.dist(points[i], points[j]) for j in rows) / len(rows) if rows else None
        own = near.pop(group[i])
        if own is None:
            values.append(0.0)
            continue
        other = min(near.values())
        values.append((other - own) / max(own, other) if max(own, other) else 0.0)
    return sum(values) / len(values)


def test_distances_are_euclidean_between_binary_rows():
    patterns, _ = two_clouds()
    expected = [[math.sqrt(np.sum(a != b)) for b in patterns] for a in patterns]
    np.testing.assert_array_equal(pattern_distances(patterns), expected)


@pytest.mark.parametrize("rows", [2, 3, 20, 117])
def test_embedding_is_scikit_learns_to_the_bit_where_rows_coincide_too(rows):
    patterns = np.random.default_rng(rows).random((rows, 300)) < 0.1
    patterns[1 : rows // 3] = patterns[0]
    distances = pattern_distances(patterns)
    with threadpool_limits(limits=1):
        expected = smacof(
            distances, n_components=2, n_init=4, max_iter=300, eps=1e-6, random_state=3, normalized_stress=False
        )
    assert embed(distances, seed=3).tobytes() == expected[0].tobytes()


def test_embedding_runs_to_convergence():
    patterns, _ = two_clouds()
    distances = pattern_distances(patterns)
    _, stress = smacof(
        distances, n_components=2, n_init=4, max_iter=300, eps=1e-6, random_state=3, normalized_stress=False
    )
    found = embed(distances, seed=3)
    early, early_stress = smacof(distances, n_init=4, max_iter=300, eps=1e-3, random_state=3, normalized_stress=False)
    assert stress < early_stress
    assert np.abs(found - early).max() > 1e-3


def test_embedding_raises_no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        embed(pattern_distances(two_clouds()[0]), seed=0)
        embed(pattern_distances(np.eye(5, dtype=bool)), seed=0)


def test_seeds_differ_and_repeat():
    distances = pattern_distances(np.random.default_rng(2).random((30, 200)) < 0.2)
    np.testing.assert_array_equal(embed(distances, seed=1), embed(distances, seed=1))
    assert not np.allclose(embed(distances, seed=1), embed(distances, seed=2))


def test_the_number_of_threads_changes_nothing():
    distances = pattern_distances(np.random.default_rng(3).random((117, 300)) < 0.2)
    with threadpool_limits(limits=1):
        one = embed(distances, seed=0)
    with threadpool_limits(limits=2):
        two = embed(distances, seed=0)
    assert one.tobytes() == two.tobytes()


def test_silhouette_equals_its_definition():
    patterns, group = two_clouds()
    assert group_silhouette(pattern_distances(patterns), group) == pytest.approx(
        loop_silhouette(patterns.astype(float), group)
    )
    points = embed(pattern_distances(patterns), seed=0)
    distances = np.array([[math.dist(a, b) for b in points] for a in points])
    assert group_silhouette(distances, group) == pytest.approx(loop_silhouette(points, group))


@pytest.mark.parametrize("value", [True, False])
def test_patterns_all_alike_lie_at_the_origin_with_silhouette_zero(value):
    distances = pattern_distances(np.full((10, 50), value))
    points = embed(distances, seed=0)
    assert (points == 0).all()
    assert group_silhouette(distances, np.arange(10) % 2) == 0.0


def test_some_rows_alike_are_no_trouble():
    patterns = np.zeros((10, 50), dtype=bool)
    patterns[0, 0] = True
    assert np.isfinite(embed(pattern_distances(patterns), seed=0)).all()


def test_silhouette_is_undefined_for_one_group_and_for_groups_of_one():
    distances = pattern_distances(np.eye(6, dtype=bool))
    assert math.isnan(group_silhouette(distances, np.zeros(6, dtype=int)))
    assert math.isnan(group_silhouette(distances, np.arange(6)))


def test_tables_hold_every_layer_and_seed_in_row_order(tmp_path):
    corpus = make_corpus(seed=31, n_utterances=10)
    counts = count_activations(
        write_shards(tmp_path, corpus),
        make_property("gender", "gender", order=["M", "F"]),
        Sampling(),
        lambda_=0.05,
        corpus="made-up",
        output=tmp_path / "counts.zarr",
    )
    points, silhouettes = embedding_tables(counts, SetDefinition(), seeds=[0, 7])
    assert points.columns.tolist() == ["layer", "site", "seed", "group", "phone", "x", "y"]
    assert len(points) == 2 * 2 * 78
    one = points[(points["layer"] == 2) & (points["seed"] == 7)]
    assert one["phone"].tolist() == [*PHONES, *PHONES]
    assert one["group"].tolist() == ["M"] * 39 + ["F"] * 39
    assert set(one["site"]) == {"2"}

    distances = pattern_distances(site_patterns(counts, 1, SetDefinition()))
    plane = embed(distances, seed=7)
    np.testing.assert_array_equal(one[["x", "y"]].to_numpy(), plane)
    assert silhouettes.columns.tolist() == ["layer", "site", "seed", "silhouette", "silhouette_full", "n_points"]
    assert list(zip(silhouettes["layer"], silhouettes["seed"], strict=True)) == [(1, 0), (1, 7), (2, 0), (2, 7)]
    row = silhouettes.iloc[3]
    group = np.repeat([0, 1], 39)
    assert row["silhouette"] == pytest.approx(loop_silhouette(plane, group))
    assert row["silhouette_full"] == pytest.approx(group_silhouette(distances, group))
    assert row["n_points"] == 78
    assert silhouettes["silhouette_full"].iloc[2] == row["silhouette_full"]
