"""Scores and choices of pruning, against plain loops that follow the definitions."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import small_models
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from synthetic_stores import WIDTHS, make_corpus, ranked, write_shards

from property_neurons.counting.count import count_activations
from property_neurons.counting.properties import make_property
from property_neurons.counting.sampling import Sampling
from property_neurons.errors import ModelError
from property_neurons.models.ffn import ffn_sites
from property_neurons.neurons.membership import group_masks, property_masks, union
from property_neurons.neurons.random_sets import matched_sets, random_sets, random_sets_like
from property_neurons.pruning.criteria import Evidence, Frequency, L1Norm, random_scores
from property_neurons.pruning.selection import select


@pytest.mark.parametrize("class_name", small_models.CLASS_NAMES)
@pytest.mark.parametrize("bias", [False, True])
def test_the_l1_score_is_the_sum_over_a_neurons_weights(class_name, bias):
    model = small_models.small_model(class_name)
    for site in ffn_sites(model):
        # New models have biases of zero.
        model.get_submodule(site.first).bias.data.normal_()
    for site, scores in zip(ffn_sites(model), L1Norm().scores(Evidence(model, bias=bias)), strict=True):
        first, second = model.get_submodule(site.first).requires_grad_(False), model.get_submodule(site.module)
        second.requires_grad_(False)
        for neuron in range(site.width):
            expected = sum(abs(float(value)) for value in first.weight[neuron])
            expected += sum(abs(float(value)) for value in second.weight[:, neuron])
            if bias:
                expected += abs(float(first.bias[neuron]))
            assert scores[neuron] == pytest.approx(expected, rel=1e-9)


def test_the_frequency_is_that_of_being_among_the_most_active(tmp_path):
    corpus = make_corpus(seed=3)
    shards = write_shards(tmp_path, corpus)
    frames, hits = 0, [0, 0]
    for utterance in corpus:
        # Frames that have a label and activations.
        for frame in range(min(len(utterance.frames), len(utterance.activations[0]))):
            frames += 1
            for site, width in enumerate(WIDTHS):
                most = ranked(utterance.activations[site][frame])[: max(1, round(0.05 * width))]
                hits[site] = hits[site] + np.isin(np.arange(width), most)
    properties = {
        "gender": {"column": "gender", "order": ["M", "F"]},
        "phone": {"column": "label", "groups": {"a": ["AH"], "b": ["T"]}},
    }
    for name, section in properties.items():
        counts = count_activations(
            shards,
            make_property(name, **section),
            Sampling(),
            lambda_=0.05,
            corpus="made-up",
            output=tmp_path / f"{name}.zarr",
        )
        # Every property of phones or speakers divides the same frames.
        for site, scores in enumerate(Frequency().scores(SimpleNamespace(counted=lambda counts=counts: counts))):
            np.testing.assert_allclose(scores, hits[site] / frames, atol=1e-12)


def loop_selection(scores, sizes, protected):
    """Drop one neuron after the other."""
    kept = []
    for score, size, shielded in zip(scores, sizes, protected, strict=True):
        left = list(range(len(score)))
        while len(left) > size:
            candidates = [neuron for neuron in left if not shielded[neuron]] or left
            left.remove(min(candidates, key=lambda neuron: (score[neuron], neuron)))
        kept.append(left)
    return kept


def loop_global(scores, total, protected):
    places = [(place, neuron) for place, score in enumerate(scores) for neuron in range(len(score))]
    left = list(places)

    def worth(one):
        place, neuron = one
        return (protected[place][neuron], scores[place][neuron], place, neuron)

    best = {max((one for one in places if one[0] == place), key=worth) for place in range(len(scores))}
    while len(left) > total:
        left.remove(min((one for one in left if one not in best), key=worth))
    return [[neuron for place, neuron in left if place == wanted] for wanted in range(len(scores))]


@st.composite
def tasks(draw):
    widths = draw(st.lists(st.integers(1, 9), min_size=1, max_size=4))
    seed = draw(st.integers(0, 10**6))
    rng = np.random.default_rng(seed)
    # Few different values, so that ties are common.
    scores = [rng.integers(0, 5, width).astype(float) for width in widths]
    protected = [rng.random(width) < draw(st.sampled_from([0.0, 0.3, 1.0])) for width in widths]
    sizes = [draw(st.integers(1, width)) for width in widths]
    return scores, sizes, protected


@settings(deadline=None, max_examples=200)
@given(tasks())
def test_each_network_loses_its_least_neurons_one_by_one(task):
    scores, sizes, protected = task
    found = select(scores, sizes, protected=protected)
    assert [one.tolist() for one in found] == loop_selection(scores, sizes, protected)
    found = select(scores, sizes, match="global", protected=protected)
    assert [one.tolist() for one in found] == loop_global(scores, sum(sizes), protected)
    assert all(one.dtype == np.int64 for one in found)


@settings(deadline=None, max_examples=100)
@given(tasks())
def test_an_even_budget_has_the_same_total_and_differs_by_one_where_it_can(task):
    scores, sizes, protected = task
    found = [len(one) for one in select(scores, sizes, match="uniform", protected=protected)]
    assert sum(found) == sum(sizes)
    assert min(found) >= 1
    not_full = [size for size, score in zip(found, scores, strict=True) if size < len(score)]
    if not_full:
        assert max(found) <= max(not_full) + 1
        assert max(not_full) - min(not_full) <= 1


def test_protect_keeps_the_set_as_long_as_it_fits():
    scores = [np.arange(10.0)]
    protected = [np.isin(np.arange(10), [0, 1, 2])]
    assert select(scores, [5], protected=protected)[0].tolist() == [0, 1, 2, 8, 9]
    assert select(scores, [3], protected=protected)[0].tolist() == [0, 1, 2]
    assert select(scores, [2], protected=protected)[0].tolist() == [1, 2]
    assert select(scores, [5])[0].tolist() == [5, 6, 7, 8, 9]


@pytest.mark.parametrize(
    ("sizes", "protected", "message"),
    [
        ([3], None, "of 2 feed-forward networks, found 1 and 2"),
        ([3, 0], None, "network 2: expected to keep 1 to 6 neurons, found 0"),
        ([3, 7], None, "network 2: expected to keep 1 to 6 neurons, found 7"),
        ([3, 3], [np.zeros(4, bool), np.zeros(5, bool)], "network 2: expected a protected set among 6 neurons"),
    ],
)
def test_budgets_that_do_not_fit_are_named(sizes, protected, message):
    with pytest.raises(ModelError, match=message):
        select([np.zeros(4), np.zeros(6)], sizes, protected=protected)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_scores_of_damaged_weights_are_refused(value):
    scores = [np.arange(4.0), np.array([1.0, value, 2.0])]
    with pytest.raises(ModelError, match=f"network 2: expected finite scores, found {value} for neuron 1 and 0 more"):
        select(scores, [2, 2], match="global")


def test_random_draws_are_seeded_and_of_the_sizes_asked_for():
    widths, sizes = [40, 40], [10, 0]
    first, again, other = (random_sets(widths, sizes, seed) for seed in (0, 0, 1))
    assert [one.sum() for one in first] == sizes
    assert [one.tolist() for one in first] == [one.tolist() for one in again]
    assert first[0].tolist() != other[0].tolist()
    scores = random_scores(widths, 0)
    assert [len(np.unique(one)) for one in scores] == widths
    assert all(((one >= 0) & (one < 1)).all() for one in scores)
    assert scores[0].tolist() != scores[1].tolist()
    share = np.mean([random_sets([50], [20], seed)[0] for seed in range(400)], axis=0)
    assert abs(share - 0.4).max() < 0.12
    with pytest.raises(ModelError, match="network 2: expected a set of 0 to 40 neurons, found 41"):
        random_sets(widths, [1, 41], 0)


TABLE = pd.DataFrame(
    [(1, "a", 0, True, 4), (1, "b", 2, True, 4), (1, "b", 3, False, 4), (3, "a", 1, True, 2)],
    columns=["layer", "group", "neuron", "exclusive", "width"],
)


def test_masks_of_a_neuron_table():
    masks = property_masks(TABLE, [4, 5, 2])
    assert [np.flatnonzero(one).tolist() for one in masks] == [[0, 2], [], [1]]
    assert [np.flatnonzero(one).tolist() for one in group_masks(TABLE, "b", [4, 5, 2])] == [[2], [], []]
    together = union([group_masks(TABLE, "a", [4, 5, 2]), group_masks(TABLE, "b", [4, 5, 2])])
    assert [one.tolist() for one in together] == [one.tolist() for one in masks]


@pytest.mark.parametrize(
    ("widths", "message"),
    [
        ([4, 5, 3], "phone: layer 3 was found on a model with 2 neurons there, this model has 3 neurons"),
        ([4, 5], "phone: layer 3 was found on a model with 2 neurons there, this model has only 2 layers"),
    ],
)
def test_a_table_of_another_model_is_refused(widths, message):
    with pytest.raises(ModelError, match=message):
        property_masks(TABLE, widths, name="phone")


@pytest.mark.parametrize("neuron", [-1, 4])
def test_a_table_with_a_neuron_that_is_not_there_is_refused(neuron):
    wrong = TABLE.assign(neuron=[neuron, *TABLE["neuron"][1:]])
    with pytest.raises(ModelError, match=f"phone: expected neurons from 0 to 3 in layer 1, found {neuron}; find the"):
        property_masks(wrong, [4, 5, 2], name="phone")


def test_scores_of_a_model_on_another_device_or_precision_are_float64():
    model = small_models.small_model("HubertModel").to(torch.bfloat16)
    assert all(one.dtype == np.float64 for one in L1Norm().scores(Evidence(model)))


def test_a_random_cut_by_one_total_takes_of_each_network_its_share():
    """Ranks within each network would take as many of a narrow one as of a wide one."""
    stay = np.array(
        [[len(one) for one in select(random_scores([100, 10], seed), [45, 10], match="global")] for seed in range(200)]
    )
    np.testing.assert_allclose(stay.mean(axis=0), [50, 5], atol=0.4)
    assert len(np.unique(stay[:, 1])) > 3


def test_matched_sets_are_like_the_set_where_sets_of_its_size_are_not():
    rng = np.random.default_rng(0)
    traits = np.column_stack([np.exp(rng.normal(size=400)), rng.normal(5, 1, size=400)])
    # The more often active and the larger, the likelier a member.
    liking = stats.rankdata(traits[:, 0]) + stats.rankdata(traits[:, 1]) + rng.normal(scale=200, size=400)
    own = liking >= np.sort(liking)[-60]
    (matched,), (again,), (other,) = (matched_sets([own], [traits], seed) for seed in (0, 0, 1))
    assert matched.sum() == 60
    assert not (matched & own).any()
    assert (matched == again).all()
    assert (matched != other).any()
    (plain,) = random_sets_like([own], 0)
    for column in traits.T:
        assert stats.ks_2samp(column[own], column[matched]).pvalue > 0.2
        assert stats.ks_2samp(column[own], column[plain]).pvalue < 0.01
    large = ~matched_sets([own], [traits], 2)[0]
    assert matched_sets([large], [traits], 0)[0].sum() == large.sum()
    with pytest.raises(ModelError, match=r"networks of \[400\] neurons, found \[3\]"):
        matched_sets([own[:3]], [traits], 0)
