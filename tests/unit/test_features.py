import json

import numpy as np
import pytest
import small_models
import torch

from property_neurons.errors import ModelError
from property_neurons.models.backend import transformers
from property_neurons.models.features import load_front_end

LENGTHS = [400, 560, 719, 720, 721, 1039, 1040, 1999, 2000, 16_000, 16_017, 47_311]


def front_end(class_name, tmp_path):
    return load_front_end(tmp_path, small_models.small_config(class_name))


def test_convolution_stack_gives_one_frame_per_320_samples_as_the_model_does(tmp_path):
    model = small_models.small_model("HubertModel")
    end = front_end("HubertModel", tmp_path)
    for n_samples in LENGTHS:
        with torch.inference_mode():
            rows = model.feature_extractor(torch.zeros(1, n_samples)).shape[2]
        assert end.n_frames(n_samples) == rows == (n_samples - 80) // 320
        assert end.rows_of_frames(n_samples).tolist() == list(range(rows))
    assert end.min_samples == 400


def test_sew_pools_pairs_of_frames_and_an_odd_last_one_shares_the_last_row(tmp_path):
    model = small_models.small_model("SEWModel")
    end = front_end("SEWModel", tmp_path)
    assert end.min_samples == 720
    for n_samples in LENGTHS[3:]:
        with torch.inference_mode():
            n_convolved = model.feature_extractor(torch.zeros(1, n_samples)).shape[2]
            pooled = model.encoder.pool(torch.arange(n_convolved, dtype=torch.float32)[None])[0]
        # A row's mean frame number is 2 row + 0.5.
        row_of_frame = {frame: row for row, mean in enumerate(pooled.tolist()) for frame in (mean - 0.5, mean + 0.5)}
        expected = [row_of_frame[frame] for frame in range(len(row_of_frame))]
        if n_convolved % 2:
            expected.append(expected[-1])
        assert end.rows_of_frames(n_samples).tolist() == expected
        assert end.n_frames(n_samples) == n_convolved


def test_whisper_reads_consecutive_windows_of_which_only_speech_counts(tmp_path):
    end = front_end("WhisperEncoder", tmp_path)
    window = small_models.WHISPER_WINDOW * 320
    speech = small_models.waveform(2 * window + 1000)
    windows = list(end.windows(speech))
    assert [w.speech_rows for w in windows] == [50, 50, 4]
    assert end.n_frames(len(speech)) == 104
    assert end.rows_of_frames(len(speech)).tolist() == list(range(104))
    extractor = transformers.WhisperFeatureExtractor(chunk_length=1)
    for index, found in enumerate(windows):
        piece = speech[index * window : (index + 1) * window]
        expected = extractor(piece, sampling_rate=16_000, return_tensors="pt").input_features
        assert found.rows == 50
        assert torch.equal(found.values, expected)
    assert [end.n_frames(n) for n in (1, 320, 321, window)] == [1, 1, 2, 50]


def test_stacked_log_mel_equals_the_extractors_own_features_without_padding(tmp_path):
    end = front_end("Wav2Vec2BertModel", tmp_path)
    extractor = transformers.SeamlessM4TFeatureExtractor()
    for n_samples in (560, 719, 720, 880, 16_017):
        speech = small_models.waveform(n_samples)
        padded = extractor(speech, sampling_rate=16_000, return_tensors="pt")
        real = padded.input_features[:, padded.attention_mask[0].bool()]
        (window,) = end.windows(speech)
        assert torch.equal(window.values, real)
        assert window.rows == window.speech_rows == end.n_frames(n_samples) == real.shape[1]
        assert end.rows_of_frames(n_samples).tolist() == list(range(real.shape[1]))
    assert end.min_samples == 560


@pytest.mark.parametrize("frame_ms", [20, 10])
def test_melhubert_takes_its_extractors_features_and_the_10_ms_model_gives_two_rows_a_frame(frame_ms, tmp_path):
    extractor = small_models.melhubert_extractor(frame_ms)
    extractor.save_pretrained(tmp_path)
    end = load_front_end(tmp_path, small_models.small_config("MelHubertModel", frame_ms=frame_ms))
    for n_samples in LENGTHS:
        speech = small_models.waveform(n_samples)
        (window,) = end.windows(speech)
        assert torch.equal(window.values, extractor(speech, return_tensors="pt").input_features)
        n_frames = (n_samples - 80) // 320
        rows = end.rows_of_frames(n_samples)
        assert end.n_frames(n_samples) == n_frames
        assert rows.tolist() == list(range(0, 20 // frame_ms * n_frames, 20 // frame_ms))
        assert window.rows == window.values.shape[1]
        assert window.speech_rows == rows[-1] + 1 <= window.rows
    assert end.min_samples == 400


def test_melhubert_needs_the_statistics_of_its_own_folder(tmp_path):
    config = small_models.small_config("MelHubertModel")
    file = tmp_path / "preprocessor_config.json"
    with pytest.raises(ModelError, match=r"preprocessor_config\.json: expected the log-Mel statistics .* no file"):
        load_front_end(tmp_path, config)
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"preprocessor_config\.json: .* no mean and no std"):
        load_front_end(tmp_path, config)
    small_models.melhubert_extractor().save_pretrained(tmp_path)
    sound = json.loads(file.read_text())
    for wrong, found in (
        ({"std": None}, "no std"),
        ({"std": [1.0] * 39}, "shapes"),
        ({"std": [0.0] * 40}, "positive deviations"),
        ({"mean": ["x"] * 40}, "could not convert"),
        ({"mean": 1.5}, "not iterable"),
        ({"num_mel_bins": 39}, "expected 39 bins, found 40"),
        ({"frame_ms": 15}, "expected 10 or 20, found 15"),
        ({"sampling_rate": 8000}, "found 8000 Hz"),
    ):
        file.write_text(json.dumps(sound | wrong))
        with pytest.raises(ModelError, match=rf"preprocessor_config\.json: .*{found}"):
            load_front_end(tmp_path, config)
    file.write_text("{")
    with pytest.raises(ModelError, match=r"preprocessor_config\.json: "):
        load_front_end(tmp_path, config)


def test_melhuberts_config_and_preprocessor_config_must_agree(tmp_path):
    small_models.melhubert_extractor(frame_ms=10).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="frame_ms = 20 and num_mel_bins = 40, found 10 and 40"):
        load_front_end(tmp_path, small_models.small_config("MelHubertModel"))
    with pytest.raises(ModelError, match="frame_ms = 10 and num_mel_bins = 80, found 10 and 40"):
        load_front_end(tmp_path, small_models.small_config("MelHubertModel", frame_ms=10, num_mel_bins=80))


def test_a_waveform_is_normalised_where_the_preprocessor_config_says_so(tmp_path):
    speech = small_models.waveform(4000)
    normalised = (speech - speech.mean()) / np.sqrt(speech.var() + 1e-7)

    def values(folder):
        end = front_end("HubertModel", folder)
        (window,) = end.windows(speech)
        expected = normalised if end.normalised else speech
        np.testing.assert_allclose(window.values[0], expected, rtol=1e-5, atol=1e-6)
        return end.normalised

    assert values(tmp_path) is False
    for stored in (True, False):
        folder = tmp_path / str(stored)
        transformers.Wav2Vec2FeatureExtractor(do_normalize=stored).save_pretrained(folder)
        assert values(folder) is stored


def test_other_frame_and_sampling_rates_are_refused(tmp_path):
    config = small_models.small_config("HubertModel", conv_stride=(5, 2, 2, 2, 2, 2, 1))
    with pytest.raises(ModelError, match="one per 160"):
        load_front_end(tmp_path, config)
    with pytest.raises(ModelError, match="found 2 frames of 80 bins"):
        load_front_end(tmp_path, small_models.small_config("Wav2Vec2BertModel", feature_projection_input_dim=80))
    transformers.WhisperFeatureExtractor(feature_size=128).save_pretrained(tmp_path / "bins")
    with pytest.raises(ModelError, match="found 128 bins"):
        front_end("WhisperEncoder", tmp_path / "bins")
    transformers.Wav2Vec2FeatureExtractor(sampling_rate=8000).save_pretrained(tmp_path / "rate")
    with pytest.raises(ModelError, match="found 8000 Hz"):
        front_end("HubertModel", tmp_path / "rate")
