"""Released MelHuBERT checkpoints: what is read, what comes out, and what is refused."""

import argparse
import json
import subprocess
import sys

import numpy as np
import pytest
import small_models
import torch
from test_loading import read_all
from test_pickles import Malicious
from test_prepare import prepare
from torch.nn import functional

from property_neurons.errors import ModelError, StoreError
from property_neurons.models.backend import transformers
from property_neurons.models.loading import load_encoder
from property_neurons.models.log_mel import LogMelStatistics
from property_neurons.models.melhubert import conversion
from property_neurons.models.melhubert.conversion import convert_release, load_release, read_statistics
from property_neurons.models.prepare import LocalFolder, MelHubertRelease
from property_neurons.stores import manifests

HIDDEN = 16
KERNEL = 6
STATISTICS = LogMelStatistics(**small_models.STATISTICS)


def released_weights(widths=(24, 24), n_inputs=80, groups=2, n_targets=8):
    """Random weights by their released names."""
    generator = torch.Generator().manual_seed(0)

    def values(*shape):
        return 0.3 * torch.randn(shape, generator=generator)

    def linear(name, n_outputs, n_inputs):
        return {f"{name}.weight": values(n_outputs, n_inputs), f"{name}.bias": values(n_outputs)}

    def norm(name):
        return {f"{name}.weight": 1 + values(HIDDEN), f"{name}.bias": values(HIDDEN)}

    weights = linear("pre_extract_proj", HIDDEN, n_inputs)
    weights["encoder.pos_conv.0.bias"] = values(HIDDEN)
    weights["encoder.pos_conv.0.weight_g"] = values(1, 1, KERNEL).abs()
    weights["encoder.pos_conv.0.weight_v"] = values(HIDDEN, HIDDEN // groups, KERNEL)
    for layer, width in enumerate(widths):
        for name in ("k_proj", "v_proj", "q_proj", "out_proj"):
            weights |= linear(f"encoder.layers.{layer}.self_attn.{name}", HIDDEN, HIDDEN)
        weights |= norm(f"encoder.layers.{layer}.self_attn_layer_norm")
        weights |= linear(f"encoder.layers.{layer}.fc1", width, HIDDEN)
        weights |= linear(f"encoder.layers.{layer}.fc2", HIDDEN, width)
        weights |= norm(f"encoder.layers.{layer}.final_layer_norm")
    return weights | norm("encoder.layer_norm") | linear("final_proj", n_targets, HIDDEN)


def released_forward(weights, features, heads, groups=2):
    """The network by its released names: features [frames, inputs] -> hidden [frames, hidden], logits, activations."""

    def linear(name, x):
        return functional.linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])

    def norm(name, x):
        return functional.layer_norm(x, (HIDDEN,), weights[f"{name}.weight"], weights[f"{name}.bias"])

    x = linear("pre_extract_proj", features)
    v = weights["encoder.pos_conv.0.weight_v"]
    kernel = weights["encoder.pos_conv.0.weight_g"] * v / (v**2).sum(dim=(0, 1), keepdim=True).sqrt()
    position = functional.conv1d(
        x.T[None], kernel, weights["encoder.pos_conv.0.bias"], padding=KERNEL // 2, groups=groups
    )
    x = norm("encoder.layer_norm", x + functional.gelu(position[0, :, :-1].T))
    activations = []
    for layer in range(sum(name.endswith(".fc1.bias") for name in weights)):
        block = f"encoder.layers.{layer}"
        q, k, v = (
            linear(f"{block}.self_attn.{name}", x).unflatten(1, (heads, -1)).transpose(0, 1)
            for name in ("q_proj", "k_proj", "v_proj")
        )
        attention = (q @ k.transpose(1, 2) / (HIDDEN // heads) ** 0.5).softmax(dim=2)
        x = x + linear(f"{block}.self_attn.out_proj", (attention @ v).transpose(0, 1).flatten(1))
        x = norm(f"{block}.self_attn_layer_norm", x)
        activations.append(functional.gelu(linear(f"{block}.fc1", x)))
        x = norm(f"{block}.final_layer_norm", x + linear(f"{block}.fc2", activations[-1]))
    return x, linear("final_proj", x), activations


def save_release(path, weights, section="melhubert", settings=None, legacy=False, **entries):
    """Write a checkpoint as the authors' training code does."""
    settings = {"encoder_attention_heads": 4, "encoder_ffn_embed_dim": 3072, "dropout": 0.2} | (settings or {})
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.ones(2))])
    optimizer.param_groups[0]["params"][0].sum().backward()
    optimizer.step()
    content = {
        "Optimizer": optimizer.state_dict(),
        "Step": 849_100,
        "Args": argparse.Namespace(mode="melhubert", device="cuda", seed=1, initial_weight=None),
        "Runner": {"runner": {"n_epochs": 100}, "optimizer": {"lr": 1e-4, "betas": [0.9, 0.999]}},
        "model": weights,
        "Upstream_Config": {section: settings},
    }
    torch.save(content | entries, path, _use_new_zipfile_serialization=not legacy)
    return path


@pytest.fixture
def checkpoint(tmp_path):
    return save_release(tmp_path / "release.ckpt", released_weights())


@pytest.mark.parametrize(
    ("widths", "n_inputs", "legacy", "section"),
    [((24, 24), 80, False, "melhubert"), ((24, 24), 40, True, "hubert"), ((9, 24, 5), 80, True, "some_name")],
)
def test_a_converted_release_computes_what_the_release_computes(widths, n_inputs, legacy, section, tmp_path):
    weights = released_weights(widths, n_inputs)
    convert_release(
        save_release(tmp_path / "release.ckpt", weights, section, legacy=legacy), tmp_path / "folder", STATISTICS
    )
    assert {file.name for file in (tmp_path / "folder").iterdir()} == {
        "config.json",
        "model.safetensors",
        "preprocessor_config.json",
    }
    model = transformers.AutoModelForPreTraining.from_pretrained(tmp_path / "folder")
    extractor = transformers.AutoFeatureExtractor.from_pretrained(tmp_path / "folder")
    speech = small_models.waveform(9000)
    features = torch.from_numpy(extractor.features(speech))
    assert features.shape[1] == n_inputs
    np.testing.assert_array_equal(
        features, small_models.melhubert_extractor(10 if n_inputs == 40 else 20).features(speech)
    )
    hidden, logits, activations = released_forward(weights, features, heads=4)
    with torch.inference_mode():
        torch.testing.assert_close(model(features[None]).logits[0], logits, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(model.melhubert(features[None]).last_hidden_state[0], hidden, rtol=1e-5, atol=1e-5)
    encoder = load_encoder(tmp_path / "folder")
    assert [site.width for site in encoder.sites] == list(widths)
    for found, expected in zip(read_all(encoder, speech), activations, strict=True):
        torch.testing.assert_close(found, expected[: len(found)], rtol=1e-5, atol=1e-5)


def test_the_config_is_read_off_the_tensors(tmp_path):
    path = save_release(tmp_path / "release.ckpt", released_weights((9, 24, 5), groups=4, n_targets=11))
    config = load_release(path, STATISTICS)[0].config
    assert (config.hidden_size, config.num_hidden_layers, config.num_targets) == (HIDDEN, 3, 11)
    assert (config.intermediate_size, config.intermediate_sizes) == (24, [9, 24, 5])
    assert (config.num_conv_pos_embeddings, config.num_conv_pos_embedding_groups) == (KERNEL, 4)
    assert (config.frame_ms, config.num_mel_bins, config.num_attention_heads) == (20, 40, 4)
    assert (config.hidden_dropout, config.attention_dropout) == (0.2, 0.1)
    same = save_release(path, released_weights((7, 7)))
    assert load_release(same, STATISTICS)[0].config.intermediate_sizes is None


def test_the_number_of_heads_is_the_given_one_then_the_releases_then_one_of_size_64(checkpoint, tmp_path):
    def heads(path, given=None):
        return load_release(path, STATISTICS, given)[0].config.num_attention_heads

    assert heads(checkpoint, 2) == 2
    assert heads(checkpoint) == 4
    assert heads(save_release(tmp_path / "a", released_weights(), Upstream_Config={})) == 1
    assert heads(save_release(tmp_path / "b", released_weights(), Upstream_Config=None)) == 1
    for wrong in (3, 0, -1):
        with pytest.raises(ModelError, match=rf"release\.ckpt: .* divides 16, found {wrong};"):
            heads(checkpoint, wrong)
    with pytest.raises(ModelError, match="divides 16, found 5"):
        heads(save_release(tmp_path / "c", released_weights(), settings={"encoder_attention_heads": 5}))


def test_half_precision_is_widened(tmp_path):
    weights = {name: values.half() for name, values in released_weights().items()}
    model, _ = load_release(save_release(tmp_path / "release.ckpt", weights), STATISTICS)
    assert model.final_proj.weight.dtype == torch.float32
    assert torch.equal(model.final_proj.weight, weights["final_proj.weight"].float())


@pytest.mark.parametrize("legacy", [False, True])
def test_nothing_that_a_checkpoint_holds_is_run(legacy, tmp_path):
    victim = tmp_path / "victim"
    path = save_release(tmp_path / "bad.ckpt", released_weights(), legacy=legacy, Args=Malicious(victim))
    with pytest.raises(ModelError, match=r"bad\.ckpt: .*found (posix|nt)\.system, which reading would run"):
        convert_release(path, tmp_path / "folder", STATISTICS)
    assert not victim.exists()
    assert not (tmp_path / "folder").exists()
    torch.load(path, weights_only=False)
    assert victim.exists(), "the pickle was harmless, so that the test showed nothing"


class Harmless:
    """A class of our own is refused as well."""


def test_a_class_other_than_namespace_is_refused_by_name(tmp_path):
    path = save_release(tmp_path / "bad.ckpt", released_weights(), Runner=Harmless())
    with pytest.raises(ModelError, match=r"found .*test_melhubert_conversion\.Harmless, which"):
        load_release(path, STATISTICS)
    assert argparse.Namespace not in torch.serialization.get_safe_globals()


def test_every_tensor_that_does_not_fit_is_listed(tmp_path):
    weights = released_weights((24, 24, 24))
    del weights["encoder.layers.1.fc1.bias"], weights["final_proj.weight"], weights["encoder.pos_conv.0.weight_v"]
    weights["mask_emb"] = torch.zeros(HIDDEN)
    weights["encoder.layers.0.fc1.weight_mask"] = torch.ones(24, HIDDEN)
    weights["encoder.layers.2.self_attn.q_proj.weight"] = torch.zeros(12, HIDDEN)
    weights["encoder.layers.2.fc2.weight"] = torch.zeros(HIDDEN, 23)
    with pytest.raises(ModelError) as raised:
        load_release(save_release(tmp_path / "release.ckpt", weights), STATISTICS)
    message = str(raised.value)
    assert message.startswith(f"{tmp_path / 'release.ckpt'}: ")
    assert "missing: encoder.layers.1.fc1.bias, encoder.pos_conv.0.weight_v, final_proj.weight;" in message
    assert "surplus: encoder.layers.0.fc1.weight_mask, mask_emb;" in message
    assert "encoder.layers.2.fc2.weight [16, 23] instead of [16, 24]" in message
    assert "encoder.layers.2.self_attn.q_proj.weight [12, 16] instead of [16, 16]" in message


def test_a_gap_between_the_layers_shows_as_missing_and_surplus(tmp_path):
    weights = {name.replace("layers.1.", "layers.999999999999."): v for name, v in released_weights().items()}
    with pytest.raises(ModelError, match=r"missing: encoder\.layers\.1\.fc1.*surplus: encoder\.layers\.999999999999\."):
        load_release(save_release(tmp_path / "release.ckpt", weights), STATISTICS)


def test_without_blocks_those_of_the_base_model_are_missing(tmp_path):
    weights = {"pre_extract_proj.weight": torch.zeros(HIDDEN, 80)}
    with pytest.raises(
        ModelError, match=r"missing: encoder\.layer_norm\.bias.*layers\.11\.fc1.*pre_extract_proj\.bias; give"
    ):
        load_release(save_release(tmp_path / "release.ckpt", weights), STATISTICS)


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({"layer_norm_first": True}, "'layer_norm_first': True"),
        ({"activation_fn": "relu"}, "'activation_fn': 'relu'"),
        ({"attention_type": "causal"}, "'attention_type': 'causal'"),
        ({"dropout": "much"}, "hidden_dropout"),
    ],
)
def test_settings_of_another_network_are_refused(settings, found, tmp_path):
    path = save_release(tmp_path / "release.ckpt", released_weights(), settings=settings)
    with pytest.raises(ModelError, match=rf"release\.ckpt: expected .*settings.* found.*{found}"):
        load_release(path, STATISTICS)


def test_what_is_no_release_is_refused(tmp_path):
    path = tmp_path / "x.ckpt"
    with pytest.raises(ModelError, match=r"x\.ckpt: expected a released checkpoint, found nothing"):
        load_release(path, STATISTICS)
    for content in (b"", b"not a pickle", b"PK\x03\x04 cut"):
        path.write_bytes(content)
        with pytest.raises(ModelError, match=r"x\.ckpt: expected a released checkpoint, found .*; "):
            load_release(path, STATISTICS)
    for content, found in (([1], "list"), ({"weights": {}}, "weights"), ({"model": [1]}, "model"), ({}, "nothing")):
        torch.save(content, path)
        with pytest.raises(ModelError, match=rf"x\.ckpt: expected an entry `model` .* found: {found}"):
            load_release(path, STATISTICS)
    with pytest.raises(ModelError, match=r"something else under final_proj\.bias, mask"):
        load_release(save_release(path, {"mask": torch.ones(2).long(), "final_proj.bias": 3}), STATISTICS)


def test_statistics_of_another_number_of_bins_are_refused(checkpoint):
    statistics = LogMelStatistics(np.zeros(30), np.ones(30))
    with pytest.raises(ModelError, match=r"expected 30 inputs \(10 ms\) or 60 \(20 ms\).*found 80"):
        load_release(checkpoint, statistics)


def test_a_folder_that_holds_something_is_left_alone(checkpoint, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "mine").write_text("")
    with pytest.raises(StoreError, match="expected nothing or an empty folder"):
        convert_release(checkpoint, tmp_path / "folder", STATISTICS)
    assert [file.name for file in (tmp_path / "folder").iterdir()] == ["mine"]


def write_statistics(folder):
    mean, std = small_models.STATISTICS.values()
    np.save(folder / "mean-std.npy", np.stack([mean, std]))
    (folder / "mean-std.json").write_text(json.dumps({"mean": mean.tolist(), "std": std.tolist()}))
    return folder / "mean-std.npy", folder / "mean-std.json"


def test_statistics_come_as_npy_or_json(tmp_path):
    for file in write_statistics(tmp_path):
        found = read_statistics(file)
        np.testing.assert_array_equal(found.mean, STATISTICS.mean)
        np.testing.assert_array_equal(found.std, STATISTICS.std)


def test_statistics_that_are_none_are_refused(tmp_path):
    def refused(name, found):
        with pytest.raises(ModelError, match=rf"{name}: .*{found}"):
            read_statistics(tmp_path / name)

    refused("absent.npy", "FileNotFoundError")
    refused("absent.json", "expected a file, found nothing")
    refused("absent.txt", r"found suffix '\.txt'")
    np.save(tmp_path / "shape.npy", np.ones((40, 2)))
    refused("shape.npy", r"found shape \[40, 2\]")
    np.save(tmp_path / "negative.npy", -np.ones((2, 40)))
    refused("negative.npy", "positive deviations")
    np.save(tmp_path / "objects.npy", np.array([["a"], [None]], dtype=object))
    refused("objects.npy", "ValueError")
    (tmp_path / "empty.npy").write_bytes(b"")
    refused("empty.npy", "EOFError")
    for name, content, found in (
        ("text", "{", "no JSON from line 1"),
        ("list", "[1]", "TypeError"),
        ("key", '{"mean": [1]}', "KeyError"),
        ("word", '{"mean": ["a"], "std": [1]}', "ValueError"),
        ("lengths", '{"mean": [1, 2], "std": [1]}', "found shapes"),
    ):
        (tmp_path / f"{name}.json").write_text(content)
        refused(f"{name}.json", found)


def test_the_command_converts(checkpoint, tmp_path, monkeypatch, capsys):
    statistics, _ = write_statistics(tmp_path)
    arguments = [str(checkpoint), str(tmp_path / "folder"), "--statistics", str(statistics)]
    monkeypatch.setattr(sys, "argv", ["conversion", *arguments])
    conversion.main()
    assert capsys.readouterr() == ("", "")
    assert len(load_encoder(tmp_path / "folder").sites) == 2


@pytest.mark.slow
def test_the_command_fails_with_the_message_alone_and_status_1(tmp_path):
    statistics, _ = write_statistics(tmp_path)
    arguments = [str(tmp_path / "absent"), str(tmp_path / "folder"), "--statistics", str(statistics)]
    command = [sys.executable, "-m", "property_neurons.models.melhubert.conversion", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == f"{tmp_path / 'absent'}: expected a released checkpoint, found nothing; correct the path\n"
    assert not (tmp_path / "folder").exists()


def test_a_target_that_cannot_be_written_is_told_in_a_line(checkpoint, tmp_path, monkeypatch):
    statistics, _ = write_statistics(tmp_path)
    arguments = [str(checkpoint), str(checkpoint / "folder"), "--statistics", str(statistics)]
    monkeypatch.setattr(sys, "argv", ["conversion", *arguments])
    with pytest.raises(SystemExit, match=r"Not a directory; see that it can be read, or written to"):
        conversion.main()


def test_a_release_is_prepared_as_its_base_model(checkpoint, tmp_path):
    statistics, _ = write_statistics(tmp_path)
    source = MelHubertRelease(str(checkpoint), str(statistics))
    files, manifest = prepare(source, tmp_path, "prepared")
    assert set(files) == {"config.json", "model.safetensors", "preprocessor_config.json"}
    assert manifest["class"] == "MelHubertModel"
    assert manifest["source"] == {
        "kind": "melhubert_release",
        "checkpoint": str(checkpoint),
        "statistics": str(statistics),
    }
    assert [site["width"] for site in manifest["sites"]] == [24, 24]
    assert manifest["normalised"] is None
    assert manifest == prepare(source, tmp_path, "prepared")[1]

    # The converted folder, prepared as a local one, is the same model.
    convert_release(checkpoint, tmp_path / "folder", STATISTICS)
    _, from_folder = prepare(LocalFolder(str(tmp_path / "folder")), tmp_path, "from_folder")
    assert from_folder["digest"] == manifest["digest"]
    manifests.verify_files(tmp_path / "prepared", tmp_path / "prepared.json")
