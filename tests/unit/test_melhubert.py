"""MelHuBERT's network: sizes, storing and loading, frames, and what padding must not change."""

import numpy as np
import pytest
import small_models
import torch
from huggingface_hub.errors import StrictDataclassError
from hypothesis import given
from hypothesis import strategies as st
from test_loading import encoder_of, read_all
from torch.nn import functional

from property_neurons.models.backend import quiet_transformers, transformers
from property_neurons.models.ffn import ffn_sites
from property_neurons.models.loading import load_encoder
from property_neurons.models.melhubert import (
    MelHubertConfig,
    MelHubertFeatureExtractor,
    MelHubertForPreTraining,
    MelHubertModel,
)
from property_neurons.ranks.topk import rank_neurons

LENGTHS = (9000, 400, 5433, 720, 7239)
"""Samples; with and without an odd last log-Mel frame, and with a single frame."""


def activations_of(model, features, attention_mask=None):
    """What the second feed-forward linears take in: one [utterances, rows, width] tensor a site."""
    found = []
    hooks = [
        model.get_submodule(site.module).register_forward_pre_hook(lambda _, inputs: found.append(inputs[0].clone()))
        for site in ffn_sites(model)
    ]
    with torch.inference_mode():
        model(features, attention_mask=attention_mask)
    for hook in hooks:
        hook.remove()
    return found


def test_the_base_model_has_the_published_size():
    with torch.device("meta"):
        model = MelHubertForPreTraining(MelHubertConfig())
        shorter = MelHubertForPreTraining(MelHubertConfig(frame_ms=10))
    sizes = {name: parameter.numel() for name, parameter in model.named_parameters()}
    assert sum(sizes.values()) == 90_231_424
    in_ffn = sum(size for name, size in sizes.items() if ".feed_forward." in name)
    assert round(100 * in_ffn / sum(sizes.values()), 1) == 62.8
    assert model.melhubert.feature_projection.projection.weight.shape == (768, 80)
    assert shorter.melhubert.feature_projection.projection.weight.shape == (768, 40)
    assert [site.width for site in ffn_sites(model.melhubert)] == [3072] * 12


@pytest.mark.parametrize("widths", [None, [9, 24], [5, 7]])
@pytest.mark.parametrize("frame_ms", [20, 10])
def test_saving_and_loading_keeps_weights_widths_and_statistics(frame_ms, widths, tmp_path):
    config = small_models.small_config("MelHubertModel", frame_ms=frame_ms, intermediate_sizes=widths)
    model = small_models.build(MelHubertForPreTraining, config)
    folder = small_models.save_model(model, tmp_path / "m")

    with quiet_transformers():
        full = transformers.AutoModelForPreTraining.from_pretrained(folder)
        base = transformers.AutoModel.from_pretrained(folder)
    assert type(full) is MelHubertForPreTraining
    assert type(base) is MelHubertModel
    assert full.state_dict().keys() == model.state_dict().keys()
    assert all(torch.equal(values, model.state_dict()[name]) for name, values in full.state_dict().items())
    assert all(torch.equal(values, model.melhubert.state_dict()[name]) for name, values in base.state_dict().items())
    assert (base.config.frame_ms, base.config.intermediate_sizes) == (frame_ms, widths)
    assert [site.width for site in ffn_sites(base)] == (widths or [small_models.WIDTH] * 2)

    extractor = transformers.AutoFeatureExtractor.from_pretrained(folder)
    assert type(extractor) is MelHubertFeatureExtractor
    speech = small_models.waveform(9000)
    np.testing.assert_array_equal(
        extractor.features(speech), small_models.melhubert_extractor(frame_ms).features(speech)
    )
    expected = read_all(encoder_of(model.melhubert, tmp_path), speech)
    found = read_all(load_encoder(folder), speech)
    assert [activations.shape[1] for activations in found] == (widths or [small_models.WIDTH] * 2)
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("frame_ms", [20, 10])
def test_a_padded_batch_gives_what_each_utterance_gives_alone(frame_ms):
    model = small_models.small_model("MelHubertModel", frame_ms=frame_ms)
    extractor = small_models.melhubert_extractor(frame_ms)
    waveforms = [small_models.waveform(n, seed=n) for n in LENGTHS]
    batch = extractor(waveforms, return_tensors="pt")
    with torch.inference_mode():
        together = model(**batch).last_hidden_state
    sites = activations_of(model, batch.input_features, batch.attention_mask)
    for index, waveform in enumerate(waveforms):
        alone = torch.from_numpy(extractor.features(waveform))[None]
        n_rows = alone.shape[1]
        assert batch.attention_mask[index].sum() == n_rows
        with torch.inference_mode():
            expected = model(alone).last_hidden_state[0]
        torch.testing.assert_close(together[index, :n_rows], expected, rtol=1e-5, atol=1e-5)
        for padded, single in zip(sites, activations_of(model, alone), strict=True):
            torch.testing.assert_close(padded[index, :n_rows], single[0], rtol=1e-5, atol=1e-5)
            ranks = [rank_neurons(activations, 5).ids for activations in (padded[index, :n_rows], single[0])]
            np.testing.assert_array_equal(*ranks)


def test_padding_without_its_mask_would_show():
    model = small_models.small_model("MelHubertModel")
    batch = small_models.melhubert_extractor()([small_models.waveform(n) for n in (9000, 5000)], return_tensors="pt")
    with torch.inference_mode():
        masked, unmasked = model(**batch), model(batch.input_features)
    n_rows = batch.attention_mask[1].sum()
    assert (masked.last_hidden_state[1, :n_rows] - unmasked.last_hidden_state[1, :n_rows]).abs().max() > 1e-3


@pytest.mark.parametrize("dtype", [torch.bool, torch.int64, torch.float32])
def test_masks_of_any_type_mean_the_same(dtype):
    model = small_models.small_model("MelHubertModel")
    batch = small_models.melhubert_extractor()([small_models.waveform(n) for n in LENGTHS], return_tensors="pt")
    with torch.inference_mode():
        expected = model(batch.input_features, attention_mask=batch.attention_mask.bool()).last_hidden_state
        found = model(batch.input_features, attention_mask=batch.attention_mask.to(dtype)).last_hidden_state
    assert torch.equal(found, expected)


def test_input_and_mask_are_left_as_they_were():
    model = small_models.small_model("MelHubertModel")
    batch = small_models.melhubert_extractor()([small_models.waveform(n) for n in LENGTHS], return_tensors="pt")
    before = batch.input_features.clone()
    masked = torch.zeros(before.shape[:2], dtype=torch.bool)
    masked[:, ::3] = True
    with torch.inference_mode():
        model(**batch, mask_time_indices=masked)
    assert torch.equal(batch.input_features, before)


def test_masked_frames_are_zeros_in_the_input():
    model = small_models.small_model("MelHubertModel")
    features = torch.randn(2, 11, 80, generator=torch.Generator().manual_seed(0))
    masked = torch.zeros(2, 11, dtype=torch.bool)
    masked[0, 2:7] = masked[1, 9:] = True
    with torch.inference_mode():
        found = model(features, mask_time_indices=masked).last_hidden_state
        expected = model(features * ~masked.unsqueeze(-1)).last_hidden_state
    assert torch.equal(found, expected)


def test_the_loss_is_the_cross_entropy_of_the_labelled_frames():
    model = small_models.build(MelHubertForPreTraining, small_models.small_config("MelHubertModel"))
    features = torch.randn(2, 11, 80, generator=torch.Generator().manual_seed(0))
    labels = torch.full((2, 11), -100)
    labels[0, 3:6], labels[1, 8] = torch.tensor([4, 0, 7]), 2
    with torch.inference_mode():
        logits = model(features).logits
        output = model(features, labels=labels)
        accumulated = model(features, labels=labels, num_items_in_batch=8).loss
    chosen = torch.cat([logits[0, 3:6], logits[1, 8:9]])
    expected = functional.cross_entropy(chosen, torch.tensor([4, 0, 7, 2]))
    assert logits.shape == (2, 11, 8)
    torch.testing.assert_close(output.logits, chosen)
    torch.testing.assert_close(output.loss, expected)
    torch.testing.assert_close(accumulated, expected / 2)


def test_hidden_states_are_the_input_of_the_first_block_and_the_output_of_each():
    model = small_models.small_model("MelHubertModel")
    features = torch.randn(1, 11, 80, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        output = model(features, output_hidden_states=True)
        assert len(output.hidden_states) == 3
        for index, block in enumerate(model.encoder.layers):
            torch.testing.assert_close(block(output.hidden_states[index]), output.hidden_states[index + 1])
    assert torch.equal(output.hidden_states[-1], output.last_hidden_state)


@pytest.fixture(scope="module")
def encoders(tmp_path_factory):
    """The small model of 20 ms and of 10 ms."""
    return {
        frame_ms: encoder_of(
            small_models.small_model("MelHubertModel", frame_ms=frame_ms), tmp_path_factory.mktemp(f"{frame_ms}")
        )
        for frame_ms in (20, 10)
    }


@given(st.integers(400, 3_000_000))
def test_an_utterance_has_one_frame_per_320_samples(encoders, n_samples):
    n_frames = (n_samples - 80) // 320
    n_log_mel_frames = (n_samples - 240) // 160
    for frame_ms, encoder in encoders.items():
        assert encoder.n_frames(n_samples) == n_frames
        rows = encoder.rows_of_frames(n_samples)
        assert len(rows) == n_frames
        assert np.array_equal(rows, np.arange(n_frames) * (20 // frame_ms))
    assert rows[-1] in (n_log_mel_frames - 1, n_log_mel_frames - 2)


@pytest.mark.parametrize("frame_ms", [20, 10])
def test_the_rows_handed_over_end_with_the_last_frames(encoders, frame_ms):
    encoder = encoders[frame_ms]
    for n_samples in (*LENGTHS, *range(1000, 1700, 37)):
        for activations in read_all(encoder, small_models.waveform(n_samples)):
            assert len(activations) == encoder.rows_of_frames(n_samples)[-1] + 1


def test_the_10_ms_models_row_of_a_frame_is_its_first_half(encoders):
    encoder = encoders[10]
    speech = small_models.waveform(9000)
    features = torch.from_numpy(small_models.melhubert_extractor(10).features(speech))[None]
    rows = encoder.rows_of_frames(len(speech))
    for found, expected in zip(read_all(encoder, speech), activations_of(encoder.model, features), strict=True):
        assert torch.equal(found[rows], expected[0, ::2][: len(rows)])


@pytest.mark.parametrize("frame_ms", [20, 10])
def test_an_utterance_of_a_single_frame(encoders, frame_ms):
    encoder = encoders[frame_ms]
    for n_samples in (400, 719):
        assert encoder.n_frames(n_samples) == 1
        for activations in read_all(encoder, small_models.waveform(n_samples)):
            assert activations.shape == (1, small_models.WIDTH)
            assert activations.isfinite().all()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"frame_ms": 15}, "frame_ms: expected 10 or 20, found 15"),
        ({"num_attention_heads": 7}, r"hidden_size \(768\) must be a multiple of num_attention_heads \(7\)"),
        ({"num_conv_pos_embedding_groups": 5}, "multiple of num_conv_pos_embedding_groups"),
        ({"num_attention_heads": 0}, "num_attention_heads: expected a positive number, found 0"),
        ({"num_hidden_layers": 0}, "num_hidden_layers: expected a positive number"),
        ({"num_mel_bins": -1}, "num_mel_bins: expected a positive number"),
        ({"intermediate_sizes": [3072]}, "expected 12 positive numbers, one per layer, found"),
        ({"intermediate_sizes": [0] * 12}, "expected 12 positive numbers"),
        ({"intermediate_sizes": []}, "expected 12 positive numbers"),
        ({"num_targets": "many"}, "num_targets"),
    ],
)
def test_configs_that_contradict_themselves_are_refused(fields, message):
    with pytest.raises(StrictDataclassError, match=message):
        MelHubertConfig(**fields)
