import json

import pytest
import small_models
import torch
from safetensors.torch import load_file, save_file
from test_loading import encoder_of, read_all

from property_neurons.errors import ModelError
from property_neurons.models.backend import transformers
from property_neurons.models.loading import load_encoder
from property_neurons.models.prepare import (
    HubModel,
    LocalFolder,
    MelHubertRelease,
    RandomTwin,
    model_source,
    prepare_model,
)
from property_neurons.stores import files


def prepare(source, tmp_path, name="out"):
    """Prepare and return {file name: bytes} and the manifest."""
    folder, manifest = tmp_path / name, tmp_path / f"{name}.json"
    prepare_model(folder, manifest, source)
    return {file.name: file.read_bytes() for file in folder.iterdir()}, files.read_json(manifest)


@pytest.mark.parametrize("class_name", small_models.CLASS_NAMES)
def test_prepared_folder_reads_the_same_neurons_and_is_described(class_name, tmp_path):
    model = small_models.small_model(class_name)
    source = small_models.save_model(model, tmp_path / "source")
    files, manifest = prepare(LocalFolder(str(source)), tmp_path)
    assert set(files) == {"config.json", "model.safetensors", "preprocessor_config.json"} == set(manifest["files"])
    encoder = load_encoder(tmp_path / "out", manifest=tmp_path / "out.json")
    speech = small_models.waveform(4000)
    expected = read_all(encoder_of(model, tmp_path), speech)
    assert all(torch.equal(a, b) for a, b in zip(read_all(encoder, speech), expected, strict=True))
    assert manifest["class"] == class_name
    assert manifest["source"] == {"kind": "folder", "path": str(source), "normalise": None, "window_seconds": None}
    assert manifest["sites"][0] == {"layer": 1, "name": encoder.sites[0].name, "width": small_models.WIDTH}
    assert len(manifest["sites"]) == len(encoder.sites)
    assert manifest["n_parameters"] == sum(parameter.numel() for parameter in model.parameters())
    assert manifest["sampling_rate"] == 16_000
    takes_log_mel = class_name in ("WhisperEncoder", "Wav2Vec2BertModel", "MelHubertModel")
    assert manifest["normalised"] is (None if takes_log_mel else False)


def test_preparing_again_gives_the_same_bytes_and_replaces_what_was_there(tmp_path):
    source = small_models.save_model(small_models.small_model("HubertModel"), tmp_path / "source", do_normalize=True)
    # A weight that only training uses: made up when absent, but always the same.
    weights = load_file(source / "model.safetensors")
    del weights["masked_spec_embed"]
    save_file(weights, source / "model.safetensors", metadata={"format": "pt"})
    first = prepare(LocalFolder(str(source)), tmp_path)
    (tmp_path / "out" / "left-over").write_text("")
    torch.manual_seed(99)
    assert prepare(LocalFolder(str(source)), tmp_path) == first
    assert first[1]["normalised"] is True
    other = prepare(LocalFolder(str(source)), tmp_path, "other")
    assert other[1]["digest"] == first[1]["digest"]


def test_normalise_is_decided_in_the_prepared_folder_and_models_made_of_it_follow(tmp_path):
    source = small_models.save_model(small_models.small_model("HubertModel"), tmp_path / "source", do_normalize=True)
    for asked, expected in ((None, True), (True, True), (False, False)):
        _, manifest = prepare(LocalFolder(str(source), normalise=asked), tmp_path, "asked")
        _, twin = prepare(RandomTwin(str(tmp_path / "asked"), seed=1), tmp_path, "twin")
        assert manifest["normalised"] is twin["normalised"] is expected
        assert load_encoder(tmp_path / "asked").front_end.extractor.do_normalize is expected


@pytest.mark.parametrize("class_name", ["WhisperEncoder", "Wav2Vec2BertModel", "MelHubertModel"])
def test_normalise_is_refused_for_models_that_take_log_mel_features(class_name, tmp_path):
    source = small_models.save_model(small_models.small_model(class_name), tmp_path / "source")
    _, manifest = prepare(LocalFolder(str(source), normalise=False), tmp_path)
    assert manifest["normalised"] is None
    with pytest.raises(ModelError, match="takes log-Mel features"):
        prepare(LocalFolder(str(source), normalise=True), tmp_path, "other")
    assert not (tmp_path / "other").exists()


def test_heads_and_pickled_weights_become_a_base_model_in_safetensors(tmp_path):
    config = small_models.small_config("HubertModel", vocab_size=8)
    model = small_models.build(transformers.HubertForCTC, config)
    source = small_models.save_model(model, tmp_path / "source")
    torch.save(model.state_dict(), source / "pytorch_model.bin")
    (source / "model.safetensors").unlink()
    _, manifest = prepare(LocalFolder(str(source)), tmp_path)
    assert manifest["class"] == "HubertModel"
    weights = load_file(tmp_path / "out" / "model.safetensors")
    name = "encoder.layers.0.feed_forward.output_dense.weight"
    assert torch.equal(weights[name], model.state_dict()[f"hubert.{name}"])
    assert not any("lm_head" in key for key in weights)


@pytest.mark.parametrize("class_name", ["Wav2Vec2ConformerModel", "WhisperEncoder", "MelHubertModel"])
def test_a_twin_has_the_same_shape_and_other_weights_fixed_by_its_seed(class_name, tmp_path):
    model = small_models.small_model(class_name, seed=5).half()
    small_models.save_model(model, tmp_path / "source")
    _, original = prepare(LocalFolder(str(tmp_path / "source")), tmp_path, "original")
    of = str(tmp_path / "original")
    first, manifest = prepare(RandomTwin(of, seed=1), tmp_path)
    torch.manual_seed(99)
    again, again_manifest = prepare(RandomTwin(of, seed=1), tmp_path)
    assert (again, again_manifest) == (first, manifest)
    _, other_manifest = prepare(RandomTwin(of, seed=2), tmp_path, "other")
    assert len({original["digest"], manifest["digest"], other_manifest["digest"]}) == 3
    assert {key: manifest[key] for key in ("class", "sites", "n_parameters", "normalised")} == {
        key: original[key] for key in ("class", "sites", "n_parameters", "normalised")
    }
    # transformers' own initialisation, as a model built from the config alone has it.
    expected = small_models.small_model(class_name, seed=1).state_dict()
    found = load_file(tmp_path / "out" / "model.safetensors")
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in found)


def test_a_twin_with_the_weights_of_its_model_is_refused(tmp_path):
    # A model that is random itself, from the same seed: as a control it would say nothing, without a word.
    small_models.save_model(small_models.small_model("HubertModel", seed=5), tmp_path / "source")
    prepare(LocalFolder(str(tmp_path / "source")), tmp_path, "mine")
    with pytest.raises(ModelError, match=r"random_twin of mine: expected other weights.*from seed 5; give"):
        prepare(RandomTwin(str(tmp_path / "mine"), seed=5), tmp_path)
    assert not (tmp_path / "out").exists()


def test_a_twin_of_a_pruned_melhubert_keeps_its_widths_and_its_statistics(tmp_path):
    model = small_models.small_model("MelHubertModel", intermediate_sizes=[9, 24])
    small_models.save_model(model, tmp_path / "source")
    original, original_manifest = prepare(LocalFolder(str(tmp_path / "source")), tmp_path, "original")
    twin, manifest = prepare(RandomTwin(str(tmp_path / "original"), seed=1), tmp_path)
    assert [site["width"] for site in manifest["sites"]] == [9, 24]
    assert manifest["sites"] == original_manifest["sites"]
    assert twin["preprocessor_config.json"] == original["preprocessor_config.json"]
    assert twin["model.safetensors"] != original["model.safetensors"]
    stored = json.loads(twin["preprocessor_config.json"])
    assert {name: stored[name] for name in ("mean", "std")} == {
        name: values.tolist() for name, values in small_models.STATISTICS.items()
    }


def test_a_failure_leaves_neither_folder_nor_manifest(tmp_path):
    source = small_models.save_model(small_models.small_model("HubertModel"), tmp_path / "source")
    prepare(LocalFolder(str(source)), tmp_path)
    file = source / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ModelError, match="expected weights in a whole safetensors file"):
        prepare(LocalFolder(str(source)), tmp_path)
    assert not (tmp_path / "out.json").exists()
    assert {path.name for path in tmp_path.iterdir()} <= {"source", "out"}
    with pytest.raises(ModelError, match="found nothing"):
        prepare(LocalFolder(str(tmp_path / "absent")), tmp_path)


def test_sources_are_made_from_kind_and_fields():
    assert model_source("folder", path="x") == LocalFolder("x")
    assert model_source("hub", id="a/b") == HubModel("a/b", "main")
    assert model_source("melhubert_release", checkpoint="x", statistics="y") == MelHubertRelease("x", "y")
    assert model_source("random_twin", of="x", seed=3) == RandomTwin("x", 3)
    with pytest.raises(ModelError, match=r"expected a kind among folder, hub, .*melhubert_release.*, found 'disk'"):
        model_source("disk")
    with pytest.raises(ModelError, match="'whisper_wheel': expected the fields: window_seconds; found: path"):
        model_source("whisper_wheel", path="x")
    with pytest.raises(ModelError, match="expected the fields: of, seed; found: of"):
        model_source("random_twin", of="x")
