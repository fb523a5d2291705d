"""Probing: agreement and accuracy against their definitions, block outputs against transformers' own."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import mutual_info_score, silhouette_score
from small_models import CLASS_NAMES, N_BLOCKS, save_model, small_model, waveform
from synthetic_stores import Utterance, write_frames

from property_neurons.corpus.phones import PAPER_PHONES, PHONES, Inventory
from property_neurons.corpus.recordings import Recording
from property_neurons.errors import CorpusError, ModelError
from property_neurons.models.features import SAMPLES_PER_FRAME
from property_neurons.models.loading import load_encoder
from property_neurons.probing import representations
from property_neurons.probing.clusters import agreement, probe_clusters
from property_neurons.probing.frames import ProbedFrames, ProbedUtterance, draw_frames, split_speakers
from property_neurons.probing.linear import probe_linear, speaker_interval
from property_neurons.probing.probe import probe_layer, probe_representations
from property_neurons.probing.representations import (
    block_paths,
    layer_outputs,
    log_mel_frames,
    open_representations,
    represent,
    write_representations,
)
from property_neurons.probing.silhouettes import phone_silhouette
from property_neurons.stores.files import write_table

SEGMENT_US = 60_000
"""Three frames."""
LAST_NORM = {"WhisperEncoder": "layer_norm", "Wav2Vec2ConformerModel": "encoder.layer_norm"}
"""The norm through which transformers sends the last hidden state of some classes; it is no part of the block."""
COLUMNS = [
    *("model", "layer", "representation", "n_fit", "n_measured", "speakers_fit", "speakers_measured"),
    *("phone_purity", "cluster_purity", "pnmi", "probe_accuracy", "probe_low", "probe_high"),
    *("probe_converged", "majority_accuracy"),
    "silhouette",
]


def utterance_of(name, speaker, phones, gender="F"):
    """An utterance of three frames for each phone, and two more cells that are silent."""
    segments = tuple((SEGMENT_US * k, SEGMENT_US * (k + 1), phone) for k, phone in enumerate(phones))
    end = SEGMENT_US * len(phones) + 40_000
    return Utterance(name, "dev-clean", speaker, gender, segments, end, (math.nan,), ())


def recording_of(utterance):
    n_samples = utterance.end_us // 20_000 * SAMPLES_PER_FRAME + 100
    return Recording(utterance.name, Path(f"{n_samples}.flac"), n_samples)


def read_audio(path):
    return waveform(int(path.stem), seed=int(path.stem))


SPEECH = read_audio


def corpus_of(n_speakers=6, utterances_each=3, n_phones=12, seed=0, vocabulary=(*PHONES, "SIL", "SPN")):
    rng = np.random.default_rng(seed)
    return [
        utterance_of(
            f"{speaker}-{k}", str(speaker), rng.choice(vocabulary, n_phones + (speaker + k) % 3), "MF"[speaker % 2]
        )
        for speaker in range(n_speakers)
        for k in range(utterances_each)
    ]


def shards_of(folder, corpus, n_shards=2):
    shards = []
    for number in range(n_shards):
        own = sorted(corpus[number::n_shards], key=lambda utterance: utterance.name)
        store = write_frames(folder / f"{n_shards}-{number}.zarr", own)
        shards.append(([recording_of(utterance) for utterance in own], store))
    return shards


def probed(label, n_speakers=8, seed=0):
    """Made-up frames to probe, dealt to speakers in turn, half of which are to fit on."""
    speaker = np.arange(len(label)) % n_speakers
    utterances = [
        ProbedUtterance(
            Recording(f"utt-{s}", Path("none"), 0),
            str(s),
            s % 2 == 0,
            np.flatnonzero(speaker == s),
            label[speaker == s].astype(np.int8),
        )
        for s in range(n_speakers)
    ]
    return ProbedFrames(tuple(utterances))


def plain_agreement(phone, cluster):
    """The definitions of HuBERT, one pair of labels after the other."""
    n = len(phone)
    joint = {}
    for pair in zip(phone.tolist(), cluster.tolist(), strict=True):
        joint[pair] = joint.get(pair, 0) + 1 / n
    phones, clusters = sorted(set(phone.tolist())), sorted(set(cluster.tolist()))
    of_phone = {y: sum(joint.get((y, z), 0) for z in clusters) for y in phones}
    of_cluster = {z: sum(joint.get((y, z), 0) for y in phones) for z in clusters}
    information = sum(p * math.log(p / (of_phone[y] * of_cluster[z])) for (y, z), p in joint.items())
    entropy = -sum(p * math.log(p) for p in of_phone.values())
    return (
        sum(max(joint.get((y, z), 0) for y in phones) for z in clusters),
        sum(max(joint.get((y, z), 0) for z in clusters) for y in phones),
        information / entropy,
    )


@pytest.mark.parametrize("seed", range(5))
def test_agreement_is_that_of_the_definitions(seed):
    rng = np.random.default_rng(seed)
    phone = rng.choice(rng.permutation(39)[:7], 500).astype(np.int8)
    cluster = np.where(rng.random(500) < 0.6, phone * 2, rng.integers(0, 90, 500))
    found = agreement(phone, cluster)
    assert (found.phone_purity, found.cluster_purity, found.pnmi) == pytest.approx(plain_agreement(phone, cluster))
    information, entropy = mutual_info_score(phone, cluster), mutual_info_score(phone, phone)
    assert found.pnmi == pytest.approx(information / entropy)


def test_agreement_at_its_ends():
    phone = np.arange(390) % 39
    same = agreement(phone, 38 - phone)
    assert (same.phone_purity, same.cluster_purity, same.pnmi) == pytest.approx((1, 1, 1))
    one = agreement(phone, np.zeros(390, int))
    assert (one.phone_purity, one.cluster_purity, one.pnmi) == pytest.approx((1 / 39, 1, 0))
    assert math.isnan(agreement(np.zeros(5, int), np.arange(5)).pnmi)


def test_a_representation_that_is_the_phone_is_told_wholly():
    label = np.random.default_rng(0).permutation(np.arange(3900) % 39)
    frames = probed(label)
    values = np.eye(39, dtype=np.float32)[frames.label]
    row = probe_layer(values, frames, clusters=80, seed=0)
    assert row["pnmi"] == pytest.approx(1, abs=0.02)
    assert row["phone_purity"] == pytest.approx(1, abs=0.02)
    assert (row["probe_accuracy"], row["probe_low"], row["probe_high"]) == (1, 1, 1)
    assert row["majority_accuracy"] < 0.05


def test_noise_tells_nothing():
    rng = np.random.default_rng(0)
    label = np.where(rng.random(6000) < 0.6, 3, rng.integers(0, 39, 6000))
    frames = probed(label)
    row = probe_layer(rng.normal(size=(6000, 8)).astype(np.float32), frames, clusters=10, seed=0)
    assert row["pnmi"] < 0.08
    assert row["probe_accuracy"] == pytest.approx(row["majority_accuracy"], abs=0.01)
    assert row["majority_accuracy"] == pytest.approx(0.6 + 0.4 / 39, abs=0.03)
    assert row["probe_low"] <= row["probe_accuracy"] <= row["probe_high"]
    assert abs(row["silhouette"]) < 0.15


def test_nothing_is_fitted_on_the_measured_speakers():
    rng = np.random.default_rng(1)
    frames = probed(rng.integers(0, 5, 2000))
    # Each half has a code of its own: what is learned from one says nothing about the other.
    codes = rng.normal(size=(2, 5, 16)) * 5
    values = codes[frames.fitted.astype(int), frames.label].astype(np.float32)
    values[~frames.fitted] = rng.normal(size=((~frames.fitted).sum(), 16))
    assert probe_linear(values, frames, seed=0).accuracy < 0.4
    assert probe_clusters(values, frames, clusters=5, seed=0).pnmi < 0.1


def test_a_coordinate_that_never_changes_does_no_harm():
    frames = probed(np.random.default_rng(0).integers(0, 4, 400))
    values = np.column_stack([np.eye(4)[frames.label], np.full(400, 7.0)]).astype(np.float32)
    assert probe_linear(values, frames, seed=0).accuracy == 1


def test_the_interval_is_over_speakers():
    rng = np.random.default_rng(0)
    speaker = np.repeat(np.arange(20), 500)
    share = rng.uniform(0.3, 0.9, 20)
    right = rng.random(10_000) < share[speaker]
    low, high = speaker_interval(right, speaker.astype(str), seed=0)
    width = 2 * 1.96 * np.std([right[speaker == s].mean() for s in range(20)]) / math.sqrt(20)
    assert low < right.mean() < high
    # Student's t with 19 degrees of freedom is 7 % wider than the normal distribution.
    assert high - low == pytest.approx(1.07 * width, rel=0.15)
    assert (low, high) == speaker_interval(right, speaker.astype(str), seed=0)
    assert all(map(math.isnan, speaker_interval(right, np.zeros(10_000), seed=0)))


def test_the_interval_of_few_speakers_holds_the_true_share_as_often_as_it_says():
    rng, held = np.random.default_rng(1), 0
    for _ in range(200):
        share = rng.uniform(0.3, 0.9, 5)
        speaker = np.repeat(np.arange(5), 200)
        low, high = speaker_interval(rng.random(1000) < share[speaker], speaker, seed=0)
        held += low <= 0.6 <= high
    assert held >= 180


def test_the_silhouette_is_that_of_the_phone_means():
    rng = np.random.default_rng(0)
    label = np.concatenate([np.arange(39), rng.integers(0, 39, 700)])
    values = rng.normal(size=(739, 6)).astype(np.float32)
    classes = np.array([PAPER_PHONES.class_of(phone) for phone in PHONES])
    means = [values[label == phone].mean(axis=0) for phone in range(39)]
    own = classes[label]
    assert phone_silhouette(values, label, own) == pytest.approx(silhouette_score(means, classes), abs=1e-6)
    consonants = np.flatnonzero(classes != "vowel")
    expected = silhouette_score([means[phone] for phone in consonants], classes[consonants])
    assert phone_silhouette(values, label, np.where(own == "vowel", "", own)) == pytest.approx(expected, abs=1e-6)
    assert math.isnan(phone_silhouette(values, np.zeros(739, int), own))
    assert math.isnan(phone_silhouette(values, label, np.full(739, "")))


def test_speakers_are_halved_within_each_gender():
    genders = {str(number): "MF"[number % 3 == 0] for number in range(41)}
    fitted = split_speakers(genders)
    assert fitted.keys() == genders.keys()
    assert abs(2 * sum(fitted.values()) - 41) == 1
    for gender in "MF":
        own = [fitted[speaker] for speaker in genders if genders[speaker] == gender]
        assert abs(2 * sum(own) - len(own)) <= 1
    assert split_speakers(dict(reversed(genders.items()))) == fitted


def test_drawn_frames_are_frames_of_phones_and_no_speaker_is_in_both_halves(tmp_path):
    corpus = corpus_of()
    by_name = {utterance.name: utterance for utterance in corpus}
    frames = draw_frames(shards_of(tmp_path, corpus), max_frames=200, seed=0)
    assert (frames.fitted.sum(), (~frames.fitted).sum()) == (100, 100)
    assert not set(frames.speaker[frames.fitted]) & set(frames.speaker[~frames.fitted])
    for drawn in frames.utterances:
        utterance = by_name[drawn.recording.utterance]
        assert drawn.recording == recording_of(utterance)
        assert drawn.speaker == utterance.speaker
        assert (np.diff(drawn.frame) > 0).all()
        assert [utterance.frames[frame][0] for frame in drawn.frame] == [PHONES[label] for label in drawn.label]


def test_phones_of_ones_own_are_probed_with_their_classes(tmp_path):
    inventory = Inventory(tuple(f"{phone}_" for phone in PHONES), {"one": ("AH_", "S_"), "two": ("T_",)})
    corpus = [utterance_of(f"{speaker}-0", speaker, ["AH", "T", "N", "S", "SIL"]) for speaker in "ab"]
    attributes = {"labels": inventory.labels, "classes": inventory.classes}
    store = write_frames(tmp_path / "f.zarr", corpus, attributes=attributes)
    frames = draw_frames([([recording_of(one) for one in corpus], store)], max_frames=1000, seed=0)
    table = frames.table()
    assert {inventory.phones[label] for label in table["label"]} == {"AH_", "T_", "N_", "S_"}
    classes = {inventory.phones[label]: name for label, name in zip(table["label"], table["phone_class"], strict=True)}
    assert classes == {"AH_": "one", "T_": "two", "N_": "", "S_": "one"}


def test_all_frames_are_taken_where_they_are_few(tmp_path):
    corpus = corpus_of(vocabulary=PHONES)
    frames = draw_frames(shards_of(tmp_path, corpus), max_frames=100_000, seed=0)
    assert len(frames.label) == sum(SEGMENT_US // 20_000 * len(utterance.segments) for utterance in corpus)


def test_the_draw_depends_on_the_seed_and_not_on_the_shards(tmp_path):
    corpus = corpus_of()
    one, three = (shards_of(tmp_path, corpus, n_shards) for n_shards in (1, 3))

    def drawn(shards, seed):
        frames = draw_frames(shards, max_frames=80, seed=seed)
        return [(each.recording.utterance, each.frame.tolist(), each.label.tolist()) for each in frames.utterances]

    assert drawn(one, 0) == drawn(three, 0)
    assert drawn(one, 0) != drawn(one, 1)


def test_a_large_corpus_is_not_read_whole(tmp_path):
    corpus = corpus_of(n_speakers=4, utterances_each=40)
    frames = draw_frames(shards_of(tmp_path, corpus), max_frames=20, seed=0)
    assert len(frames.label) == 20
    read = sum(len(utterance.segments) for utterance in corpus if utterance.name in names(frames))
    assert read < len(corpus)


def names(frames):
    return {utterance.recording.utterance for utterance in frames.utterances}


def test_utterances_left_out_of_the_corpus_are_not_drawn_from(tmp_path):
    corpus = corpus_of()
    keep = {("dev-clean", utterance.name) for utterance in corpus if not utterance.name.endswith("-1")}
    frames = draw_frames(shards_of(tmp_path, corpus), max_frames=10_000, seed=0, keep=keep)
    assert names(frames) == {name for _, name in keep}


def test_cells_that_a_model_may_give_no_frame_for_are_left_out(tmp_path):
    utterance = replace(utterance_of("a-0", "a", ["AH"] * 4), end_us=4 * SEGMENT_US)
    other = utterance_of("b-0", "b", ["T"] * 4)
    frames = draw_frames(shards_of(tmp_path, [utterance, other], 1), max_frames=100, seed=0)
    assert frames.utterances[0].frame.tolist() == list(range(4 * 3 - 1))


@pytest.mark.parametrize(
    ("corpus", "message"),
    [
        ([utterance_of(f"a-{k}", "a", ["AH", "T"]) for k in range(3)], r"two speakers.*found 1 \(a\).*more speakers"),
        ([utterance_of(f"{s}-0", s, ["SIL", "SPN"]) for s in "ab"], "frames of phones, found none"),
    ],
)
def test_a_corpus_that_cannot_be_probed_is_refused(tmp_path, corpus, message):
    with pytest.raises(CorpusError, match=message):
        draw_frames(shards_of(tmp_path, corpus, 1), max_frames=10, seed=0)


def test_a_shard_list_of_other_utterances_is_refused(tmp_path):
    [(recordings, store)] = shards_of(tmp_path, corpus_of(), 1)
    with pytest.raises(CorpusError, match=r"1-0\.zarr: expected the 17 utterances.*differing: 0-0"):
        draw_frames([(recordings[1:], store)], max_frames=10, seed=0)
    with pytest.raises(CorpusError, match="only the order"):
        draw_frames([(recordings[::-1], store)], max_frames=10, seed=0)


def test_too_few_frames_to_fit_on_are_refused():
    frames = probed(np.arange(80) % 39)
    with pytest.raises(CorpusError, match=r"at least 50 frames to fit on.*found 40"):
        probe_clusters(np.zeros((80, 2), np.float32), frames, clusters=50, seed=0)
    with pytest.raises(CorpusError, match="found one phone"):
        probe_linear(np.zeros((80, 2), np.float32), probed(np.zeros(80)), seed=0)


def own_hidden_states(encoder, samples):
    """transformers' own hidden states of each 20 ms frame, the input of the first block left out."""
    states = []
    with torch.inference_mode():
        for window in encoder.front_end.windows(samples):
            found = encoder.model(window.values, output_hidden_states=True).hidden_states[1:]
            states.append([state[0, : window.speech_rows] for state in found])
    rows = encoder.rows_of_frames(len(samples))
    return [torch.cat(pieces)[rows] for pieces in zip(*states, strict=True)]


@pytest.mark.parametrize(
    ("class_name", "overrides"),
    [(name, {}) for name in CLASS_NAMES]
    + [("HubertModel", {"num_hidden_layers": 12}), ("WavLMModel", {"do_stable_layer_norm": True})],
)
def test_layer_outputs_are_transformers_hidden_states(tmp_path, class_name, overrides):
    encoder = load_encoder(save_model(small_model(class_name, **overrides), tmp_path / "model"))
    # More than one window of the small Whisper; an odd number of frames.
    samples = waveform(24_700)
    found = layer_outputs(encoder, samples)
    expected = own_hidden_states(encoder, samples)
    assert len(found) == len(expected) == overrides.get("num_hidden_layers", N_BLOCKS) == len(block_paths(encoder))
    norm = LAST_NORM.get(class_name)
    for layer, (output, state) in enumerate(zip(found, expected, strict=True), start=1):
        assert output.dtype == np.float32
        assert output.shape == (encoder.n_frames(len(samples)), 16)
        if layer == len(found) and norm:
            with torch.inference_mode():
                output = encoder.model.get_submodule(norm)(torch.from_numpy(output)).numpy()
        np.testing.assert_allclose(output, state.numpy(), rtol=1e-5, atol=1e-5)


def test_hooks_are_gone_afterwards(tmp_path):
    encoder = load_encoder(save_model(small_model("HubertModel"), tmp_path / "model"))
    layer_outputs(encoder, waveform(8000))
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in encoder.model.encoder.layers)


def test_every_front_end_gives_the_frames_that_are_drawn(tmp_path):
    for class_name in CLASS_NAMES:
        encoder = load_encoder(save_model(small_model(class_name), tmp_path / class_name))
        for n_samples in range(960, 1920, 40):
            assert n_samples // SAMPLES_PER_FRAME - 1 <= encoder.n_frames(n_samples)
            assert n_samples // SAMPLES_PER_FRAME - 1 <= len(log_mel_frames(waveform(n_samples)))


@pytest.mark.parametrize("class_name", ["HubertModel", "SEWModel", "WhisperEncoder"])
def test_represented_frames_are_rows_of_the_utterances(tmp_path, class_name):
    encoder = load_encoder(save_model(small_model(class_name), tmp_path / "model"))
    frames = draw_frames(shards_of(tmp_path, corpus_of(n_phones=20)), max_frames=300, seed=0)
    write_representations(tmp_path / "stored", encoder, frames)
    labels, (mel, *layers) = open_representations(tmp_path / "stored.manifest.json")
    for name in ("label", "phone_class", "speaker", "fitted"):
        np.testing.assert_array_equal(getattr(labels, name), getattr(frames, name))
    raw, hidden = [], []
    for utterance in frames.utterances:
        samples = read_audio(utterance.recording.audio)
        raw.append(log_mel_frames(samples)[utterance.frame])
        hidden.append([output[utterance.frame] for output in layer_outputs(encoder, samples)])
    for layer, own in enumerate(zip(*hidden, strict=True)):
        np.testing.assert_array_equal(layers[layer], np.concatenate(own))
    raw = np.concatenate(raw).astype(np.float64)
    known = np.concatenate([raw[frames.fitted, :40], raw[frames.fitted, 40:]])
    np.testing.assert_allclose(mel, (raw - np.tile(known.mean(0), 2)) / np.tile(known.std(0), 2), atol=1e-4)


def test_an_utterance_whose_frames_do_not_fit_is_named(tmp_path, monkeypatch):
    encoder = load_encoder(save_model(small_model("HubertModel"), tmp_path / "model"))
    frames = draw_frames(shards_of(tmp_path, corpus_of()), max_frames=300, seed=0)
    monkeypatch.setattr(representations, "_layer_outputs", lambda *_: [np.zeros((1, 16), np.float32)])
    with pytest.raises(ModelError, match=r"utterance 0-0: expected frame \d+, found 1 frames"):
        represent(encoder, frames, tmp_path)


@pytest.mark.slow
def test_the_table_has_a_row_per_layer_the_same_twice_and_log_mel_whatever_the_model(tmp_path):
    shards = shards_of(tmp_path, corpus_of(n_speakers=8, n_phones=20))
    tables = {}
    for name, class_name, seed in (("one", "MelHubertModel", 0), ("two", "WavLMModel", 1), ("again", "WavLMModel", 1)):
        encoder = load_encoder(save_model(small_model(class_name, seed), tmp_path / name))
        write_representations(tmp_path / f"{name}.layers", encoder, draw_frames(shards, max_frames=600, seed=0))
        manifest = tmp_path / f"{name}.layers.manifest.json"
        tables[name] = probe_representations(manifest, model="m", clusters=10, seed=0)
        write_table(tmp_path / f"{name}.tsv", tables[name])
    table = tables["two"]
    assert table.columns.tolist() == COLUMNS
    assert table["layer"].tolist() == list(range(N_BLOCKS + 1))
    assert table["representation"].tolist() == ["log-Mel"] + ["hidden"] * N_BLOCKS
    assert (table[["n_fit", "n_measured", "speakers_fit", "speakers_measured"]] == [300, 300, 4, 4]).all(axis=None)
    assert not table.isna().any(axis=None)
    assert (tmp_path / "two.tsv").read_bytes() == (tmp_path / "again.tsv").read_bytes()
    pd.testing.assert_frame_equal(tables["one"].iloc[:1], table.iloc[:1])
    assert not tables["one"].iloc[1:].equals(table.iloc[1:])
