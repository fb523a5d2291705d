"""Every class of every family, with a head, a decoder or none, keeps its neurons through prepare, to the bit."""

import json

import pytest
import small_models
import torch
from safetensors.torch import load_file
from test_loading import encoder_of, read_all

from property_neurons.models.backend import transformers
from property_neurons.models.loading import load_encoder
from property_neurons.models.prepare import LocalFolder, prepare_model

_HEADS = ("Model", "ForCTC", "ForSequenceClassification", "ForAudioFrameClassification", "ForXVector", "ForPreTraining")
_STEMS = {name: name.removesuffix("Model") for name in small_models.CLASS_NAMES if name != "WhisperEncoder"}
CLASSES = [
    (stem + head, name)
    for name, stem in _STEMS.items()
    for head in _HEADS
    if stem + head in vars(small_models.melhubert) or hasattr(transformers, stem + head)
] + [
    (name, "WhisperEncoder")
    for name in ("WhisperModel", "WhisperForConditionalGeneration", "WhisperForAudioClassification", "WhisperEncoder")
]
_SMALL_HEADS = {
    "vocab_size": 8,
    "num_labels": 3,
    "classifier_proj_size": 8,
    "tdnn_dim": [8, 8],
    "tdnn_kernel": [3, 1],
    "tdnn_dilation": [1, 1],
    "xvector_output_dim": 8,
    "num_codevectors_per_group": 4,
    "codevector_dim": 8,
    "proj_codevector_dim": 8,
    "num_clusters": 4,
}


def test_no_class_of_a_family_is_forgotten():
    families = tuple(_STEMS.values())
    found = {
        name
        for name in dir(transformers)
        if name.startswith((*families, "Whisper")) and name.endswith(_HEADS) and not name.endswith("PreTrainedModel")
    }
    # A decoder alone has no encoder; UniSpeech without SAT is another family.
    assert found - {name for name, _ in CLASSES} == {name for name in found if name.startswith("SEWD")}


def each(class_name, family):
    """One head of each family fast, and all that Whisper has."""
    fast = class_name.endswith("ForCTC") or class_name.startswith("Whisper") or family == "MelHubertModel"
    return pytest.param(class_name, family, {}, id=class_name, marks=() if fast else pytest.mark.slow)


VARIANTS = [
    ("Wav2Vec2ForCTC", {"adapter_attn_dim": 4, "feat_extract_norm": "layer", "do_stable_layer_norm": True}),
    ("HubertForCTC", {"conv_pos_batch_norm": True}),
    ("Wav2Vec2BertForCTC", {"add_adapter": True, "output_hidden_size": 16}),
    ("Wav2Vec2ForCTC", {"add_adapter": True, "output_hidden_size": 16}),
    ("Wav2Vec2ConformerForCTC", {"position_embeddings_type": "rotary"}),
    ("Wav2Vec2BertForCTC", {"position_embeddings_type": "relative"}),
    ("HubertForSequenceClassification", {"use_weighted_layer_sum": True}),
]


def variant(at, class_name, fields):
    """The first, of MMS with its language adapter, fast."""
    marks = pytest.mark.slow if at else ()
    return pytest.param(class_name, dict(CLASSES)[class_name], fields, id=next(iter(fields)), marks=marks)


@pytest.mark.parametrize(
    ("class_name", "family", "fields"),
    [each(*pair) for pair in CLASSES] + [variant(at, *which) for at, which in enumerate(VARIANTS)],
)
def test_the_prepared_model_has_the_neurons_of_the_sources_own_encoder(class_name, family, fields, tmp_path):
    heads = {} if family in ("WhisperEncoder", "MelHubertModel") else _SMALL_HEADS
    config = small_models.small_config(family, **heads, **fields)
    full = small_models.build(small_models.find_class(class_name), config, seed=3)
    source = small_models.save_model(full, tmp_path / "source")
    prepare_model(tmp_path / "out", tmp_path / "out.json", LocalFolder(str(source)))

    encoder = full
    if family == "WhisperEncoder":
        encoder = full.get_encoder() if class_name != "WhisperEncoder" else full
    elif class_name != family:
        encoder = full.base_model
    assert type(encoder).__name__ == family
    speech = small_models.waveform(2000)
    expected = read_all(encoder_of(encoder, tmp_path), speech)
    found = read_all(load_encoder(tmp_path / "out", manifest=tmp_path / "out.json"), speech)
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
    # Of its own names, so that transformers alone loads it; of a head or decoder nothing is left.
    stored = load_file(tmp_path / "out" / "model.safetensors")
    assert stored.keys() == encoder.state_dict().keys()
    assert json.loads((tmp_path / "out" / "config.json").read_text())["architectures"] == [family]
