"""MelHuBERT's input against Kaldi's definition, written out in double precision, and against torchaudio's version."""

import numpy as np
import pytest
import small_models
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from property_neurons.corpus.audio import find_audio, read_audio
from property_neurons.errors import ModelError
from property_neurons.models.log_mel import LogMelStatistics, log_mel, n_log_mel_frames, stack_frames
from property_neurons.models.melhubert.features import MelHubertFeatureExtractor

FLOOR = np.float64(np.finfo(np.float32).eps)


def kaldi_log_mel(waveform, n_bins=40):
    """Kaldi's log-Mel filterbank by its definition, float64 [frames, n_bins]."""
    frames = np.lib.stride_tricks.sliding_window_view(waveform.astype(np.float64) * 2**15, 400)[::160]
    frames = frames - frames.mean(axis=1, keepdims=True)
    before = np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
    hamming = 0.54 - 0.46 * np.cos(2 * np.pi * np.arange(400) / 399)
    power = np.abs(np.fft.rfft((frames - 0.97 * before) * hamming, 512)) ** 2

    def mel(frequency):
        return 1127 * np.log(1 + frequency / 700)

    edges = np.linspace(mel(20), mel(8000), n_bins + 2)
    left, centre, right = (edges[start : start + n_bins, np.newaxis] for start in range(3))
    place = mel(np.arange(257) * 16_000 / 512)
    triangles = np.minimum((place - left) / (centre - left), (right - place) / (right - centre)).clip(0)
    return np.log(np.maximum(power @ triangles.T, FLOOR))


def assert_equal_in_single_precision(found, exact):
    """The rounding of a frame is that of its loudest bin, so a bin far below it is off by as many times more."""
    times_below = np.exp((exact.max(axis=1, keepdims=True) - exact) / 2)
    assert (np.abs(found - exact) / times_below).max() < 2e-5


def torchaudio_log_mel(waveform):
    """What the authors' code calls."""
    kaldi = pytest.importorskip("torchaudio").compliance.kaldi
    return kaldi.fbank(
        torch.from_numpy(waveform)[None] * 2**15,
        num_mel_bins=40,
        sample_frequency=16_000,
        window_type="hamming",
        frame_length=25,
        frame_shift=10,
    ).numpy()


def signals():
    time = np.arange(32_000) / 16_000
    return {
        "noise": small_models.waveform(32_000),
        "quiet noise": small_models.waveform(32_000, seed=1) * np.float32(1e-3),
        "sweep": (0.5 * np.sin(2 * np.pi * (50 * time + 1900 * time**2))).astype(np.float32),
        "one frame": small_models.waveform(400),
    }


@pytest.mark.parametrize("name", signals())
def test_log_mel_is_kaldis_definition(name):
    waveform = signals()[name]
    found = log_mel(waveform)
    assert found.dtype == np.float32
    assert found.shape == (n_log_mel_frames(len(waveform)), 40)
    exact = kaldi_log_mel(waveform)
    assert_equal_in_single_precision(found, exact)
    if "noise" in name:
        np.testing.assert_allclose(found, exact, rtol=0, atol=1e-4)


def test_log_mel_of_other_numbers_of_bins_and_of_silence():
    waveform = small_models.waveform(16_000)
    np.testing.assert_allclose(log_mel(waveform, 80), kaldi_log_mel(waveform, 80), rtol=0, atol=1e-4)
    np.testing.assert_allclose(log_mel(np.zeros(4000, np.float32)), np.log(FLOOR), rtol=1e-6)


def test_log_mel_is_torchaudios_within_single_precision():
    waveform = signals()["noise"]
    np.testing.assert_allclose(log_mel(waveform), torchaudio_log_mel(waveform), rtol=0, atol=5e-4)


@pytest.mark.sample
def test_log_mel_of_real_speech(sample_data):
    files = [path for path in find_audio(sample_data / "LibriSpeech" / "dev-clean") if path.suffix == ".flac"]
    assert len(files) >= 3
    for path in files[:3]:
        waveform = read_audio(path)
        assert_equal_in_single_precision(log_mel(waveform), kaldi_log_mel(waveform))
        np.testing.assert_allclose(log_mel(waveform), torchaudio_log_mel(waveform), rtol=0, atol=5e-4)


def test_an_utterance_without_a_frame_is_refused():
    assert len(log_mel(np.zeros(400, np.float32))) == 1
    with pytest.raises(ModelError, match=r"at least 400 samples .* found 399"):
        log_mel(np.zeros(399, np.float32))


@given(st.integers(0, 2_000_000))
def test_frames_lie_wholly_within_the_waveform(n_samples):
    n_frames = n_log_mel_frames(n_samples)
    assert n_frames == 0 or (n_frames - 1) * 160 + 400 <= n_samples
    assert n_frames * 160 + 400 > n_samples


@settings(max_examples=30, deadline=None)
@given(n_samples=st.integers(400, 20_000), first=st.integers(0, 20), frame_ms=st.sampled_from([10, 20]))
def test_a_crop_that_starts_at_a_20_ms_frame_gives_the_wholes_features(n_samples, first, frame_ms):
    extractor = small_models.melhubert_extractor(frame_ms)
    whole = small_models.waveform(28_000)
    crop = extractor.features(whole[320 * first : 320 * first + n_samples])
    start = first * 20 // frame_ms
    expected = extractor.features(whole)[start : start + len(crop)].copy()
    # An odd last frame of the crop is completed by zeros, in the whole by the frame that follows.
    if frame_ms == 20 and n_log_mel_frames(n_samples) % 2:
        expected[-1, 40:] = 0
    np.testing.assert_array_equal(crop, expected)


def test_two_frames_lie_side_by_side_and_an_odd_last_one_is_completed_by_zeros():
    features = np.arange(10.0).reshape(5, 2)
    stacked = [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 0, 0]]
    np.testing.assert_array_equal(stack_frames(features, 20), stacked)
    np.testing.assert_array_equal(stack_frames(features[:4], 20), stacked[:2])
    np.testing.assert_array_equal(stack_frames(features, 10), features)


def test_features_are_normalised_before_they_are_completed():
    extractor = small_models.melhubert_extractor()
    waveform = small_models.waveform(400 + 2 * 160)
    mean, std = small_models.STATISTICS.values()
    by_hand = (log_mel(waveform) - mean) / std
    found = extractor.features(waveform)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[0], by_hand[:2].reshape(-1), rtol=1e-6)
    np.testing.assert_allclose(found[1, :40], by_hand[2], rtol=1e-6)
    np.testing.assert_array_equal(found[1, 40:], 0)


def test_a_batch_is_padded_with_zeros_and_masked():
    extractor = small_models.melhubert_extractor()
    waveforms = [small_models.waveform(n) for n in (9000, 400, 3000)]
    batch = extractor(waveforms, sampling_rate=16_000, return_tensors="pt")
    assert batch.input_features.shape == (3, 27, 80)
    assert batch.attention_mask.sum(dim=1).tolist() == [27, 1, 9]
    for waveform, values, mask in zip(waveforms, batch.input_features, batch.attention_mask.bool(), strict=True):
        np.testing.assert_array_equal(values[mask], extractor.features(waveform))
        assert not values[~mask].any()


def test_another_sampling_rate_is_refused():
    with pytest.raises(ModelError, match="expected 16000 Hz, found 8000 Hz"):
        small_models.melhubert_extractor()(small_models.waveform(400), sampling_rate=8000)
    with pytest.raises(ModelError, match="expected 16000 Hz, found 8000 Hz"):
        MelHubertFeatureExtractor(sampling_rate=8000)


@pytest.mark.parametrize(
    ("mean", "std", "message"),
    [
        ([0, 0], [1, 1, 1], "found shapes"),
        ([[0, 0]], [[1, 1]], "found shapes"),
        ([0, 0], [1, 0], "positive deviations"),
        ([0, 0], [1, -1], "positive deviations"),
        ([0, np.nan], [1, 1], "finite means"),
        ([0, 0], [1, np.inf], "finite means"),
    ],
)
def test_statistics_that_cannot_be_are_refused(mean, std, message):
    with pytest.raises(ModelError, match=message):
        LogMelStatistics(np.array(mean), np.array(std))


def test_the_extractor_refuses_statistics_of_other_bins_and_other_frame_lengths():
    with pytest.raises(ModelError, match="expected 40 bins, found 2"):
        MelHubertFeatureExtractor(mean=[0, 0], std=[1, 1])
    with pytest.raises(ModelError, match="expected 10 or 20, found 15"):
        MelHubertFeatureExtractor(frame_ms=15)
