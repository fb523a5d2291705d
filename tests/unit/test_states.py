"""Hidden states as tasks read them, against the model's own and the input of its blocks."""

from contextlib import ExitStack

import numpy as np
import pytest
import small_models
import torch

from property_neurons.models.batches import forward
from property_neurons.models.loading import load_encoder
from property_neurons.models.states import hidden_states
from property_neurons.probing.representations import layer_outputs


@pytest.fixture
def load(tmp_path):
    """A function that gives a small model of a class, loaded as the project loads models."""
    return lambda name: load_encoder(small_models.save_model(small_models.small_model(name), tmp_path / name))


def speech(n_samples, seed=0):
    return np.asarray(small_models.waveform(n_samples, seed), np.float32)


def windows_of(encoder, waveform):
    return list(encoder.front_end.windows(waveform))


def block_inputs(model, values):
    """What goes into each Transformer block, and the model's own hidden states."""
    blocks = model.layers if hasattr(model, "layers") else model.encoder.layers
    seen = []
    with torch.inference_mode(), ExitStack() as hooks:
        for block in blocks:
            hooks.enter_context(block.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0][0])))
        own = model(values, output_hidden_states=True).hidden_states
    return seen, [state[0] for state in own]


@pytest.mark.parametrize("name", small_models.CLASS_NAMES)
def test_the_states_are_the_models_own_and_what_the_blocks_take_in_and_put_out(name, load):
    encoder = load(name)
    waveform = speech(12_000)
    windows = windows_of(encoder, waveform)
    with torch.inference_mode():
        states = hidden_states(encoder.model, [windows])[0]
    rows = encoder.rows_of_frames(len(waveform))
    inputs, own = block_inputs(encoder.model, windows[0].values)
    assert states.shape == (small_models.N_BLOCKS + 1, rows[-1] + 1, 16)
    for state, expected in zip(states, own, strict=True):
        torch.testing.assert_close(state, expected[: len(state)], atol=1e-6, rtol=1e-6)
    for state, expected in zip(states, inputs, strict=False):
        torch.testing.assert_close(state, expected[: len(state)], atol=1e-6, rtol=1e-6)
    # The state after the last block may have passed a final norm; that after the first is the block's own output.
    np.testing.assert_allclose(states[1][rows], layer_outputs(encoder, waveform)[0], atol=1e-5)


@pytest.mark.parametrize("name", small_models.CLASS_NAMES)
def test_states_that_are_asked_for_are_those_among_all(name, load):
    encoder = load(name)
    windows = [windows_of(encoder, speech(12_000)), windows_of(encoder, speech(8_000))]
    with torch.inference_mode():
        every = hidden_states(encoder.model, windows)
        for wanted in ([-1], [1], [2, 0], range(1, 3)):
            for some, all_of_them in zip(hidden_states(encoder.model, windows, wanted), every, strict=True):
                assert torch.equal(some, all_of_them[list(wanted)])
        kept = forward(encoder.model, windows[0], output_hidden_states=[-1]).hidden_states
    assert [state is not None for state in kept] == [False, False, True]


LAYER_NORM = {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}
WITH_LAYER_NORM = ["HubertModel", "Wav2Vec2Model", "WavLMModel", "UniSpeechSatModel"]


@pytest.mark.parametrize(
    ("name", "variant"),
    [(name, {}) for name in small_models.CLASS_NAMES] + [(name, LAYER_NORM) for name in WITH_LAYER_NORM],
)
def test_a_batch_gives_what_each_utterance_gives_alone(name, variant, tmp_path):
    folder = small_models.save_model(small_models.small_model(name, **variant), tmp_path / name)
    encoder = load_encoder(folder)
    lengths = (9_000, 4_000, 15_983, 4_321)
    windows = [windows_of(encoder, speech(n_samples, seed)) for seed, n_samples in enumerate(lengths)]
    together = hidden_states(encoder.model, windows)
    # The sum of squares would be the same whatever goes into a last norm.
    wanted = [torch.randn(states.shape, generator=torch.Generator().manual_seed(7)) for states in together]
    sum((states * one).sum() for states, one in zip(together, wanted, strict=True)).backward()
    gradients = {key: value.grad.clone() for key, value in encoder.model.named_parameters() if value.grad is not None}
    encoder.model.zero_grad()
    for states, own, one in zip(together, windows, wanted, strict=True):
        alone = torch.stack(encoder.model(own[0].values, output_hidden_states=True).hidden_states)[:, 0]
        alone = alone[:, : own[0].speech_rows]
        torch.testing.assert_close(states, alone, atol=2e-5, rtol=1e-4)
        (alone * one).sum().backward()
    largest = max(float(gradient.abs().max()) for gradient in gradients.values())
    for key, value in encoder.model.named_parameters():
        if value.grad is not None:
            torch.testing.assert_close(gradients[key], value.grad, rtol=1e-3, atol=1e-5 * largest)
    # The model is left as it was.
    assert "forward" not in vars(getattr(encoder.model, "feature_extractor", encoder.model))


def test_the_windows_of_a_long_utterance_follow_each_other_without_padding(load):
    encoder = load("WhisperEncoder")
    windows = windows_of(encoder, speech(2 * 16_000 + 3_200))
    with torch.inference_mode():
        states = hidden_states(encoder.model, [windows])[0]
    own = [torch.stack(block_inputs(encoder.model, window.values)[1]) for window in windows]
    expected = torch.cat([own[0], own[1], own[2][:, :10]], dim=1)
    torch.testing.assert_close(states, expected, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["MelHubertModel", "HubertModel"])
def test_gradients_reach_the_weights_where_they_are_enabled(name, load):
    encoder = load(name)
    windows = [windows_of(encoder, speech(n_samples)) for n_samples in (6_000, 4_000)]
    sum(states[-1].square().sum() for states in hidden_states(encoder.model, windows)).backward()
    weight = encoder.model.encoder.layers[0].feed_forward.intermediate_dense.weight
    assert weight.grad.abs().max() > 0
