"""One cut of a prepared model, against the choice written out; and what does not belong together."""

import numpy as np
import pandas as pd
import pytest
import small_models
import torch

from property_neurons.browser.derived import read_derived
from property_neurons.counting.count_store import Counts
from property_neurons.errors import ModelError, StoreError
from property_neurons.models.ffn import ffn_sites
from property_neurons.models.loading import load_encoder
from property_neurons.models.prepare import LocalFolder, prepare_model
from property_neurons.neurons.random_sets import matched_sets, random_sets
from property_neurons.pruning import prune
from property_neurons.pruning.criteria import Evidence, L1Norm
from property_neurons.pruning.prune import Cut, neurons_that_stay, protected_neurons, prune_model
from property_neurons.ranks.sites import Site
from property_neurons.stores import files, manifests

WIDTH = small_models.WIDTH


def table(sets, width=WIDTH):
    """A neuron table: sets = {layer: exclusive neurons}; one more member in each layer is not exclusive."""
    rows = [
        (layer, str(layer), "group", neuron, 1.0, True, width) for layer, neurons in sets.items() for neuron in neurons
    ]
    rows += [(layer, str(layer), "group", width - 1, 1.0, False, width) for layer in sets]
    return pd.DataFrame(rows, columns=["layer", "site", "group", "neuron", "share", "exclusive", "width"])


TABLES = {"phone": table({1: [0, 5, 7], 2: [2, 3]}), "gender": table({1: [5, 9], 2: [11, 20, 21]})}
PROTECTED = [[0, 5, 7, 9], [2, 3, 11, 20, 21]]


@pytest.fixture
def prepared(tmp_path):
    source = small_models.save_model(small_models.small_model("MelHubertModel"), tmp_path / "source")
    prepare_model(tmp_path / "whole", tmp_path / "whole.manifest.json", LocalFolder(str(source)))
    return tmp_path / "whole.manifest.json"


def test_a_cut_model_is_a_prepared_model_with_a_record(prepared, tmp_path):
    prune_model(tmp_path / "cut", tmp_path / "cut.manifest.json", prepared, Cut("protect"), neurons=TABLES)
    manifest = files.read_json(tmp_path / "cut.manifest.json")
    encoder = load_encoder(tmp_path / "cut", manifest=tmp_path / "cut.manifest.json")
    assert [site["width"] for site in manifest["sites"]] == [4, 5] == [site.width for site in encoder.sites]
    record = files.read_json(tmp_path / "cut/pruning.json")
    assert (tmp_path / "cut/load_pruned.py").is_file()
    assert record["kept"] == PROTECTED
    assert record["properties"] == ["phone", "gender"]
    assert record["digest"] == files.read_json(prepared)["digest"]
    assert manifest["source"]["criterion"] == "protect"
    whole = load_encoder(tmp_path / "whole")
    assert manifest["n_parameters"] == sum(p.numel() for p in whole.model.parameters()) - (2 * WIDTH - 9) * (2 * 16 + 1)
    first = whole.model.encoder.layers[1].feed_forward.intermediate_dense
    torch.testing.assert_close(
        encoder.model.encoder.layers[1].feed_forward.intermediate_dense.weight,
        first.weight[PROTECTED[1]],
        atol=0,
        rtol=0,
    )
    # Whoever looks at neurons finds each under its new number.
    became = read_derived(tmp_path / "cut.manifest.json", [WIDTH] * 2, record["digest"])
    assert became.fate(1, 11) == {"model": "cut", "done": "kept", "number": 2}
    assert became.fate(1, 12) == {"model": "cut", "done": "removed", "number": -1}
    with pytest.raises(StoreError, match="expected a model made of the one with digest other"):
        read_derived(tmp_path / "cut.manifest.json", [WIDTH] * 2, "other")
    # The statistics of the front end come along.
    assert encoder.front_end.extractor.mean == whole.front_end.extractor.mean
    # The same cut gives the same bytes.
    prune_model(tmp_path / "again", tmp_path / "again.manifest.json", prepared, Cut("protect"), neurons=TABLES)
    assert files.read_json(tmp_path / "again.manifest.json")["digest"] == manifest["digest"]


def test_random_sets_may_be_as_large_as_those_of_another_model(prepared, tmp_path, caplog):
    other, cut = tmp_path / "other.manifest.json", Cut("random_protect", rows=6, random="size", seed=1)
    small_models.save_model(small_models.small_model("MelHubertModel", seed=1), tmp_path / "other")
    manifests.write_manifest(other, manifests.describe_files(tmp_path / "other"))
    for one in TABLES.values():
        one.attrs["model_digest"] = manifests.read_manifest(other)["digest"]
    try:
        folder, manifest = tmp_path / "cut", tmp_path / "cut.manifest.json"
        with pytest.raises(ModelError, match="phone neurons: found on the model"):
            prune_model(folder, manifest, prepared, cut, neurons=TABLES)
        with pytest.raises(ModelError, match="neurons of the model itself to protect, found those of another"):
            prune_model(folder, manifest, prepared, Cut("protect"), neurons=TABLES, sizes_of=other)
        with pytest.raises(ModelError, match="itself to match random sets with, found those of another"):
            prune_model(folder, manifest, prepared, Cut("random_protect", rows=6), neurons=TABLES, sizes_of=other)
        prune_model(folder, manifest, prepared, cut, neurons=TABLES, sizes_of=other)
    finally:
        for one in TABLES.values():
            del one.attrs["model_digest"]
    record = files.read_json(folder / "pruning.json")
    assert record["protected"] == [4, 5]
    assert record["sizes_of"] == str(tmp_path / "other")
    assert "no property neurons" not in caplog.text


def test_nothing_to_protect_is_said(prepared, tmp_path, caplog):
    neurons = {"phone": TABLES["phone"].iloc[:0]}
    prune_model(tmp_path / "cut", tmp_path / "cut.manifest.json", prepared, Cut("protect", rows=6), neurons=neurons)
    assert "no property neurons in any layer, so that `protect` is `norm`" in caplog.text
    record = files.read_json(tmp_path / "cut/pruning.json")
    assert (record["protected"], record["kept"]) == ([0, 0], kept_of(prepared, Cut("norm", rows=6)))


def kept_of(manifest, cut):
    model = load_encoder(manifests.described_folder(manifest)).model
    return [one.tolist() for one in neurons_that_stay(model, cut, {})]


def kept(cut, neurons=TABLES, **rest):
    model = small_models.small_model("HubertModel")
    return [one.tolist() for one in neurons_that_stay(model, cut, neurons, **rest)]


def best_of(size, shielded=((), ())):
    scores = L1Norm().scores(Evidence(small_models.small_model("HubertModel")))
    chosen = []
    for place, score in enumerate(scores):
        order = sorted(range(WIDTH), key=lambda neuron: (neuron in shielded[place], score[neuron], neuron))
        chosen.append(sorted(order[-size[place] :]))
    return chosen


def test_each_criterion_keeps_what_it_says():
    assert kept(Cut("protect")) == PROTECTED
    assert kept(Cut("protect", keep=0.5)) == best_of([12, 12], PROTECTED)
    assert kept(Cut("norm")) == best_of([4, 5])
    assert kept(Cut("norm", keep=0.25), {}) == best_of([6, 6])
    drawn = [np.flatnonzero(one).tolist() for one in random_sets([WIDTH] * 2, [4, 5], seed=3)]
    assert kept(Cut("random_protect", random="size", seed=3)) == drawn
    assert kept(Cut("random_protect", random="size", keep=0.5, seed=3)) == best_of([12, 12], drawn)
    assert [len(one) for one in kept(Cut("random", seed=1))] == [4, 5]
    assert kept(Cut("random", seed=1)) != kept(Cut("random", seed=2))
    assert [len(one) for one in kept(Cut("norm", match="uniform"))] == [5, 4]
    assert sum(len(one) for one in kept(Cut("norm", match="global"))) == 9


def counts_of(activations):
    """Counts whose frequency scores are these: [neurons] for each of two networks, of 100 frames."""
    sites = tuple(Site(place, str(place), len(one)) for place, one in enumerate(activations, start=1))
    store = {f"counts/{place:02d}": (np.array(one) * 100)[None] for place, one in enumerate(activations)}
    known = {"model": "m", "corpus": "c", "property_name": "phone", "lambda_": 0.01, "settings": {}}
    known |= {"groups": ("a",), "cells": (("a", "AH"),), "tau": (1, 1), "ties": (0, 0), "unranked": 0}
    return Counts(**known, pitch_cuts_hz=None, sites=sites, n=np.array([100]), store=store)


def test_matched_random_sets_are_as_often_active_and_as_large_as_what_they_stand_for():
    model, rng = small_models.small_model("HubertModel"), np.random.default_rng(0)
    frequency = [rng.permutation(WIDTH) / WIDTH for _ in range(2)]
    counts, traits = counts_of(frequency), L1Norm().scores(Evidence(model))
    cut = Cut("random_protect", seed=3)
    drawn = matched_sets(
        [np.isin(np.arange(WIDTH), one) for one in PROTECTED],
        [np.column_stack([one, norm]) for one, norm in zip(frequency, traits, strict=True)],
        seed=3,
    )
    drawn = [np.flatnonzero(one).tolist() for one in drawn]
    assert kept(cut, counts=counts) == drawn
    assert not any(set(one) & set(own) for one, own in zip(drawn, PROTECTED, strict=True))
    assert kept(Cut("random_protect", rows=7, seed=3), counts=counts) == best_of([7, 7], drawn)
    with pytest.raises(ModelError, match=r"counts of networks of \[24, 24\] neurons, found those of m, of \[24, 5\]"):
        kept(cut, counts=counts_of([frequency[0], frequency[1][:5]]))


def test_random_sets_are_matched_on_the_norm_that_prunes(monkeypatch):
    model, seen = small_models.small_model("HubertModel"), []
    for site in ffn_sites(model):
        torch.nn.init.normal_(model.get_submodule(site.first).bias)
    counts = counts_of([np.arange(WIDTH) / WIDTH] * 2)
    monkeypatch.setattr(prune, "matched_sets", lambda found, traits, seed: seen.append(traits))
    for bias in (True, False):
        protected_neurons(model, Cut("random_protect", bias=bias), TABLES, counts)
        norms = L1Norm().scores(Evidence(model, bias=bias))
        np.testing.assert_array_equal([traits[:, 1] for traits in seen[-1]], norms)
    assert not np.array_equal(*seen)


def test_what_does_not_belong_together_is_refused(prepared, tmp_path):
    with pytest.raises(
        ModelError, match="gender: layer 1 was found on a model with 30 neurons there, this model has 24"
    ):
        kept(Cut("norm"), {"phone": TABLES["phone"], "gender": table({1: [3]}, width=30)})
    with pytest.raises(ModelError, match="feed-forward network 2 has none and would be left empty; set keep"):
        kept(Cut("protect"), {"phone": table({1: [3]})})
    with pytest.raises(ModelError, match="by protect: expected tables of property neurons, found none"):
        kept(Cut("protect", keep=0.5), {})
    with pytest.raises(ModelError, match="frequency: expected activation counts, found none"):
        kept(Cut("frequency", keep=0.5), {})
    with pytest.raises(ModelError, match="frequency: expected activation counts, found none"):
        kept(Cut("random_protect", keep=0.5))
    weights = tmp_path / "whole/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(StoreError, match=r"model.safetensors is not what was written"):
        prune_model(tmp_path / "cut", tmp_path / "cut.manifest.json", prepared, Cut("norm"), neurons=TABLES)
    assert not (tmp_path / "cut").exists()


def test_rows_are_the_size_of_every_layer():
    assert [len(one) for one in kept(Cut("random", rows=7), {})] == [7, 7]
    assert kept(Cut("norm", rows=7), {}) == best_of([7, 7])
    assert kept(Cut("norm", rows=WIDTH), {}) == [list(range(WIDTH))] * 2
    assert sum(len(one) for one in kept(Cut("norm", rows=7, match="global"), {})) == 14


def test_rows_keep_property_neurons_first():
    more = kept(Cut("protect", rows=7))
    assert more == best_of([7, 7], PROTECTED)
    assert all(set(protected) < set(one) for protected, one in zip(PROTECTED, more, strict=True))
    fewer = kept(Cut("protect", rows=3))
    assert fewer == best_of([3, 3], PROTECTED)
    assert all(set(one) < set(protected) for protected, one in zip(PROTECTED, fewer, strict=True))
    drawn = [np.flatnonzero(one).tolist() for one in random_sets([WIDTH] * 2, [4, 5], seed=3)]
    assert kept(Cut("random_protect", rows=7, random="size", seed=3)) == best_of([7, 7], drawn)


def test_rows_that_a_layer_does_not_have_are_refused(prepared, tmp_path):
    with pytest.raises(
        ModelError,
        match=r"to 25 neurons a layer: feed-forward network 1, 2 has fewer \(24\); lower rows",
    ):
        kept(Cut("norm", rows=25), {})
    prune_model(tmp_path / "cut", tmp_path / "cut.manifest.json", prepared, Cut("protect"), neurons=TABLES)
    with pytest.raises(ModelError, match=r"to 5 neurons a layer: feed-forward network 1 has fewer \(4\)"):
        prune_model(
            tmp_path / "again",
            tmp_path / "again.manifest.json",
            tmp_path / "cut.manifest.json",
            Cut("norm", rows=5),
            neurons={},
        )
    assert not (tmp_path / "again.manifest.json").exists()
    with pytest.raises(ModelError, match="by protect: expected tables of property neurons, found none"):
        kept(Cut("protect", rows=5), {})


def test_a_cut_to_rows_can_be_cut_again(prepared, tmp_path):
    whole = prepared
    for rows in (7, 3):
        manifest = tmp_path / f"cut{rows}.manifest.json"
        prune_model(tmp_path / f"cut{rows}", manifest, whole, Cut("norm", rows=rows), neurons={})
        assert [site["width"] for site in files.read_json(manifest)["sites"]] == [rows, rows]
        assert files.read_json(manifest)["source"]["rows"] == rows
        whole = manifest


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"criterion": "protct"}, "criterion: expected protect or norm or .*, found 'protct'"),
        ({"match": "globl"}, "match: expected per_layer or uniform or global, found 'globl'"),
        ({"keep": 0.0}, "keep: expected a share above 0 and up to 1, found 0.0"),
        ({"keep": float("nan")}, "keep: expected a share above 0 and up to 1, found nan"),
        ({"rows": 2.5}, "rows: expected a whole number from 1, found 2.5"),
        ({"rows": 5, "keep": 0.5}, "expected keep or rows, found both"),
        ({"seed": -1}, "seed: expected a whole number from 0, found -1"),
    ],
)
def test_a_cut_that_means_nothing_is_refused(given, message):
    with pytest.raises(ModelError, match=message):
        Cut(**({"criterion": "norm"} | given))
