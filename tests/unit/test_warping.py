"""Vocal tract length perturbation, against interpolation on the mel axis written out."""

import numpy as np
import pytest

from property_neurons.models.log_mel import LogMelStatistics, log_mel
from property_neurons.pretraining.crops import Crops, Masking, Utterance
from property_neurons.pretraining.warping import draw_warp, warp_frequencies


def mel(hertz):
    return 1127.0 * np.log(1.0 + hertz / 700.0)


@pytest.mark.parametrize("factor", [1.0, 0.85, 1.15, 1.4])
def test_each_bin_takes_the_value_at_the_warped_frequency(factor):
    frames = np.random.default_rng(0).standard_normal((7, 40)).astype(np.float32)
    edges = np.linspace(mel(20.0), mel(8000.0), 42)
    centres = 700.0 * (np.exp(edges[1:-1] / 1127.0) - 1.0)
    # Constant beyond the outermost bins, as np.interp is.
    expected = np.stack([np.interp(mel(centres * factor), mel(centres), frame) for frame in frames])
    found = warp_frequencies(frames, factor)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_a_warped_tone_is_heard_where_it_would_be_recorded():
    """Warping the frames of a tone gives about the frames of a tone of the frequency divided by the factor."""
    time = np.arange(16_000) / 16_000

    def peak_of(frames):
        return int(frames.mean(axis=0).argmax())

    for hertz, factor in ((2000.0, 1.25), (2000.0, 0.8), (3000.0, 1.5)):
        tone, moved = (log_mel(np.sin(2 * np.pi * f * time).astype(np.float32)) for f in (hertz, hertz / factor))
        assert peak_of(tone) != peak_of(moved)
        assert abs(peak_of(warp_frequencies(tone, factor)) - peak_of(moved)) <= 1


def test_factors_are_drawn_evenly_to_both_sides():
    rng = np.random.default_rng(0)
    logs = np.log([draw_warp(0.2, rng) for _ in range(4000)]) / np.log(1.2)
    assert np.abs(logs).max() <= 1.0
    assert abs(logs.mean()) < 0.03
    assert abs(logs.std() - 1 / np.sqrt(3)) < 0.02


def test_only_the_features_of_a_crop_are_warped():
    rng = np.random.default_rng(0)
    frames = rng.standard_normal((200, 40)).astype(np.float32)
    utterances = [Utterance("1-1", "1", frames, None, np.arange(100, dtype=np.uint16))]
    settings = {"n_crops": 6, "crop_ms": 400, "frame_ms": 20, "masking": Masking(), "coded_share": 0.0, "seed": 3}
    flat = LogMelStatistics(np.zeros(40), np.ones(40))
    plain, warped = (Crops(utterances, flat, frequency_warp=strength, **settings) for strength in (0.0, 0.2))
    factors = set()
    for index in range(6):
        for name in ("labels", "mask_time_indices"):
            np.testing.assert_array_equal(plain[index][name], warped[index][name])
        np.testing.assert_array_equal(warped[index]["input_features"], warped[index]["input_features"])
        difference = np.abs(plain[index]["input_features"] - warped[index]["input_features"]).mean()
        factors.add(round(float(difference), 6))
    assert len(factors) == 6
    assert min(factors) > 0
