"""Model folders as they are found: read to the bit, or refused with the file, the key and what to do."""

import json
import re
import shutil

import pytest
import small_models
import torch
from safetensors.torch import load_file, save_file
from test_loading import edit_config, encoder_of, read_all

from property_neurons.doctor.shapes import _shape_in
from property_neurons.errors import ModelError
from property_neurons.models import pruned
from property_neurons.models.folder import MODEL_TYPES, inspect_folder, needed_names
from property_neurons.models.loading import load_base_model, load_encoder
from property_neurons.models.prepare import LocalFolder, prepare_model
from property_neurons.stores import files

SPEECH = small_models.waveform(2000)
FC2 = "encoder.layers.1.feed_forward.output_dense.weight"


@pytest.fixture(scope="session")
def pristine(tmp_path_factory):
    """A group-norm model and what it reads."""
    folder = tmp_path_factory.mktemp("model") / "m"
    model = small_models.small_model("HubertModel")
    small_models.save_model(model, folder, do_normalize=False)
    return folder, model, read_all(encoder_of(model, folder), SPEECH)


@pytest.fixture
def folder(pristine, tmp_path):
    return shutil.copytree(pristine[0], tmp_path / "m")


def write_weights(folder, weights):
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def edit_weights(folder, edit):
    weights = load_file(folder / "model.safetensors")
    write_weights(folder, edit(weights) or weights)


def same(found, expected):
    return all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_the_known_types_are_those_whose_neurons_are_known():
    assert {*pruned._CONFIGS, "melhubert"} == set(MODEL_TYPES)


HOW_IT_IS_RUN = [
    {"return_dict": False},
    {"output_hidden_states": True, "output_attentions": True},
    {"attn_implementation": "flash_attention_2"},
    {"_attn_implementation": "flash_attention_3"},
    {"attn_implementation": "kernels-community/flash-attn", "use_kernels": True},
    {"_attn_implementation_internal": "kernels-community/nobody:run", "kernel_config": {"x": "nobody/kernel"}},
    {"auto_map": {"AutoConfig": "evil.C", "AutoModel": "evil.M"}},
    {"torchscript": True, "torch_dtype": "float8_e4m3fn"},
    {"transformers_weights": "../other.safetensors"},
    {"fusion_config": {"x": 1}, "distributed_config": {"tp_size": 2}},
]


@pytest.mark.parametrize("fields", HOW_IT_IS_RUN, ids=lambda fields: next(iter(fields)))
def test_what_config_json_says_about_running_the_model_changes_nothing(fields, pristine, folder, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked"))
    (folder / "evil.py").write_text("raise SystemExit('foreign code ran')")
    edit_config(folder, **fields)
    assert same(read_all(load_encoder(folder), SPEECH), pristine[2])
    prepare_model(folder.parent / "out", folder.parent / "out.json", LocalFolder(str(folder)))
    prepared = json.loads((folder.parent / "out" / "config.json").read_text())
    assert prepared["dtype"] == "float32"
    assert not [key for key in fields if key in prepared and key != "dtype"]


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        (
            {"model_type": "mine", "auto_map": {"AutoConfig": "evil.C"}},
            r"model_type: .*'mine'.*auto_map\) is never run",
        ),
        ({"model_type": "bert"}, r"model_type: expected .*wavlm.*found 'bert'"),
        ({"model_type": "unispeech"}, r"model_type: .*found 'unispeech'"),
        ({"model_type": ["hubert"]}, "model_type: "),
        ({"model_type": None}, "model_type: .*found None"),
        ({"quantization_config": {"quant_method": "gptq", "bits": 4}}, r"quantization_config: .*quantised by gptq"),
        ({"quantization_config": {"quant_method": "awq"}}, "quantised by awq"),
        ({"quantization_config": {"load_in_8bit": True}}, "quantised by a method without a name"),
        ({"compression_config": {"quant_method": "compressed-tensors"}}, r"compression_config: .*compressed-tensors"),
        ({"num_hidden_layers": 10_000_000}, r"num_hidden_layers: .*the 2 Transformer blocks .*found 10,000,000"),
        ({"num_hidden_layers": 3}, r"num_hidden_layers: .*the 2 Transformer blocks .*found 3;"),
        ({"hidden_size": 2_000_000, "intermediate_size": 90_000_000}, r"parameters that config\.json asks for, found"),
        ({"intermediate_size": 10**15}, r"config\.json"),
        ({"num_hidden_layers": "two"}, "config.json"),
        ({"num_hidden_layers": 0}, r"num_hidden_layers: expected at least one .*found 0;"),
        ({"num_hidden_layers": -1}, r"num_hidden_layers: expected at least one .*found -1;"),
        ({"hidden_size": 15}, "config.json"),
        ({"conv_dim": [8]}, "config.json"),
    ],
    ids=lambda value: "" if isinstance(value, str) else json.dumps(value)[:40],
)
def test_a_config_that_asks_for_another_model_is_refused(fields, found, folder):
    (folder / "evil.py").write_text("raise SystemExit('foreign code ran')")
    edit_config(folder, **fields)
    with pytest.raises(ModelError, match=found):
        load_base_model(folder, "auto")


JSON_FILES = ["config.json", "preprocessor_config.json", "processor_config.json", "model.safetensors.index.json"]


@pytest.mark.parametrize("name", JSON_FILES)
@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "an empty file"),
        (b"[]", "a list"),
        (b"null", "a NoneType"),
        (b'{"a": 1', "no JSON from line 1"),
        (b'{"model_type": "hubert", "model_type": "wavlm"}', "'model_type' 2 times"),
        (b"\xff\xfe{", "UTF-16"),
        (b"[" * 100_000, "nested too deep"),
        (b'{"a":' * 100_000, "nested too deep"),
    ],
    ids=["empty", "list", "null", "cut", "twice", "utf-16", "deep-list", "deep-object"],
)
def test_json_that_is_none_is_refused_by_file(name, content, found, folder):
    if "index" in name:
        (folder / "model.safetensors").unlink()
    (folder / name).write_bytes(content)
    with pytest.raises(ModelError, match=rf"m/{name}(, line 1)?: expected .*{found}"):
        load_encoder(folder)
    with pytest.raises(ModelError, match=rf"m/{name}(, line 1)?: expected .*{found}"):
        inspect_folder(folder)


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({}, "found an empty object"),
        ({"do_normalize": "false"}, "do_normalize: expected true or false, found 'false'"),
        ({"sampling_rate": 8000}, "expected a model for 16000 Hz, found 8000 Hz"),
        ({"sampling_rate": "16k"}, "sampling_rate: expected a number"),
        ({"feature_size": 10**9}, "feature_size: expected a number from 1"),
        ({"feature_extractor_type": "WhisperFeatureExtractor"}, "feature_extractor_type: expected Wav2Vec2"),
    ],
)
def test_settings_of_an_extractor_that_cannot_be_followed_are_refused(fields, found, folder):
    (folder / "preprocessor_config.json").write_text(json.dumps(fields))
    with pytest.raises(ModelError, match=rf"preprocessor_config\.json.*{found}"):
        load_encoder(folder)


@pytest.mark.parametrize(
    ("class_name", "fields", "found"),
    [
        ("WhisperEncoder", {"feature_size": 10**9}, "feature_size: expected a number from 1"),
        ("WhisperEncoder", {"feature_size": 128}, "expected features of 80 Mel bins"),
        ("WhisperEncoder", {"dither": 0.1}, "dither: expected 0"),
        ("WhisperEncoder", {"n_fft": 10**10}, "n_fft"),
        ("Wav2Vec2BertModel", {"num_mel_bins": 10**9}, "num_mel_bins"),
        ("MelHubertModel", {}, "an empty object"),
        ("MelHubertModel", {"mean": "x", "std": [1]}, "log-Mel statistics"),
    ],
)
def test_settings_of_log_mel_extractors_are_bounded(class_name, fields, found, tmp_path):
    folder = small_models.save_model(small_models.small_model(class_name), tmp_path / "m")
    (folder / "preprocessor_config.json").write_text(json.dumps(fields))
    with pytest.raises(ModelError, match=found):
        load_encoder(folder)


def test_processor_config_alone_holds_the_extractor_since_transformers_5(folder):
    (folder / "preprocessor_config.json").unlink()
    nested = folder / "processor_config.json"
    nested.write_text(json.dumps({"processor_class": "Wav2Vec2Processor"}))
    assert load_encoder(folder).front_end.normalised is False
    nested.write_text(json.dumps({"feature_extractor": {"do_normalize": True, "sampling_rate": 16_000}}))
    assert load_encoder(folder).front_end.normalised is True
    nested.write_text(json.dumps({"feature_extractor": [1]}))
    with pytest.raises(ModelError, match=r"processor_config\.json, feature_extractor: expected a JSON object"):
        load_encoder(folder)


LAYER_NORM = [
    *(("HubertModel", {"feat_extract_norm": "layer"}), ("WavLMModel", {"feat_extract_norm": "layer"})),
    *(("Wav2Vec2Model", {"feat_extract_norm": "layer"}), ("Wav2Vec2ConformerModel", {"feat_extract_norm": "layer"})),
    *(("UniSpeechSatModel", {"feat_extract_norm": "layer"}), ("SEWModel", {"feat_extract_norm": "layer"})),
    ("Data2VecAudioModel", {}),
]


@pytest.mark.parametrize(("class_name", "fields"), LAYER_NORM, ids=[name for name, _ in LAYER_NORM])
def test_a_layer_norm_model_without_preprocessor_asks_for_normalise(class_name, fields, tmp_path):
    folder = small_models.save_model(small_models.small_model(class_name, **fields), tmp_path / "m")
    (folder / "preprocessor_config.json").unlink()
    refused = r"expected a preprocessor_config\.json .* layer norm\), found none; .* set `normalise` of the model"
    with pytest.raises(ModelError, match=refused):
        prepare_model(tmp_path / "o", tmp_path / "o.json", LocalFolder(str(folder)))
    with pytest.raises(ModelError, match=refused):
        inspect_folder(folder)
    inspect_folder(folder, normalise=False)
    (folder / "processor_config.json").write_text('{"processor_class": "Wav2Vec2Processor"}')
    with pytest.raises(ModelError, match=refused):
        load_encoder(folder)
    prepare_model(tmp_path / "o", tmp_path / "o.json", LocalFolder(str(folder), normalise=True))
    assert files.read_json(tmp_path / "o.json")["normalised"] is True
    # What was decided is in the folder: whatever is made of it need not be told.
    assert load_encoder(tmp_path / "o").front_end.normalised is True


def test_weights_of_the_convolutions_that_the_config_has_no_place_for_are_an_error(tmp_path):
    """Group norm in config.json, layer norm in the weights: left out, the neurons would be others."""
    model = small_models.small_model("HubertModel", feat_extract_norm="layer", conv_bias=True)
    folder = small_models.save_model(model, tmp_path / "m")
    for fields in ({"feat_extract_norm": "group"}, {"conv_bias": False}):
        edit_config(folder, **fields)
        with pytest.raises(ModelError, match=r"no place \(feature_extractor\.conv_layers\.\d\..* feat_extract_norm"):
            load_encoder(folder)


def test_a_group_norm_model_without_preprocessor_is_read_raw(pristine, folder):
    (folder / "preprocessor_config.json").unlink()
    inspect_folder(folder)
    assert same(read_all(load_encoder(folder), SPEECH), pristine[2])


@pytest.mark.parametrize("said", ["bfloat16", "float16", "float64"])
def test_the_precision_is_that_of_the_stored_weights_whatever_config_json_says(said, pristine, folder, tmp_path):
    edit_config(folder, dtype=said, torch_dtype=said)
    prepare_model(tmp_path / "o", tmp_path / "o.json", LocalFolder(str(folder)))
    stored = load_file(tmp_path / "o" / "model.safetensors")
    assert {values.dtype for values in stored.values()} == {torch.float32}
    assert same(read_all(load_encoder(tmp_path / "o"), SPEECH), pristine[2])


@pytest.mark.parametrize(
    ("dtypes", "expected"),
    [
        ((torch.float16, torch.float16), torch.float16),
        ((torch.bfloat16, torch.bfloat16), torch.bfloat16),
        ((torch.float16, torch.bfloat16), torch.float32),
        ((torch.float32, torch.bfloat16), torch.float32),
        ((torch.float16, torch.float64), torch.float64),
    ],
)
@pytest.mark.parametrize("form", ["safetensors", "bin"])
def test_mixed_precisions_are_kept_in_the_one_that_holds_them_all(dtypes, expected, form, pristine, folder, tmp_path):
    state = pristine[1].state_dict()
    weights = {name: values.to(dtypes[at % 2]) for at, (name, values) in enumerate(state.items())}
    write_weights(folder, weights)
    if form == "bin":
        torch.save(weights, folder / "pytorch_model.bin")
        (folder / "model.safetensors").unlink()
    prepare_model(tmp_path / "o", tmp_path / "o.json", LocalFolder(str(folder)))
    stored = load_file(tmp_path / "o" / "model.safetensors")
    assert {values.dtype for values in stored.values()} == {expected}
    assert all(torch.equal(stored[name].double(), weights[name].double()) for name in weights)


@pytest.mark.parametrize("dtype", [torch.int8, torch.int64, torch.uint8, torch.bool, torch.float8_e4m3fn])
@pytest.mark.parametrize("form", ["safetensors", "bin"])
def test_integers_and_bytes_are_refused_by_name(dtype, form, folder):
    edit_weights(folder, lambda weights: weights | {FC2: weights[FC2].to(dtype)})
    if form == "bin":
        torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
        (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=rf"expected tensors in floating point .*{re.escape(FC2)}: .*quantised"):
        load_base_model(folder, torch.float32)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_weight_that_is_no_number_is_refused_by_name(value, folder):
    edit_weights(folder, lambda weights: weights[FC2].view(-1)[3:4].fill_(value) and None)
    with pytest.raises(ModelError, match=rf"finite weights, found NaN or infinity in {re.escape(FC2)}"):
        load_encoder(folder)


@pytest.mark.parametrize("names", [("adapter_config.json",), ("adapter_model.safetensors", "adapter_config.json")])
@pytest.mark.parametrize("alone", [False, True])
def test_an_adapter_beside_the_weights_or_alone_is_refused(names, alone, folder):
    for name in names:
        (folder / name).write_text("{}")
    if alone:
        for name in ("config.json", "model.safetensors", "preprocessor_config.json"):
            (folder / name).unlink()
    for refusing in (load_encoder, inspect_folder):
        with pytest.raises(ModelError, match=r"an adapter .*adapter_config\.json.*merge_and_unload"):
            refusing(folder)


def test_parts_of_an_adapter_among_the_weights_are_refused(folder):
    edit_weights(
        folder,
        lambda weights: {
            f"base_model.model.{name}".replace("output_dense.", "output_dense.base_layer."): values
            for name, values in weights.items()
        },
    )
    with pytest.raises(ModelError, match=r"parts of an adapter \(.*base_layer.*merge_and_unload"):
        load_base_model(folder, "auto")


def test_language_adapters_of_mms_are_no_lora_and_are_left_alone(pristine, folder):
    (folder / "adapter.eng.safetensors").write_bytes(b"x")
    (folder / "adapter.deu.bin").write_bytes(b"x")
    inspect_folder(folder)
    assert same(read_all(load_encoder(folder), SPEECH), pristine[2])


WRAPPED = {
    "module.": lambda name: f"module.{name}",
    "_orig_mod.": lambda name: f"_orig_mod.{name}",
    "both": lambda name: f"module._orig_mod.{name}",
    "blocks": lambda name: re.sub(r"(layers\.\d+)\.", r"\1._orig_mod.", name),
    "fsdp": lambda name: re.sub(r"(layers\.\d+)\.", r"\1._fsdp_wrapped_module.", f"_fsdp_wrapped_module.{name}"),
    "head": lambda name: f"_orig_mod.hubert.{name}",
}


@pytest.mark.parametrize("wrapped", WRAPPED)
def test_names_from_inside_torch_compile_and_data_parallel_are_understood(wrapped, pristine, folder):
    edit_weights(folder, lambda weights: {WRAPPED[wrapped](name): values for name, values in weights.items()})
    assert same(read_all(load_encoder(folder), SPEECH), pristine[2])


def test_a_weight_under_two_names_is_refused(folder):
    edit_weights(folder, lambda weights: weights | {f"module.{FC2}": weights[FC2] + 1})
    with pytest.raises(ModelError, match=rf"expected each weight once, found {re.escape(FC2)}"):
        load_encoder(folder)


def test_names_that_nothing_explains_are_missing_weights_never_random_ones(folder):
    edit_weights(folder, lambda weights: {f"net.w2v.{name}": values for name, values in weights.items()})
    with pytest.raises(ModelError, match=r"every weight of the encoder.* the weights hold net\.w2v\."):
        load_encoder(folder)


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 378\n"


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_a_pointer_of_git_lfs_is_no_weights(name, folder):
    (folder / "model.safetensors").unlink()
    (folder / name).write_bytes(POINTER)
    for refusing in (load_encoder, inspect_folder):
        with pytest.raises(ModelError, match=rf"{name}: .*pointer of git-lfs.*git lfs pull"):
            refusing(folder)


@pytest.mark.parametrize(
    "name", ["model.onnx", "tf_model.h5", "flax_model.msgpack", "model.gguf", "model.fp16.safetensors", "hubert.pt"]
)
def test_weights_in_another_form_are_named(name, folder):
    (folder / "model.safetensors").rename(folder / name)
    with pytest.raises(ModelError, match=rf"found only {name}; load the model with transformers"):
        load_encoder(folder)


def shard(folder):
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    parts = {"a.safetensors": {}, "b.safetensors": {}}
    placed = {name: sorted(parts)[at % 2] for at, name in enumerate(weights)}
    for name, part in placed.items():
        parts[part][name] = weights[name]
    for part, tensors in parts.items():
        save_file(tensors, folder / part, metadata={"format": "pt"})
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": placed}))


def test_shards_are_read_together_and_one_that_is_absent_is_named(pristine, folder):
    shard(folder)
    inspect_folder(folder)
    assert same(read_all(load_encoder(folder), SPEECH), pristine[2])
    (folder / "b.safetensors").rename(folder / "c.safetensors")
    with pytest.raises(ModelError, match=r"expected 2 files of weights.* found no b\.safetensors; .*incomplete"):
        load_encoder(folder)
    (folder / "b.safetensors").symlink_to("nowhere")
    with pytest.raises(ModelError, match=r"found no b\.safetensors"):
        inspect_folder(folder)


@pytest.mark.parametrize("name", ["../m2.safetensors", "/etc/passwd", "sub/a.safetensors", ".a.safetensors", "a.pkl"])
def test_an_index_names_no_file_elsewhere(name, folder):
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"x": name}}))
    with pytest.raises(ModelError, match=r"index\.json: expected names of files beside it"):
        load_encoder(folder)


def test_a_link_to_a_file_that_is_gone_is_named(folder):
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").symlink_to("../../blobs/0123")
    with pytest.raises(ModelError, match=r"model\.safetensors: expected weights, found a link to a file that is gone"):
        load_encoder(folder)


def bomb(folder, class_name, **fields):
    small_models.save_model(small_models.small_model(class_name), folder)
    edit_config(folder, **fields)
    return folder


@pytest.mark.parametrize(
    ("class_name", "fields", "found"),
    [
        ("WhisperEncoder", {"encoder_layers": 10_000_000}, "encoder_layers: .*found 10,000,000"),
        ("WhisperEncoder", {"max_source_positions": 10**9}, "asks for"),
        ("Wav2Vec2Model", {"add_adapter": True, "num_adapter_layers": 10**7}, "num_adapter_layers"),
        ("Data2VecAudioModel", {"num_conv_pos_embeddings": 10**7}, "num_conv_pos_embeddings"),
        (
            "Wav2Vec2ConformerModel",
            {"position_embeddings_type": "relative", "max_source_positions": 10**10},
            "asks for",
        ),
        ("MelHubertModel", {"num_conv_pos_embeddings": 10**12}, "asks for"),
        ("MelHubertModel", {"num_hidden_layers": 10**7}, "num_hidden_layers"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isalnum() else "",
)
def test_no_memory_is_taken_for_what_the_weights_do_not_hold(class_name, fields, found, tmp_path):
    folder = bomb(tmp_path / "m", class_name, **fields)
    with pytest.raises(ModelError, match=found):
        load_base_model(folder, "auto")


def test_pruned_folders_and_heads_of_every_kind_pass_the_inspection(tmp_path):
    for name in small_models.CLASS_NAMES:
        inspect_folder(small_models.save_model(small_models.small_model(name), tmp_path / name))
    model = small_models.small_model("HubertModel")
    kept = [torch.arange(3), torch.arange(5)]
    small_models.save_model(pruned.remove_neurons(model, kept), tmp_path / "pruned")
    inspect_folder(tmp_path / "pruned")


def test_a_name_from_outside_is_shown_escaped(folder):
    edit_weights(folder, lambda weights: weights | {"x\x1b[2J": torch.zeros(1, dtype=torch.int8)})
    with pytest.raises(ModelError) as raised:
        load_encoder(folder)
    assert "\x1b" not in str(raised.value)
    assert "x\\x1b[2J: I8" in str(raised.value)


def test_counters_of_a_batch_norm_are_no_quantised_weights(tmp_path):
    model = small_models.small_model("Wav2Vec2ConformerModel")
    folder = small_models.save_model(model, tmp_path / "m")
    assert any(values.dtype == torch.int64 for values in load_file(folder / "model.safetensors").values())
    assert same(read_all(load_encoder(folder), SPEECH), read_all(encoder_of(model, folder), SPEECH))


def test_a_folder_is_made_from_the_files_that_are_read_and_no_others(folder):
    for name in ("adapter.eng.safetensors", "model.fp16.safetensors", "pytorch_model.bin", "x.json"):
        (folder / name).write_bytes(b"x")
    assert needed_names(folder) == ["config.json", "preprocessor_config.json", "model.safetensors"]
    shard(folder)
    index = "model.safetensors.index.json"
    parts = ["a.safetensors", "b.safetensors"]
    assert needed_names(folder) == ["config.json", "preprocessor_config.json", index, *parts]
    (folder / "b.safetensors").unlink()
    assert needed_names(folder) == ["config.json", "preprocessor_config.json"]
    assert needed_names(folder / "absent") == ["config.json"]


def test_names_of_weight_norm_from_before_torch_2_are_understood(pristine, folder):
    """As the public checkpoints have them."""
    old = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}

    def rename(weights):
        return {re.sub("|".join(old), lambda name: old[name[0]], name): values for name, values in weights.items()}

    edit_weights(folder, rename)
    assert "encoder.pos_conv_embed.conv.weight_g" in load_file(folder / "model.safetensors")
    assert same(read_all(load_encoder(folder), SPEECH), pristine[2])


@pytest.mark.parametrize("zipped", [False, True])
def test_pickles_of_both_kinds_are_read(zipped, pristine, folder):
    weights = {name: torch.nn.Parameter(values) for name, values in load_file(folder / "model.safetensors").items()}
    torch.save(weights, folder / "pytorch_model.bin", _use_new_zipfile_serialization=zipped)
    (folder / "model.safetensors").unlink()
    assert same(read_all(load_encoder(folder), SPEECH), pristine[2])


def test_safetensors_without_a_word_on_their_form_are_torchs_and_those_of_mlx_are_refused(pristine, folder):
    weights = load_file(folder / "model.safetensors")
    save_file(weights, folder / "model.safetensors")
    assert same(read_all(load_encoder(folder), SPEECH), pristine[2])
    save_file(weights, folder / "model.safetensors", metadata={"format": "mlx"})
    with pytest.raises(ModelError, match=r"model\.safetensors: expected weights as torch .*mlx"):
        inspect_folder(folder)


def test_empty_tensors_of_a_sharded_training_are_refused_by_name(folder):
    edit_weights(folder, lambda weights: weights | {FC2: torch.empty(0)})
    with pytest.raises(ModelError, match=rf"expected {re.escape(FC2)} of shape \[16, 24\], found \[0\]"):
        load_encoder(folder)


def test_the_inspection_sees_more_blocks_than_are_stored(folder):
    edit_config(folder, num_hidden_layers=10_000_000)
    with pytest.raises(ModelError, match=r"num_hidden_layers: .*the 2 Transformer blocks .*found 10,000,000"):
        inspect_folder(folder)


@pytest.mark.parametrize(
    "content", ["[]", "[" * 100_000, '{"num_hidden_layers": 1000000000000, "hidden_size": 8, "intermediate_size": 8}']
)
def test_the_doctors_shape_of_a_config_that_is_none_is_that_of_a_base_model(content, tmp_path):
    (tmp_path / "config.json").write_text(content)
    assert _shape_in(str(tmp_path / "config.json")).assumed
