"""Edits of neurons: live, in the weights and by removal give one output; sets of other models are refused."""

import copy

import numpy as np
import pandas as pd
import pytest
import small_models
import torch

from property_neurons.browser.derived import read_derived
from property_neurons.editing.interventions import Clamp, Mean, Scale, Zero, baked, edited
from property_neurons.editing.saved import RECORD, Edit, save_edited
from property_neurons.editing.sets import group_set, most_exclusive
from property_neurons.editing.statistics import activation_statistics
from property_neurons.errors import ModelError
from property_neurons.models.ffn import ffn_sites
from property_neurons.models.loading import load_encoder
from property_neurons.models.prepare import LocalFolder, prepare_model
from property_neurons.models.pruned import remove_neurons
from property_neurons.neurons.definition import SetDefinition
from property_neurons.neurons.groups import neuron_sets
from property_neurons.stores import files

WIDTH = small_models.WIDTH
SETS = {1: [0, 5, 7], 2: [2, 3, 11, 20]}


def chosen_set(neurons, widths):
    """Masks of neurons by layer: {feed-forward network from 1: neurons from 0}."""
    return [np.isin(np.arange(width), neurons.get(layer, [])) for layer, width in enumerate(widths, start=1)]


def widths_of(model):
    return [site.width for site in ffn_sites(model)]


@pytest.fixture(scope="module", params=small_models.CLASS_NAMES)
def encoder(request, tmp_path_factory):
    folder = small_models.save_model(small_models.small_model(request.param), tmp_path_factory.mktemp("m") / "m")
    return load_encoder(folder)


@pytest.fixture(scope="module")
def waveform():
    return np.random.default_rng(0).normal(scale=0.1, size=16_000).astype(np.float32)


def last_state(model, encoder, waveform):
    with torch.inference_mode():
        windows = list(encoder.front_end.windows(waveform))
        return torch.cat([model(window.values).last_hidden_state[0] for window in windows])


def test_zero_live_baked_and_removed_give_one_output(encoder, waveform):
    masks = chosen_set(SETS, widths_of(encoder.model))
    with edited(encoder.model, masks):
        live = last_state(encoder.model, encoder, waveform)
    plain = last_state(encoder.model, encoder, waveform)
    weights = last_state(baked(encoder.model, masks), encoder, waveform)
    kept = [torch.from_numpy(np.flatnonzero(~mask)) for mask in masks]
    removed = last_state(remove_neurons(encoder.model, kept), encoder, waveform)
    assert not torch.allclose(live, plain, atol=1e-3)
    torch.testing.assert_close(live, weights, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(live, removed, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("action", ["scale", "mean"])
def test_other_actions_live_equal_baked(encoder, waveform, action):
    masks = chosen_set(SETS, widths_of(encoder.model))
    how = Scale(-1.5) if action == "scale" else Mean(activation_statistics(encoder, [waveform]).means)
    before = copy.deepcopy(encoder.model.state_dict())
    with edited(encoder.model, masks, how):
        live = last_state(encoder.model, encoder, waveform)
    torch.testing.assert_close(live, last_state(baked(encoder.model, masks, how), encoder, waveform), atol=2e-5, rtol=0)
    assert all(torch.equal(value, before[name]) for name, value in encoder.model.state_dict().items())
    assert not torch.allclose(live, last_state(encoder.model, encoder, waveform), atol=1e-3)


def read(encoder, waveform):
    """Activations of every site, [rows, neurons]."""
    found = [[] for _ in encoder.sites]
    encoder.read(waveform, lambda site, values: found[site].append(values.clone()))
    return [torch.cat(parts) for parts in found]


def test_only_chosen_neurons_are_changed(waveform, tmp_path):
    """Each intervention against its definition, neuron by neuron, in the first network (later ones see its effect)."""
    folder = small_models.save_model(small_models.small_model("MelHubertModel"), tmp_path / "m")
    encoder = load_encoder(folder)
    plain = read(encoder, waveform)[0]
    statistics = activation_statistics(encoder, [waveform])
    ceilings = statistics.percentiles(50)
    masks = chosen_set({1: [4, 9]}, widths_of(encoder.model))
    wanted = {
        Zero(): torch.zeros(len(plain), 2),
        Scale(2.0): 2 * plain[:, [4, 9]],
        Mean(statistics.means): plain[:, [4, 9]].double().mean(0).float().expand(len(plain), 2),
        Clamp(ceilings): torch.stack([plain[:, one].clamp(max=float(ceilings[0][one])) for one in (4, 9)], 1),
    }
    for how, expected in wanted.items():
        seen = []
        second = encoder.model.get_submodule(encoder.sites[0].module)
        with edited(encoder.model, masks, how):
            hook = second.register_forward_pre_hook(lambda _, inputs, seen=seen: seen.append(inputs[0][0]))
            encoder.read(waveform, lambda *_: None)
            hook.remove()
        torch.testing.assert_close(seen[0][:, [4, 9]], expected, atol=1e-6, rtol=1e-6)
        others = [one for one in range(WIDTH) if one not in (4, 9)]
        assert torch.equal(seen[0][:, others], plain[:, others])


Clamp.__hash__ = Mean.__hash__ = object.__hash__


def test_statistics_are_those_of_all_frames(waveform, tmp_path):
    folder = small_models.save_model(small_models.small_model("HubertModel"), tmp_path / "m")
    encoder = load_encoder(folder)
    pieces = [waveform[:9_000], waveform[3_000:], waveform[:5_000]]
    every = [torch.cat(parts).numpy() for parts in zip(*(read(encoder, piece) for piece in pieces), strict=True)]
    found = activation_statistics(encoder, pieces, sampled=1000)
    assert found.frames == len(every[0])
    for site, values in enumerate(every):
        np.testing.assert_allclose(found.means[site], values.astype(np.float64).mean(0), atol=1e-7)
        np.testing.assert_allclose(found.percentiles(90)[site], np.percentile(values, 90, axis=0), atol=1e-6)
    few = activation_statistics(encoder, pieces, sampled=20)
    rows = {row.tobytes() for row in every[0]}
    assert few.sample[0].shape == (20, WIDTH)
    assert all(row.tobytes() in rows for row in few.sample[0])
    with pytest.raises(ModelError, match="expected some speech, found none"):
        activation_statistics(encoder, [])


def test_a_clamp_is_not_baked(encoder):
    masks = chosen_set(SETS, widths_of(encoder.model))
    with pytest.raises(ModelError, match="use it live"):
        baked(encoder.model, masks, Clamp([np.zeros(len(mask)) for mask in masks]))


def table(width=WIDTH, digest=None):
    rows = [(1, "1", "F", 3, 1.0, True, width), (2, "2", "F", 5, 1.0, True, width), (1, "1", "F", 9, 0.9, False, width)]
    rows += [(1, "1", "M", 4, 1.0, True, width), (2, "2", "X", 9, 0.9, False, width)]
    found = pd.DataFrame(rows, columns=["layer", "site", "group", "neuron", "share", "exclusive", "width"])
    found.attrs = {"model": "mine", "model_digest": digest} if digest else {}
    return found


def test_a_group_set_holds_exclusive_neurons_alone():
    masks = group_set(table(), ["F"], [WIDTH, WIDTH], digest=None)
    assert [np.flatnonzero(mask).tolist() for mask in masks] == [[3], [5]]
    both = group_set(table(), ["F", "M"], [WIDTH, WIDTH], digest=None)
    assert [np.flatnonzero(mask).tolist() for mask in both] == [[3, 4], [5]]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            lambda: group_set(table(32), ["F"], [WIDTH, WIDTH], digest=None),
            "found on a model with 32 neurons there.*has 24",
        ),
        (lambda: group_set(table(), ["F"], [WIDTH], digest=None), "this model has only 1 layers"),
        (lambda: group_set(table(digest="abc"), ["F"], [WIDTH] * 2, digest="def"), "mine .digest abc.*digest def"),
        (lambda: group_set(table(), ["Q"], [WIDTH] * 2, digest=None), "expected groups among F, M, X, found Q"),
        (lambda: group_set(table(), ["X"], [WIDTH] * 2, digest=None), "expected group neurons of X, found none"),
    ],
)
def test_a_set_of_another_model_is_refused(wrong, message):
    with pytest.raises(ModelError, match=message):
        wrong()


def test_a_set_of_a_model_that_was_pruned_since_is_refused():
    model = small_models.small_model("HubertModel")
    masks = chosen_set(SETS, widths_of(model))
    smaller = remove_neurons(model, [torch.arange(20), torch.arange(22)])
    with (
        pytest.raises(ModelError, match=r"\[24, 24\] neurons, this PrunedHubertModel has \[20, 22\]"),
        edited(smaller, masks),
    ):
        pass
    with pytest.raises(ModelError, match="at least one neuron"):
        baked(model, [np.zeros(WIDTH, dtype=bool)] * 2)


def test_hooks_are_gone_after_an_error():
    model = small_models.small_model("HubertModel")
    with pytest.raises(KeyError), edited(model, chosen_set(SETS, widths_of(model))):
        raise KeyError
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_the_most_exclusive_come_first():
    rng = np.random.default_rng(3)
    groups = np.repeat([0, 1, 2], [8, 6, 5])
    sets = [neuron_sets(rng.random((19, 60)) < 0.75, groups, 3, SetDefinition(sigma=0.8)) for _ in range(2)]
    for group in range(3):
        by_hand = []
        for layer, site in enumerate(sets):
            for neuron in np.flatnonzero(site.group_neurons[group]):
                others = max(site.share[other, neuron] for other in range(3) if other != group)
                by_hand.append((-(site.share[group, neuron] - others), layer, neuron))
        by_hand.sort()
        assert len(by_hand) > 3
        for dose in (0.0, 0.25, 0.5, 1.0):
            wanted = {(layer, neuron) for _, layer, neuron in by_hand[: int(dose * len(by_hand) + 0.5)]}
            masks = most_exclusive(sets, group, dose)
            assert {(at, one) for at, mask in enumerate(masks) for one in np.flatnonzero(mask)} == wanted


@pytest.fixture
def prepared(tmp_path):
    source = small_models.save_model(small_models.small_model("WavLMModel"), tmp_path / "source")
    prepare_model(tmp_path / "whole", tmp_path / "whole.manifest.json", LocalFolder(str(source)))
    return tmp_path / "whole.manifest.json"


def test_a_saved_edit_is_a_model_with_a_record(prepared, tmp_path, waveform):
    digest = files.read_json(prepared)["digest"]
    save_edited(tmp_path / "e", tmp_path / "e.manifest.json", prepared, Edit(("F",)), table(digest=digest))
    record = files.read_json(tmp_path / "e" / RECORD)
    assert record["neurons"] == {"1": [3], "2": [5]}
    assert record["digest"] == digest
    assert record["table"] == {"model": "mine", "model_digest": digest}
    became = read_derived(tmp_path / "e.manifest.json", [WIDTH] * 2, digest)
    assert [became.fate(1, n)["done"] for n in (4, 5, 6)] == ["untouched", "zero", "untouched"]
    whole, changed = (
        load_encoder(tmp_path / "whole"),
        load_encoder(tmp_path / "e", manifest=tmp_path / "e.manifest.json"),
    )
    with edited(whole.model, chosen_set({1: [3], 2: [5]}, [WIDTH] * 2)):
        live = last_state(whole.model, whole, waveform)
    torch.testing.assert_close(last_state(changed.model, changed, waveform), live, atol=1e-5, rtol=1e-5)
    assert not (tmp_path / "e/load_pruned.py").exists()
    control = Edit(("F",), random=3)
    save_edited(tmp_path / "r", tmp_path / "r.manifest.json", prepared, control, table(digest=digest))
    drawn = files.read_json(tmp_path / "r" / RECORD)["neurons"]
    assert {layer: len(ids) for layer, ids in drawn.items()} == {"1": 1, "2": 1}
    assert files.read_json(tmp_path / "r.manifest.json")["source"]["random"] == 3
    # A refused edit leaves what is there.
    with pytest.raises(ModelError, match="found on the model mine"):
        save_edited(
            tmp_path / "e", tmp_path / "e.manifest.json", prepared, Edit(("F",)), table(digest="other"), replace=True
        )
    assert (tmp_path / "e.manifest.json").is_file()
    with pytest.raises(ModelError, match="expected statistics of the neurons"):
        save_edited(tmp_path / "x", tmp_path / "x.manifest.json", prepared, Edit(("F",), "mean"), table())
