"""Hidden states as tasks read them, against the model's own blocks."""

import numpy as np
import pytest
import small_models
import torch

from property_neurons.models.loading import load_encoder
from property_neurons.models.states import hidden_states
from property_neurons.probing.representations import layer_outputs


@pytest.mark.parametrize("name", small_models.CLASS_NAMES)
def test_the_states_are_what_the_blocks_put_out(name, tmp_path):
    encoder = load_encoder(small_models.save_model(small_models.small_model(name), tmp_path / name))
    waveform = np.asarray(small_models.waveform(12_000), np.float32)
    with torch.inference_mode():
        states = hidden_states(encoder.model, [list(encoder.front_end.windows(waveform))])[0].numpy()
    rows = encoder.rows_of_frames(len(waveform))
    assert states.shape[0] == small_models.N_BLOCKS + 1
    # The state after the last block may have passed a final norm; that after the first is the block's own output.
    np.testing.assert_allclose(states[1][rows], layer_outputs(encoder, waveform)[0], atol=1e-5)


def test_melhubert_in_a_padded_batch_gives_what_it_gives_one_by_one(tmp_path):
    encoder = load_encoder(small_models.save_model(small_models.small_model("MelHubertModel"), tmp_path / "m"))
    lengths = (16_000, 9_000, 12_345)
    waveforms = [np.asarray(small_models.waveform(n, seed), np.float32) for seed, n in enumerate(lengths)]
    windows = [list(encoder.front_end.windows(waveform)) for waveform in waveforms]
    with torch.inference_mode():
        together = hidden_states(encoder.model, windows)
        alone = [hidden_states(encoder.model, [own])[0] for own in windows]
    for one, other in zip(together, alone, strict=True):
        assert one.shape == other.shape
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)
