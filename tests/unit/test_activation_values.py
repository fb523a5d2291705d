"""Selectors of activation values: sums against a plain loop over frames, and choices against their definitions."""

from collections import defaultdict
from itertools import product

import numpy as np
import pytest
from made_units import speakers_and_phones
from synthetic_stores import SITE_NAMES, WIDTHS, make_corpus, write_shards

from property_neurons.activations.store import (
    CODES,
    codes_of,
    new_activations,
    open_activations,
    rounded,
    values_of_codes,
)
from property_neurons.corpus.frame_store import open_frames
from property_neurons.counting.properties import make_property
from property_neurons.counting.sampling import Sampling
from property_neurons.counting.unit_counts import count_units
from property_neurons.errors import CountingError, StoreError
from property_neurons.neurons.definition import SetDefinition
from property_neurons.neurons.statistics import activation_values
from property_neurons.neurons.statistics.activation_values import ActivationValues
from property_neurons.neurons.statistics.labelled_sets import SiteUnits
from property_neurons.neurons.statistics.selector_comparison import compare_selectors
from property_neurons.neurons.statistics.selectors import of_values
from property_neurons.neurons.statistics.vocabulary import VALUE_SELECTORS
from property_neurons.ranks.sites import Site

PROPERTIES = {
    "gender": {"column": "gender", "order": ["M", "F"]},
    "pitch": {"column": "f0"},
    "phone": {"column": "label", "groups": {"front": ["IY", "T"], "back": ["AH", "N"]}},
}
CORPUS = make_corpus(seed=5, n_utterances=10)
# Of one utterance in three no values are kept.
KEPT = [utterance for number, utterance in enumerate(CORPUS) if number % 3]


def write_values(path, utterances, model="made-up"):
    with new_activations(
        path,
        model=model,
        sites=[Site(layer, name, width) for layer, (name, width) in enumerate(zip(SITE_NAMES, WIDTHS, strict=True), 1)],
        utterances=[one.name for one in utterances],
        root="",
        audio=["" for _ in utterances],
        offset=np.cumsum([0, *(len(one.activations[0]) for one in utterances)]),
    ) as writer:
        for one in utterances:
            writer.append([rounded(values) for values in one.activations])
    return open_activations(path)


def write_shards_of_values(folder, shards, utterances):
    """(activation store, frame store) of each shard, utterances in another order than frames."""
    values = []
    for number, (_, frames) in enumerate(shards):
        own = set(open_frames(frames).utterances)
        stored = write_values(folder / f"values-{number}.zarr", [one for one in utterances[::-1] if one.name in own])
        values.append((stored, frames))
    return values


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """Shards of values, and shards to count."""
    folder = tmp_path_factory.mktemp("values")
    shards = write_shards(folder, CORPUS)
    return write_shards_of_values(folder, shards, KEPT), shards


@pytest.fixture(scope="module", params=["gender", "phone"])
def summed(request, stores, tmp_path_factory):
    values, shards = stores
    property_ = make_property(request.param, **PROPERTIES[request.param])
    output = tmp_path_factory.mktemp("counts") / "units.zarr"
    units = count_units(shards, property_, Sampling(), lambda_=0.05, corpus="made-up", output=output)
    return request.param, units, ActivationValues(units, values, property_, Sampling())


def group_of(name, utterance, label):
    if name == "gender":
        return utterance.gender
    return next((group for group, phones in PROPERTIES[name]["groups"].items() if label in phones), None)


def test_sums_of_values_equal_a_plain_loop(summed):
    name, units, values = summed
    for site in range(2):
        everything = np.concatenate([rounded(one.activations[site]) for one in KEPT]).astype(np.float64)
        limit = np.percentile(everything, 95, axis=0, method="inverted_cdf")
        expected = defaultdict(lambda: [0.0, 0.0, 0])
        for one in KEPT:
            kept = rounded(one.activations[site]).astype(np.float64)
            for frame, (label, segment) in enumerate(one.frames[: len(kept)]):
                group = group_of(name, one, label)
                if segment >= 0 and label not in ("SIL", "SPN") and group is not None:
                    cell = expected[one.speaker, label, group]
                    cell[0], cell[1], cell[2] = cell[0] + kept[frame], cell[1] + (kept[frame] > limit), cell[2] + 1
        mean, loud = values.site(site)
        keys = [
            (units.speakers[speaker], units.phones[phone], units.groups[group])
            for speaker, phone, group in zip(mean.speaker, mean.phone, mean.group, strict=True)
        ]
        assert sorted(keys) == sorted(expected)
        for place, (sums, above, n) in enumerate(expected[key] for key in keys):
            np.testing.assert_allclose(mean.site_counts(0).toarray()[place], sums, atol=1e-9)
            assert (loud.site_counts(0).toarray()[place] == above).all()
            assert mean.n[place] == n


@pytest.mark.slow
def test_frames_are_those_of_the_counts(stores, tmp_path):
    """With the values of all utterances there are as many frames of each cell, whatever the property."""
    _, shards = stores
    values = write_shards_of_values(tmp_path, shards, CORPUS)
    sampling = Sampling("segment_mid", "drop", "merge")
    some = {(one.subset, one.name) for one in CORPUS[::2]}
    for (name, settings), keep in product(PROPERTIES.items(), (None, some)):
        property_ = make_property(name, **settings)
        output = tmp_path / f"{name}-{keep is None}.zarr"
        units = count_units(shards, property_, sampling, lambda_=0.05, corpus="made-up", output=output, keep=keep)
        mean, _ = ActivationValues(units, values, property_, sampling, keep).site(0)
        assert mean.phone_cell_n.tolist() == units.phone_cell_n.tolist()


def test_the_effect_is_the_difference_of_mean_values(summed):
    name, units, values = summed
    mean, _ = values.site(1)
    found = SiteUnits(mean, 0, SetDefinition()).weighted(np.ones((len(units.speakers), 1)))
    sums = np.zeros((len(units.groups), len(units.phones), WIDTHS[1]))
    n = np.zeros(sums.shape[:2])
    np.add.at(sums, (mean.group, mean.phone), mean.site_counts(0).toarray())
    np.add.at(n, (mean.group, mean.phone), mean.n)
    for group in range(len(units.groups)):
        differences = []
        for phone in range(len(units.phones)):
            others = [one for one in range(len(units.groups)) if one != group]
            rest = n[others, phone].sum()
            if n[group, phone] and rest and name != "phone":
                own = sums[group, phone] / n[group, phone]
                differences.append(own - sums[others, phone].sum(axis=0) / rest)
        if name == "phone":
            means = {one: [sums[one, p] / n[one, p] for p in range(len(n[one])) if n[one, p]] for one in (0, 1)}
            differences = [np.mean(means[group], axis=0) - np.mean(means[1 - group], axis=0)]
        np.testing.assert_allclose(found.effect[group, :, 0], np.mean(differences, axis=0), atol=1e-9)


def test_values_are_chosen_by_their_definitions():
    rng = np.random.default_rng(0)
    difference, loud = rng.normal(size=(3, 250, 2)), rng.random((3, 250, 2)) / 10
    loud[:, 7] = 0
    loud[1:, 9], loud[0, 9] = 0, 0.9
    loud[[0, 2], 11], loud[1, 11] = 0.001, 0.8
    loud[:, 13] = np.array([0.3, 0.001, 0.001])[:, np.newaxis]
    chosen = of_values(difference, loud, np.full((3, 2), 4))
    assert tuple(chosen) == VALUE_SELECTORS
    for part in range(2):
        for group in range(3):
            largest = np.argsort(-difference[group, :, part])[:4]
            assert set(np.flatnonzero(chosen["value_difference"][group, :, part])) == set(largest)
    assert chosen["value_entropy"].sum(axis=1).tolist() == [[4, 4]] * 3
    assert chosen["value_entropy"][0, 9].all()
    assert chosen["value_entropy"][1, 11].all()
    # A hundredth of 250, rounded up, each in one group; the one that is never above is none of them.
    hundredth = chosen["value_entropy_1_percent"]
    assert [np.argwhere(hundredth[:, :, part]).tolist() for part in range(2)] == [[[0, 9], [0, 13], [1, 11]]] * 2


def test_the_comparison_has_the_selectors_of_values_where_there_are_values(summed):
    name, units, values = summed
    definition = SetDefinition(sigma=0.3)
    without, _ = compare_selectors(units, definition, halves=2, seed=0)
    table, neurons = compare_selectors(units, definition, halves=2, seed=0, values=values)
    assert not set(VALUE_SELECTORS) & set(without["selector"])
    assert set(VALUE_SELECTORS) <= set(table["selector"])
    kept = table[~table["selector"].isin(VALUE_SELECTORS)].reset_index(drop=True)
    assert kept.equals(without)
    of_all = table[(table["layer"] == 0) & (table["group"] == "")].set_index("selector")["neurons"]
    assert of_all["paper"] == of_all["value_difference"] == of_all["value_entropy"]
    assert of_all["paper"] or name == "gender"
    assert of_all["value_entropy_1_percent"] == 2
    assert (neurons["selector"] == "value_difference").sum() == of_all["paper"]
    assert (neurons["selector"] == "value_entropy_1_percent").sum() == 2


def test_codes_are_all_the_values_that_are_kept():
    kept = rounded(np.random.default_rng(0).normal(scale=100, size=(50, 3)))
    assert (values_of_codes()[codes_of(kept)] == kept).all()
    assert len(values_of_codes()) == CODES


def test_values_that_do_not_belong_or_fit_are_refused(stores, tmp_path, monkeypatch):
    values, shards = stores
    property_ = make_property("gender", **PROPERTIES["gender"])
    arguments = {"lambda_": 0.05, "corpus": "made-up", "output": tmp_path / "units.zarr"}
    units = count_units(shards, property_, Sampling(), **arguments)
    other = write_values(tmp_path / "other.zarr", KEPT[:1], model="another")
    with pytest.raises(StoreError, match=r"expected activation values of made-up .* found those of another"):
        ActivationValues(units, [(other, shards[0][1])], property_, Sampling())
    with pytest.raises(StoreError, match=r"expected utterances of .*, found "):
        ActivationValues(units, [(values[0][0], shards[1][1])], property_, Sampling())
    nothing = write_values(tmp_path / "nothing.zarr", [])
    with pytest.raises(CountingError, match="expected activation values of frames in its groups, found none; raise"):
        ActivationValues(units, [(nothing, shards[0][1]), (nothing, shards[1][1])], property_, Sampling())
    monkeypatch.setattr(activation_values, "_MOST_SUMS", 100)
    with pytest.raises(CountingError, match=r"expected at most 100 sums .* x 80 neurons; lower browser.minutes"):
        ActivationValues(units, values, property_, Sampling())


def test_a_group_without_stored_speech_chooses_none():
    units = speakers_and_phones(np.random.default_rng(0), speakers=4, neurons=20)
    # On the second part of the speakers nobody of the second group is heard.
    found = SiteUnits(units, 0, SetDefinition()).weighted(np.array([[1, 1], [1, 0], [1, 1], [1, 0]]))
    chosen = of_values(found.effect, found.active, np.full((2, 2), 3))
    for name in ("value_difference", "value_entropy"):
        assert chosen[name].sum(axis=1).tolist() == [[3, 0], [3, 0]]
