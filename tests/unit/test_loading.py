import importlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import small_models
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional

from property_neurons.errors import ModelError, StoreError
from property_neurons.models import backend
from property_neurons.models.backend import transformers
from property_neurons.models.features import load_front_end
from property_neurons.models.loading import SpeechEncoder, load_encoder, whisper_encoder_class
from property_neurons.stores import manifests

ROOT = Path(__file__).resolve().parents[2]
N_SAMPLES = 9000
ACTIVATIONS = {"gelu": functional.gelu, "swish": functional.silu}


def encoder_of(model, tmp_path):
    small_models.save_preprocessor(model.config, tmp_path)
    return SpeechEncoder(model, load_front_end(tmp_path, model.config))


def read_all(encoder, speech):
    """What the consumer gets, windows joined: one [rows, width] tensor a site."""
    pieces = [[] for _ in encoder.sites]
    encoder.read(speech, lambda site, activations: pieces[site].append(activations.clone()))
    return [torch.cat(piece) for piece in pieces]


def first_linear(site):
    return site.module.replace("output_dense", "intermediate_dense").replace("fc2", "fc1")


def model_input(class_name, speech):
    """What the class takes in according to transformers' documentation."""
    if class_name == "WhisperEncoder":
        extractor = transformers.WhisperFeatureExtractor(chunk_length=1)
    elif class_name == "Wav2Vec2BertModel":
        extractor = transformers.SeamlessM4TFeatureExtractor()
    elif class_name == "MelHubertModel":
        extractor = small_models.melhubert_extractor()
    else:
        return torch.from_numpy(speech)[None]
    return extractor(speech, sampling_rate=16_000, return_tensors="pt").input_features


VARIANTS = [
    *((class_name, {}) for class_name in small_models.CLASS_NAMES),
    # The layout of the large models: layer norm in the convolutions and before the attention.
    *(
        (class_name, {"do_stable_layer_norm": True, "feat_extract_norm": "layer"})
        for class_name in ("HubertModel", "Wav2Vec2Model", "WavLMModel", "UniSpeechSatModel")
    ),
]


@pytest.mark.parametrize(("class_name", "overrides"), VARIANTS)
def test_what_is_read_equals_act_of_fc1_by_hand(class_name, overrides, tmp_path):
    model = small_models.small_model(class_name, **overrides)
    encoder = encoder_of(model.train(), tmp_path)
    speech = small_models.waveform(N_SAMPLES)
    found = read_all(encoder, speech)

    act = ACTIVATIONS[getattr(model.config, "hidden_act", "gelu")]
    by_hand = []

    def compute(linear, inputs):
        by_hand.append(act(functional.linear(inputs[0], linear.weight, linear.bias))[0])

    for site in encoder.sites:
        model.get_submodule(first_linear(site)).register_forward_pre_hook(compute)
    with torch.inference_mode():
        model(model_input(class_name, speech))

    assert len(found) == len(by_hand) == (4 if "." in encoder.sites[0].name else 2)
    n_rows = encoder.rows_of_frames(N_SAMPLES).max() + 1
    for activations, expected in zip(found, by_hand, strict=True):
        assert activations.shape == (n_rows, small_models.WIDTH)
        assert torch.equal(activations, expected[:n_rows])
        assert activations.abs().max() > 0.05


@pytest.mark.parametrize("class_name", small_models.CLASS_NAMES)
def test_rows_fit_the_frames_for_many_lengths(class_name, tmp_path):
    encoder = encoder_of(small_models.small_model(class_name), tmp_path)
    for n_samples in (encoder.front_end.min_samples, 800, 1039, 1040, 1041, 7777, 17_000):
        rows = encoder.rows_of_frames(n_samples)
        assert rows.dtype == np.int64
        assert len(rows) == encoder.n_frames(n_samples) > 0
        found = read_all(encoder, small_models.waveform(n_samples))
        assert {len(activations) for activations in found} == {rows.max() + 1}


@pytest.mark.parametrize("class_name", small_models.CLASS_NAMES)
def test_an_utterance_that_gives_no_row_is_refused_with_its_length(class_name, tmp_path):
    encoder = encoder_of(small_models.small_model(class_name), tmp_path)
    shortest = encoder.front_end.min_samples
    assert encoder.n_frames(shortest) >= 1
    too_short = np.zeros(shortest - 1, np.float32)
    for refused in (
        lambda: encoder.n_frames(shortest - 1),
        lambda: encoder.rows_of_frames(shortest - 1),
        lambda: encoder.read(too_short, lambda site, activations: None),
    ):
        with pytest.raises(ModelError, match=rf"utterance of {shortest - 1} samples .* at least {shortest} samples"):
            refused()


def test_dropout_is_off_and_no_hook_stays(tmp_path):
    model = small_models.small_model("Wav2Vec2ConformerModel").train()
    encoder = encoder_of(model, tmp_path)
    speech = small_models.waveform(N_SAMPLES)
    first, second = read_all(encoder, speech), read_all(encoder, speech)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert not any(module._forward_pre_hooks for module in model.modules())

    def fail(site, activations):
        raise RuntimeError("consumer failed")

    with pytest.raises(RuntimeError, match="consumer failed"):
        encoder.read(speech, fail)
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_whisper_hands_over_window_by_window_and_each_window_is_read_alone(tmp_path):
    encoder = encoder_of(small_models.small_model("WhisperEncoder"), tmp_path)
    window = small_models.WHISPER_WINDOW * 320
    speech = small_models.waveform(2 * window + 1000)
    calls = []
    encoder.read(speech, lambda site, activations: calls.append((site, len(activations))))
    assert calls == [(0, 50), (1, 50), (0, 50), (1, 50), (0, 4), (1, 4)]
    alone = [read_all(encoder, speech[start : start + window]) for start in range(0, len(speech), window)]
    for site, activations in enumerate(read_all(encoder, speech)):
        assert torch.equal(activations, torch.cat([piece[site] for piece in alone]))


def test_layers_of_different_width_are_read_at_their_own_width(tmp_path):
    model = small_models.small_model("HubertModel")
    kept = [0, 3, 4, 9, 23]
    before = read_all(encoder_of(model, tmp_path), small_models.waveform(N_SAMPLES))
    feed_forward = model.encoder.layers[0].feed_forward
    narrow = nn.Linear(16, len(kept))
    narrow.load_state_dict(
        {"weight": feed_forward.intermediate_dense.weight[kept], "bias": feed_forward.intermediate_dense.bias[kept]}
    )
    feed_forward.intermediate_dense = narrow
    feed_forward.output_dense = nn.Linear(len(kept), 16)
    encoder = encoder_of(model, tmp_path)
    after = read_all(encoder, small_models.waveform(N_SAMPLES))
    assert [site.width for site in encoder.sites] == [len(kept), small_models.WIDTH]
    assert [activations.shape[1] for activations in after] == [len(kept), small_models.WIDTH]
    torch.testing.assert_close(after[0], before[0][:, kept])


def test_normalised_and_raw_waveforms_give_what_the_model_gives_for_them(tmp_path):
    folder, plain = (
        small_models.save_model(small_models.small_model("Wav2Vec2Model"), tmp_path / name, do_normalize=normalise)
        for name, normalise in (("normalised", True), ("plain", False))
    )
    # An offset, which the group norm of the front end would not undo before its GELU.
    speech = small_models.waveform(N_SAMPLES) * np.float32(0.1)
    normalised = ((speech - speech.mean()) / np.sqrt(speech.var() + 1e-7)).astype(np.float32)
    found, raw = (read_all(load_encoder(which), speech) for which in (folder, plain))
    by_hand = read_all(load_encoder(plain), normalised)
    torch.testing.assert_close(found[0], by_hand[0])
    assert not torch.equal(found[0], raw[0])


def test_a_waveform_that_is_not_float32_mono_is_refused(tmp_path):
    encoder = encoder_of(small_models.small_model("HubertModel"), tmp_path)
    for wrong in (np.zeros((2, 4000), np.float32), np.zeros(4000), np.zeros(4000, np.int16)):
        with pytest.raises(ModelError, match="expected a waveform of float32"):
            encoder.read(wrong, lambda site, activations: None)


def test_half_precision_weights_are_read_in_single_precision_with_sdpa(tmp_path):
    model = small_models.small_model("HubertModel").half()
    encoder = load_encoder(small_models.save_model(model, tmp_path / "m"))
    assert {parameter.dtype for parameter in encoder.model.parameters()} == {torch.float32}
    assert torch.equal(encoder.model.encoder.layers[0].feed_forward.output_dense.weight,
                       model.encoder.layers[0].feed_forward.output_dense.weight.float())  # fmt: skip
    assert encoder.model.config._attn_implementation == "sdpa"
    assert not encoder.model.training


@pytest.fixture
def folder(tmp_path):
    return small_models.save_model(small_models.small_model("HubertModel"), tmp_path / "m", do_normalize=False)


def edit_weights(folder, edit):
    file = folder / "model.safetensors"
    weights = load_file(file)
    edit(weights)
    save_file(weights, file, metadata={"format": "pt"})


def edit_config(folder, **fields):
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | fields))


def test_a_missing_weight_is_an_error_never_random(folder):
    edit_weights(folder, lambda weights: weights.pop("encoder.layers.1.feed_forward.output_dense.bias"))
    with pytest.raises(ModelError, match=r"1 of them \(encoder.layers.1.feed_forward.output_dense.bias"):
        load_encoder(folder)


def test_a_weight_of_the_wrong_shape_is_an_error(folder):
    edit_config(folder, intermediate_size=12)
    with pytest.raises(ModelError, match=r"expected encoder\.layers\.0\..* of shape \[.*12.*\], found \[.*24.*\]"):
        load_encoder(folder)


@pytest.mark.parametrize("class_name", ["HubertModel", "WhisperEncoder"])
def test_blocks_that_the_config_does_not_know_are_an_error(class_name, tmp_path):
    folder = small_models.save_model(small_models.small_model(class_name), tmp_path / "m")
    edit_config(folder, **{"encoder_layers" if class_name == "WhisperEncoder" else "num_hidden_layers": 1})
    with pytest.raises(ModelError, match=r"layers\.1\."):
        load_encoder(folder)


def test_a_training_only_weight_may_be_missing(folder):
    edit_weights(folder, lambda weights: weights.pop("masked_spec_embed"))
    assert len(load_encoder(folder).sites) == 2


def test_a_cut_weights_file_is_an_error(folder):
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ModelError, match=r"model\.safetensors: expected weights in a whole safetensors file"):
        load_encoder(folder)


def test_folder_is_held_against_its_manifest(folder, tmp_path):
    manifest = tmp_path / "m.json"
    manifests.write_manifest(manifest, manifests.describe_files(folder))
    load_encoder(folder, manifest=manifest)
    pristine = shutil.copytree(folder, tmp_path / "pristine")
    weights = folder / "model.safetensors"

    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(StoreError, match=r"model\.safetensors is not what was written"):
        load_encoder(folder, manifest=manifest)
    weights.write_bytes(content[:-1])
    with pytest.raises(StoreError, match=rf"should be {len(content)} bytes, found {len(content) - 1}"):
        load_encoder(folder, manifest=manifest)
    weights.unlink()
    with pytest.raises(StoreError, match=r"model\.safetensors is missing"):
        load_encoder(folder, manifest=manifest)
    with pytest.raises(ModelError, match="expected the weights of a model, found none"):
        load_encoder(folder)
    load_encoder(pristine, manifest=manifest)


def test_a_config_that_contradicts_itself_is_an_error_with_its_reason(tmp_path):
    folder = small_models.save_model(small_models.small_model("MelHubertModel"), tmp_path / "m")
    edit_config(folder, num_attention_heads=3)
    with pytest.raises(ModelError, match=r"/m: .*hidden_size \(16\) must be a multiple of num_attention_heads \(3\)"):
        load_encoder(folder)


def test_what_is_no_speech_model_is_an_error(tmp_path):
    with pytest.raises(ModelError, match="found nothing"):
        load_encoder(tmp_path / "absent")
    with pytest.raises(ModelError, match=r"config\.json"):
        load_encoder(tmp_path)
    config = transformers.BertConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8, vocab_size=8
    )
    folder = small_models.save_model(transformers.BertModel(config), tmp_path / "bert")
    with pytest.raises(ModelError, match=r"bert/config.json, model_type: expected .*wavlm.*, found 'bert'"):
        load_encoder(folder)


def test_the_whisper_encoder_alone_loads_with_its_own_class(tmp_path):
    model = small_models.small_model("WhisperEncoder")
    folder = small_models.save_model(model, tmp_path / "m")
    _, report = whisper_encoder_class().from_pretrained(folder, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]


_MODELS_FIRST = """
import transformers.models.hubert.modeling_hubert
from pathlib import Path
from property_neurons.models.loading import load_base_model
print(type(load_base_model(Path("resources/models/melhubert-mini"), "auto")).__name__)
"""


@pytest.mark.slow
def test_a_model_loads_whatever_of_transformers_came_first():
    done = subprocess.run([sys.executable, "-c", _MODELS_FIRST], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.stdout.split() == ["MelHubertModel"], done.stderr


def test_an_unusable_torchaudio_counts_as_absent(monkeypatch, tmp_path):
    (tmp_path / "torchaudio").mkdir()
    (tmp_path / "torchaudio" / "__init__.py").write_text("raise OSError('libc10_cuda.so: cannot open')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "torchaudio")
    is_available = transformers.utils.is_torchaudio_available
    is_available.cache_clear()
    assert is_available()
    try:
        importlib.reload(backend)
        assert not is_available()
    finally:
        is_available.cache_clear()
