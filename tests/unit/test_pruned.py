"""Pruned models: three ways to take a neuron out give one output, and `from_pretrained` alone loads the result."""

import shutil
import subprocess
import sys
from contextlib import ExitStack

import numpy as np
import pytest
import small_models
import torch
from safetensors.torch import load_file, save_file

from property_neurons.errors import ModelError
from property_neurons.models.backend import quiet_transformers, transformers
from property_neurons.models.ffn import ffn_sites
from property_neurons.models.load_pruned import load
from property_neurons.models.loading import load_encoder
from property_neurons.models.prepare import LocalFolder, RandomTwin, prepare_model
from property_neurons.models.prepared import PRUNED_LOADER
from property_neurons.models.pruned import base_type, ffn_widths, remove_neurons


def drawn(model, seed=0, share=0.4):
    """Kept neurons of each network, another number in each."""
    rng = np.random.default_rng(seed)
    sites = ffn_sites(model.base_model)
    sizes = [max(1, round(site.width * share) + position) for position, site in enumerate(sites)]
    return [
        torch.as_tensor(np.sort(rng.choice(site.width, size, replace=False)))
        for site, size in zip(sites, sizes, strict=True)
    ]


def outputs(model, waveform, folder):
    """The last hidden state and the activations of every network."""
    encoder = load_encoder(folder)
    inputs = next(iter(encoder.front_end.windows(waveform))).values
    seen = {}
    with torch.inference_mode(), ExitStack() as hooks:
        for site in ffn_sites(model):
            module = model.get_submodule(site.module)
            hooks.enter_context(
                module.register_forward_pre_hook(lambda _, args, name=site.name: seen.update({name: args[0].clone()}))
            )
        return model(inputs)[0], seen


@pytest.mark.parametrize("class_name", small_models.CLASS_NAMES)
def test_removed_zeroed_and_unread_neurons_are_one(class_name, tmp_path):
    model = small_models.small_model(class_name)
    folder = small_models.save_model(model, tmp_path / "model")
    waveform = small_models.waveform(9_000)
    kept = drawn(model)
    whole, _ = outputs(model, waveform, folder)
    removed, activations = outputs(remove_neurons(model, kept), waveform, folder)

    zeroed = small_models.small_model(class_name)
    with ExitStack() as hooks:
        for site, neurons in zip(ffn_sites(zeroed), kept, strict=True):
            mask = torch.zeros(site.width)
            mask[neurons] = 1
            module = zeroed.get_submodule(site.module)
            hooks.enter_context(module.register_forward_pre_hook(lambda _, args, mask=mask: (args[0] * mask,)))
        silenced, _ = outputs(zeroed, waveform, folder)

    unread = small_models.small_model(class_name)
    for site, neurons in zip(ffn_sites(unread), kept, strict=True):
        others = np.setdiff1d(np.arange(site.width), neurons)
        unread.get_submodule(site.module).weight.data[:, others] = 0
    disconnected, full_activations = outputs(unread, waveform, folder)

    torch.testing.assert_close(removed, silenced, atol=2e-5, rtol=1e-5)
    torch.testing.assert_close(removed, disconnected, atol=2e-5, rtol=1e-5)
    assert (removed - whole).abs().max() > 1e-2
    for site, neurons in zip(ffn_sites(model), kept, strict=True):
        torch.testing.assert_close(
            activations[site.name], full_activations[site.name][..., neurons], atol=2e-5, rtol=1e-5
        )


@pytest.mark.parametrize("class_name", small_models.CLASS_NAMES)
def test_a_pruned_model_loads_by_itself_and_can_be_pruned_again(class_name, tmp_path):
    model = small_models.small_model(class_name)
    folder = small_models.save_model(model, tmp_path / "model", do_normalize=None)
    waveform = small_models.waveform(9_000)
    pruned = remove_neurons(model, drawn(model))
    widths = [site.width for site in ffn_sites(pruned)]
    small_models.save_model(pruned, tmp_path / "pruned")
    if base_type(model.config) == "melhubert":
        small_models.save_preprocessor(model.config, tmp_path / "pruned")
    with quiet_transformers():
        loaded, report = transformers.AutoModel.from_pretrained(tmp_path / "pruned", output_loading_info=True)
        config = transformers.AutoConfig.from_pretrained(tmp_path / "pruned")
    assert not any(report[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert ffn_widths(config) == widths
    torch.testing.assert_close(
        outputs(loaded.eval(), waveform, folder)[0], outputs(pruned, waveform, folder)[0], atol=0, rtol=0
    )

    again = remove_neurons(loaded, drawn(loaded, seed=1, share=0.5))
    assert type(again) is type(pruned)
    narrower = [site.width for site in ffn_sites(again)]
    assert all(new <= old for new, old in zip(narrower, widths, strict=True))
    assert ffn_widths(again.config) == narrower

    # The rest of the library takes it for an ordinary model.
    prepare_model(tmp_path / "prepared", tmp_path / "prepared.manifest.json", LocalFolder(str(tmp_path / "pruned")))
    encoder = load_encoder(tmp_path / "prepared", manifest=tmp_path / "prepared.manifest.json")
    assert [site.width for site in encoder.sites] == widths
    seen = []
    encoder.read(waveform, lambda index, activations: seen.append(activations.shape[-1]))
    assert seen == widths
    prepare_model(tmp_path / "twin", tmp_path / "twin.manifest.json", RandomTwin(str(tmp_path / "prepared"), 0))
    assert [site.width for site in load_encoder(tmp_path / "twin").sites] == widths


_ALONE = """
import sys
sys.modules["property_neurons"] = None
import torch
from pathlib import Path
for folder in sorted(Path(sys.argv[1]).iterdir()):
    sys.path.insert(0, str(folder))
    sys.modules.pop("load_pruned", None)
    from load_pruned import load
    sys.path.pop(0)
    inputs, expected = torch.load(folder / "expected.pt")
    with torch.inference_mode():
        assert torch.equal(load(folder)(inputs)[0], expected), folder.name
    print(folder.name)
"""


@pytest.mark.slow
def test_a_pruned_model_loads_where_the_library_is_not(tmp_path):
    """By the file in its folder, in a process that cannot import property_neurons, to the bit."""
    models = {name: small_models.small_model(name) for name in small_models.CLASS_NAMES}
    # The adapter above its encoder has a feed-forward network, which is no layer of neurons.
    models["adapted"] = small_models.small_model("Wav2Vec2BertModel", add_adapter=True)
    for name, model in models.items():
        encoder = load_encoder(small_models.save_model(model, tmp_path / "whole" / name))
        inputs = next(iter(encoder.front_end.windows(small_models.waveform(9_000)))).values
        pruned = remove_neurons(model, drawn(model))
        folder = small_models.save_model(pruned, tmp_path / "pruned" / name)
        shutil.copy(PRUNED_LOADER, folder)
        with torch.inference_mode():
            torch.save((inputs, pruned(inputs)[0]), folder / "expected.pt")
    command = [sys.executable, "-c", _ALONE, str(tmp_path / "pruned")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.stdout.split() == sorted(models), done.stderr


def with_head():
    return small_models.build(
        small_models.find_class("MelHubertForPreTraining"), small_models.small_config("MelHubertModel")
    )


def test_the_loader_takes_the_encoder_of_a_model_with_its_head_and_no_random_weights(tmp_path):
    pruned = remove_neurons(with_head(), drawn(with_head()))
    folder = small_models.save_model(pruned, tmp_path / "headed")
    features = torch.randn(1, 30, 80)
    with torch.inference_mode():
        assert torch.equal(load(folder)(features)[0], pruned.melhubert(features)[0])
    weights = load_file(folder / "model.safetensors")
    del weights[next(name for name in weights if name.endswith("intermediate_dense.weight"))]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match=r"found none that fit for \['encoder.layers.0.feed_forward"):
        load(folder)


def test_a_model_with_its_head_is_pruned_where_its_encoder_is():
    model = with_head()
    kept = drawn(model)
    pruned = remove_neurons(model, kept)
    assert type(pruned) is type(model)
    features = torch.randn(1, 30, 80)
    with torch.inference_mode():
        torch.testing.assert_close(
            pruned.melhubert(features)[0], remove_neurons(model.melhubert, kept)(features)[0], atol=0, rtol=0
        )
        torch.testing.assert_close(pruned.final_proj.weight, model.final_proj.weight, atol=0, rtol=0)


def test_the_old_model_is_not_altered():
    model = small_models.small_model("HubertModel")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    pruned = remove_neurons(model, drawn(model))
    with torch.no_grad():
        for parameter in pruned.parameters():
            parameter.zero_()
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, before[name], atol=0, rtol=0)
    assert model.config.model_type == "hubert"


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        ([range(3)], "expected the kept neurons of 2 feed-forward networks, found 1"),
        ([range(3), []], "network 2: no neuron would be left of 24"),
        ([range(3), [4, 24]], "network 2: expected ascending neurons from 0 to 23, found 2 from 4 to 24"),
        ([range(3), [4, 4]], "network 2: expected ascending neurons"),
        ([[-1, 2], range(3)], "network 1: expected ascending neurons"),
    ],
)
def test_neurons_that_cannot_be_kept_are_named(kept, message):
    with pytest.raises(ModelError, match=message):
        remove_neurons(small_models.small_model("HubertModel"), [torch.as_tensor(list(one)) for one in kept])


def test_widths_that_do_not_fit_the_model_are_refused(tmp_path):
    pruned = remove_neurons(small_models.small_model("HubertModel"), drawn(small_models.small_model("HubertModel")))
    pruned.config.ffn_widths = [3]
    with pytest.raises(ModelError, match=r"expected 2 positive numbers.*found \[3\]"):
        type(pruned)(pruned.config)
