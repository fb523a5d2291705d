from dataclasses import replace
from unittest import mock

import numpy as np
import pytest
import small_models
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pretraining_inputs import ARCHITECTURE, recordings_and_reader, small_job, write_features
from sklearn.cluster import KMeans

from property_neurons.codebooks.codebook import Codebook, read_codebook, write_codebook
from property_neurons.codebooks.kmeans import fit_codebook
from property_neurons.codebooks.sample import gather, open_points, write_points
from property_neurons.corpus import audio
from property_neurons.corpus.recordings import Recording
from property_neurons.errors import AudioError, CorpusError, ModelError, StoreError
from property_neurons.models.log_mel import LogMelStatistics, log_mel, n_log_mel_frames
from property_neurons.models.melhubert import MelHubertConfig, MelHubertFeatureExtractor, MelHubertModel
from property_neurons.models.prepare import LocalFolder, prepare_model
from property_neurons.pretraining.assign_targets import write_targets
from property_neurons.pretraining.crops import Crops, Masking, Utterance, collate, hold_out, join_shards
from property_neurons.pretraining.log_mel import code_as_mp3, write_log_mel
from property_neurons.pretraining.log_mel_statistics import measure_statistics
from property_neurons.pretraining.log_mel_store import open_log_mel
from property_neurons.pretraining.masking import span_mask
from property_neurons.pretraining.represent import Centred, HiddenFrames, LogMelFrames, load_represent
from property_neurons.pretraining.sampled_frames import sample_frames
from property_neurons.pretraining.target_store import open_targets

FLAT = LogMelStatistics(np.zeros(40), np.ones(40))


def sampled(shards, represent, **draw):
    return gather(*sample_frames(shards, represent, **draw))


# log-Mel frames


def test_the_frames_of_a_shard_are_those_of_its_recordings(tmp_path):
    recordings, reader = recordings_and_reader()
    shard = open_log_mel(write_features(tmp_path))
    assert shard.utterances == tuple(recording.utterance for recording in recordings)
    for index, recording in enumerate(recordings):
        frames = shard.frames[shard.offset[index] : shard.offset[index + 1]]
        np.testing.assert_array_equal(frames, log_mel(reader(recording.audio)))


def test_statistics_are_those_of_all_frames(tmp_path):
    shard = open_log_mel(write_features(tmp_path))
    measured = measure_statistics([shard, shard])
    np.testing.assert_allclose(measured.mean, shard.frames.astype(np.float64).mean(0), rtol=1e-12)
    np.testing.assert_allclose(measured.std, shard.frames.astype(np.float64).std(0), rtol=1e-9)


def test_a_damaged_shard_is_refused(tmp_path):
    manifest = write_features(tmp_path)
    frames = tmp_path / "s-000" / "frames.npy"
    content = bytearray(frames.read_bytes())
    content[-1] ^= 1
    frames.write_bytes(content)
    with pytest.raises(StoreError, match=r"frames\.npy is not what was written"):
        open_log_mel(manifest)


@pytest.mark.parametrize(("length", "error"), [(399, ModelError), (800, AudioError)])
def test_a_recording_that_does_not_fit_is_named(tmp_path, monkeypatch, length, error):
    monkeypatch.setattr(audio, "read_audio", lambda path: np.zeros(399, np.float32))
    recording = Recording("11-1-0000", tmp_path / "x.flac", length)
    with pytest.raises(error, match="utterance 11-1-0000"):
        write_log_mel(tmp_path / "s", tmp_path / "m.json", [recording], ["s"])
    assert not (tmp_path / "s").exists()
    assert not (tmp_path / "m.json").exists()


def test_mp3_coding_keeps_time_and_takes_what_is_above_6_khz():
    rng = np.random.default_rng(0)
    clicks = np.zeros(32_000, np.float32)
    clicks[4000::8000] = 0.9
    waveform = clicks + rng.standard_normal(32_000).astype(np.float32) * 0.05
    coded = code_as_mp3(waveform)
    assert coded.shape == waveform.shape
    assert coded.dtype == np.float32
    for place in range(4000, 32_000, 8000):
        near = np.abs(coded[place - 200 : place + 200])
        assert abs(int(near.argmax()) - 200) <= 2
    before, after = log_mel(waveform).mean(0), log_mel(coded).mean(0)
    assert abs(after[:30] - before[:30]).max() < 1.0
    assert (before[37:] - after[37:]).min() > 3.0


def test_the_coded_frames_of_a_shard_are_those_of_the_coded_audio(tmp_path):
    recordings, reader = recordings_and_reader()
    shard = open_log_mel(write_features(tmp_path, coded=True))
    coded = log_mel(code_as_mp3(reader(recordings[1].audio)))
    np.testing.assert_array_equal(shard.frames[shard.offset[1] : shard.offset[2]], coded)
    assert shard.offset.tolist() == open_log_mel(write_features(tmp_path)).offset.tolist()


# Masking


@settings(max_examples=200, deadline=None)
@given(
    n_frames=st.integers(1, 400), share=st.floats(0.05, 1.0), span=st.integers(1, 20), seed=st.integers(0, 2**32 - 1)
)
def test_masks_are_made_of_whole_spans(n_frames, share, span, seed):
    mask = span_mask(n_frames, share, span, np.random.default_rng(seed))
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(int), [0]])))
    lengths = edges[1::2] - edges[::2]
    assert (lengths >= min(span, n_frames)).all()
    most = max(int(share * n_frames / min(span, n_frames)) + 1, 2)
    assert min(span, n_frames) <= mask.sum() <= most * span


def test_the_number_of_spans_is_right_on_average():
    # Spans of one frame start at different places, so that their number is the masked frames'.
    rng = np.random.default_rng(0)
    counts = [span_mask(33, 0.7, 1, rng).sum() for _ in range(4000)]
    assert set(counts) == {23, 24}
    assert np.mean(counts) == pytest.approx(23.1, abs=0.03)


def test_about_half_of_the_frames_are_masked():
    rng = np.random.default_rng(0)
    share = np.mean([span_mask(750, 0.7, 5, rng).mean() for _ in range(300)])
    assert share == pytest.approx(1 - (1 - 0.7 / 5) ** 5, abs=0.005)


# Targets


def test_targets_are_the_nearest_centroids(tmp_path):
    shard = open_log_mel(write_features(tmp_path))
    represent = LogMelFrames(measure_statistics([shard]))
    codebook = fit_codebook(sampled([shard], represent, hours=1, seed=0), clusters=8, seed=0)
    write_targets(tmp_path / "t.zarr", shard, represent, codebook)
    targets = open_targets(tmp_path / "t.zarr")
    frames = represent(shard.frames)
    distances = np.stack([[np.sum((frame - centroid) ** 2) for centroid in codebook.centroids] for frame in frames])
    np.testing.assert_array_equal(targets.target, distances.argmin(1))
    np.testing.assert_array_equal(targets.offset, shard.offset)
    assert (targets.clusters, targets.frame_ms) == (8, 10)


def test_k_means_finds_clusters_that_are_there():
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((6, 40)) * 10
    frames = (centres[rng.integers(6, size=3000)] + rng.standard_normal((3000, 40)) * 0.1).astype(np.float32)

    class Shard:
        utterances = ("a",)
        offset = np.array([0, 3000])

    Shard.frames = frames
    found = fit_codebook(sampled([Shard], LogMelFrames(FLAT), hours=1, seed=0), clusters=6, seed=0)
    reference = KMeans(6, n_init=5, random_state=0).fit(frames)
    assert len(set(zip(found.nearest(frames), reference.labels_, strict=True))) == 6


def test_k_means_gives_the_same_bytes_for_the_same_seed(tmp_path):
    shard = open_log_mel(write_features(tmp_path))
    first, again, other = (
        fit_codebook(sampled([shard], LogMelFrames(FLAT), hours=1, seed=seed), clusters=8, seed=seed)
        for seed in (3, 3, 4)
    )
    assert first.centroids.tobytes() == again.centroids.tobytes() != other.centroids.tobytes()


def test_a_stored_sample_is_that_in_memory_and_damage_is_found(tmp_path):
    shard = open_log_mel(write_features(tmp_path))
    represent = Centred(LogMelFrames(FLAT))
    in_memory = sampled([shard], represent, hours=0.002, seed=3)
    write_points(tmp_path / "sample", *sample_frames([shard], represent, hours=0.002, seed=3))
    stored, _ = open_points(tmp_path / "sample.manifest.json")
    assert 720 <= len(in_memory) < shard.offset[-1]
    np.testing.assert_array_equal(stored, in_memory)
    (tmp_path / "sample/points.npy").write_bytes(b"damaged")
    with pytest.raises(StoreError, match=r"points\.npy"):
        open_points(tmp_path / "sample.manifest.json")


def test_too_few_frames_for_the_clusters(tmp_path):
    shard = open_log_mel(write_features(tmp_path))
    with pytest.raises(CorpusError, match="at least 60000 points"):
        fit_codebook(sampled([shard], LogMelFrames(FLAT), hours=1, seed=0), clusters=60_000, seed=0)


def test_hidden_targets_come_from_the_layer_asked_for(tmp_path):
    torch.manual_seed(0)
    model = MelHubertModel(MelHubertConfig(**ARCHITECTURE)).eval()
    extractor = MelHubertFeatureExtractor([1.0] * 40, [2.0] * 40)
    _, reader = recordings_and_reader()
    waveform = reader("22-1-0001")
    with torch.inference_mode():
        states = model(**extractor(waveform, return_tensors="pt"), output_hidden_states=True).hidden_states
    with pytest.raises(StoreError, match="layer 3: expected one of the model's 2"):
        HiddenFrames(model, extractor, 3)
    second = model.encoder.layers[1]
    for layer in (2, 1):
        represent = HiddenFrames(model, extractor, layer)
        assert represent.frame_ms == 20
        with mock.patch.object(second, "forward", wraps=second.forward) as run:
            np.testing.assert_allclose(represent(log_mel(waveform)), states[layer][0].numpy(), atol=1e-6)
        # Blocks behind the layer are not run.
        assert run.called == (layer == 2)


def test_codebooks_round_trip_and_damage_is_named(tmp_path):
    codebook = Codebook(np.arange(12, dtype=np.float32).reshape(3, 4), np.zeros(4, np.float32), np.ones(4, np.float32))
    write_codebook(tmp_path / "c.safetensors", codebook)
    np.testing.assert_array_equal(read_codebook(tmp_path / "c.safetensors").centroids, codebook.centroids)
    (tmp_path / "c.safetensors").write_bytes(b"no codebook")
    with pytest.raises(StoreError, match="expected a codebook"):
        read_codebook(tmp_path / "c.safetensors")


@pytest.mark.slow
def test_a_stage_without_a_layer_clusters_log_mel(tmp_path):
    job = small_job(tmp_path)
    represent = load_represent(job.statistics, None, layer=None)
    assert isinstance(represent, LogMelFrames)
    assert represent.frame_ms == 10


# Crops


def joined(tmp_path, frame_ms=20):
    job = small_job(tmp_path)
    features, targets = open_log_mel(job.log_mel[0]), open_targets(tmp_path / "targets.zarr")
    coded = open_log_mel(write_features(tmp_path, coded=True))
    return features, targets, join_shards([(features, coded, targets)], frame_ms)


@pytest.mark.parametrize("frame_ms", [10, 20])
def test_targets_of_10_ms_serve_20_ms_by_every_second_one(tmp_path, frame_ms):
    features, targets, utterances = joined(tmp_path, frame_ms)
    for index, utterance in enumerate(utterances):
        own = targets.target[features.offset[index] : features.offset[index + 1]]
        assert utterance.name == features.utterances[index]
        np.testing.assert_array_equal(utterance.targets, own[:: frame_ms // 10])
        n_samples = 160 * (len(utterance.frames) - 1) + 400
        assert len(utterance.targets) == {10: n_log_mel_frames(n_samples), 20: (n_samples - 80) // 320}[frame_ms]


def test_frames_and_targets_of_different_utterances_are_refused(tmp_path):
    features, targets, _ = joined(tmp_path)
    other = type(targets)(("x", *targets.utterances[1:]), targets.offset, targets.target, 8, 10)
    with pytest.raises(StoreError, match="different utterances"):
        join_shards([(features, None, other)], 20)


def test_validation_speakers_are_unseen(tmp_path):
    *_, utterances = joined(tmp_path)
    # Ids of corpora of one's own tell nothing of the speaker.
    utterances = [replace(utterance, name=f"rec{n}") for n, utterance in enumerate(utterances)]
    train, validation = hold_out(utterances, 0.3)
    speakers = [{utterance.speaker for utterance in side} for side in (train, validation)]
    assert speakers[0] | speakers[1] == {"11", "22", "33", "44"}
    assert not speakers[0] & speakers[1]
    assert len(train) + len(validation) == len(utterances)
    with pytest.raises(StoreError, match="found 1 speakers"):
        hold_out(utterances[:3], 0.1)


def crops_of(utterances, **changes):
    settings = {
        "n_crops": 40,
        "crop_ms": 400,
        "frame_ms": 20,
        "masking": Masking(),
        "coded_share": 0.5,
        "seed": 1,
    }
    return Crops(utterances, FLAT, **(settings | changes))


def numbered_utterances(n=5):
    """Utterances whose frames tell where they come from: bin 0 the utterance, bin 1 the frame, bin 2 the coding."""
    utterances = []
    for number in range(n):
        length = 37 + 10 * number
        frames = np.zeros((length, 40), np.float32)
        frames[:, 0], frames[:, 1] = number + 1, np.arange(length)
        coded = frames.copy()
        coded[:, 2] = 1
        targets = np.arange((length + 1) // 2, dtype=np.uint16)
        utterances.append(Utterance(f"{number}-1", str(number), frames, coded, targets))
    return utterances


def test_a_crop_holds_the_frames_and_targets_of_one_place():
    utterances = numbered_utterances()
    crops = crops_of(utterances)
    seen, coded = [], []
    for index in range(len(crops)):
        item = crops[index]
        even, odd = item["input_features"][:, :40], item["input_features"][:, 40:]
        utterance = utterances[int(even[0, 0]) - 1]
        seen.append(utterance.name)
        coded.append(even[0, 2])
        start = int(even[0, 1]) // 2
        length = min(20, len(utterance.targets))
        np.testing.assert_array_equal(even[:, 1], 2 * np.arange(start, start + length))
        inside = even[:, 1] + 1 < len(utterance.frames)
        np.testing.assert_array_equal(odd[inside, 1], even[inside, 1] + 1)
        assert not odd[~inside].any()
        mask = item["mask_time_indices"]
        np.testing.assert_array_equal(item["labels"], np.where(mask, np.arange(start, start + length), -100))
    assert all(sorted(seen[first : first + 5]) == sorted(set(seen)) for first in range(0, 40, 5))
    assert 0.2 < np.mean(coded) < 0.8


def test_a_crop_is_a_function_of_its_number_alone():
    utterances = numbered_utterances()
    forwards, backwards = crops_of(utterances), crops_of(utterances)
    there = [forwards[index] for index in range(40)]
    back = [backwards[index] for index in reversed(range(40))][::-1]
    for first, second in zip(there, back, strict=True):
        for name in first:
            np.testing.assert_array_equal(first[name], second[name])
    other = crops_of(utterances, seed=2)
    assert any(there[index]["labels"].tolist() != other[index]["labels"].tolist() for index in range(40))


def test_a_batch_is_padded_with_nothing_to_predict():
    items = [crops_of(numbered_utterances(), crop_ms=2000)[index] for index in range(5)]
    batch = collate(items)
    lengths = [len(item["labels"]) for item in items]
    assert len(set(lengths)) > 1
    assert batch["attention_mask"].sum(1).tolist() == lengths
    padding = ~batch["attention_mask"]
    assert (batch["labels"][padding] == -100).all()
    assert not batch["input_features"][padding].any()
    assert not batch["mask_time_indices"][padding].any()


@pytest.mark.slow
def test_centred_frames_have_no_mean_over_the_utterance(tmp_path):
    job = small_job(tmp_path)
    plain = load_represent(job.statistics, None, layer=None)
    centred = load_represent(job.statistics, None, layer=None, centred=True)
    frames = np.random.default_rng(0).standard_normal((50, 40)).astype(np.float32) + 3
    expected = plain(frames) - plain(frames).mean(axis=0)
    found = centred(frames)
    assert (found.dtype, centred.frame_ms) == (np.float32, plain.frame_ms)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    # Whatever a speaker adds to every frame changes no target.
    np.testing.assert_allclose(centred(frames + np.linspace(-2, 2, 40, dtype=np.float32)), found, atol=1e-5)


def test_targets_of_another_architecture_are_refused(tmp_path):
    """Its weights would be drawn at random."""
    small_models.save_model(small_models.small_model("SEWModel"), tmp_path / "source")
    prepare_model(tmp_path / "sew", tmp_path / "sew.manifest.json", LocalFolder(str(tmp_path / "source")))
    with pytest.raises(ModelError, match=r"targets: model to cluster .* expected a MelHuBERT, found a sew in "):
        load_represent("unused", tmp_path / "sew.manifest.json", layer=1)


def test_targets_of_a_model_of_other_log_mel_bins_are_refused(tmp_path):
    source = small_models.save_model(small_models.small_model("MelHubertModel", num_mel_bins=80), tmp_path / "source")
    prepare_model(tmp_path / "wide", tmp_path / "wide.manifest.json", LocalFolder(str(source)))
    with pytest.raises(ModelError, match=r"targets: .*expected a MelHuBERT of 40 log-Mel bins, found one of 80 in "):
        load_represent(small_job(tmp_path).statistics, tmp_path / "wide.manifest.json", layer=1)
