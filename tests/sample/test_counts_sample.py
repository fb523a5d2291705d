"""Counts of real speech: the whole chain against a plain loop straight from audio, labels and activations."""

import gzip
import json
import math
from collections import defaultdict

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
import transformers

from property_neurons.corpus.audio import read_audio
from property_neurons.corpus.build_frames import write_frame_store
from property_neurons.corpus.framewise import FramewiseSource, read_pitch_bins
from property_neurons.corpus.phones import PHONE_CLASSES, PHONES, UNVOICED_CONSONANTS
from property_neurons.corpus.pitch import estimate_f0
from property_neurons.corpus.pitch_source import Pitch
from property_neurons.corpus.recordings import Recording
from property_neurons.counting.count import count_activations
from property_neurons.counting.properties import make_property
from property_neurons.counting.sampling import Sampling
from property_neurons.models.loading import load_encoder
from property_neurons.ranks.extraction import extract_ranks

pytestmark = pytest.mark.sample

UTTERANCES = (
    "84-121550-0000",
    "84-121550-0005",
    "1272-128104-0000",
    "1272-128104-0002",
    "2412-153948-0000",
    "2277-149874-0000",
)
LAMBDA, TAU = 0.03, 6
WIDTH, LAYERS = 200, 3
COLUMNS = ("label", "single", "gender", "f0", "duration")


@pytest.fixture(scope="module")
def speech(sample_data):
    """What the corpus says of a few utterances: audio path, 20 ms labels, pitch bins, gender."""
    folder = sample_data / "alignments" / "dev-clean"
    names = {value[0]: name for name, value in json.loads((folder / "phone-labels.json").read_text()).items()}
    names |= {identity: {"": "SIL", "spn": "SPN"}[name] for identity, name in names.items() if name in ("", "spn")}
    labels = json.loads(gzip.decompress((folder / "framewise-phones-20ms.json.gz").read_bytes()))
    bins = json.loads(gzip.decompress((folder / "pitch-bins-20ms.json.gz").read_bytes()))
    genders = json.loads((folder / "speaker-gender.json").read_text())
    found = {}
    for utterance in UTTERANCES:
        speaker, chapter, _ = utterance.split("-")
        (path,) = (sample_data / "LibriSpeech" / "dev-clean" / speaker / chapter).glob(f"{utterance}.*")
        found[utterance] = (
            path,
            [names[identity] for identity in labels[utterance]],
            bins[utterance],
            genders[speaker],
        )
    return found


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory):
    torch.manual_seed(0)
    config = transformers.HubertConfig(
        hidden_size=32,
        num_hidden_layers=LAYERS,
        num_attention_heads=2,
        intermediate_size=WIDTH,
        conv_dim=(16,) * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
        initializer_range=0.2,
    )
    folder = tmp_path_factory.mktemp("model")
    transformers.HubertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def active(speech, model_folder):
    """By a plain loop: {utterance: [layer][frame] set of the most active neurons}."""
    model = transformers.HubertModel.from_pretrained(model_folder).eval()
    found = {}
    for utterance, (path, *_) in speech.items():
        seen = []
        hooks = [
            layer.feed_forward.output_dense.register_forward_pre_hook(
                lambda _, inputs, seen=seen: seen.append(inputs[0])
            )
            for layer in model.encoder.layers
        ]
        with torch.no_grad():
            model(torch.from_numpy(soundfile.read(path, dtype="float32")[0])[None])
        for hook in hooks:
            hook.remove()
        found[utterance] = [
            [set(sorted(range(WIDTH), key=lambda neuron, row=row: (-abs(row[neuron]), neuron))[:TAU]) for row in rows]
            for rows in (values[0].tolist() for values in seen)
        ]
    return found


@pytest.fixture(scope="module")
def stores(speech, model_folder, sample_data, tmp_path_factory):
    """(rank store, frame store) of two shards, for pitch bins and for F0."""
    folder = tmp_path_factory.mktemp("stores")
    alignments = sample_data / "alignments" / "dev-clean"
    source = FramewiseSource(alignments / "framewise-phones-20ms.json.gz", alignments / "phone-labels.json")
    encoder = load_encoder(model_folder)
    pitches = {
        "bins": Pitch("bins", bins=read_pitch_bins(alignments / "pitch-bins-20ms.json.gz")),
        "praat": Pitch("praat"),
    }
    shards = defaultdict(list)
    for number in range(2):
        ids = sorted(UTTERANCES)[number::2]
        aligned = {utterance: source.read(utterance) for utterance in ids}
        shard_list = pd.DataFrame(
            {
                "utterance": ids,
                "audio": [str(speech[utterance][0]) for utterance in ids],
                "n_samples": [len(read_audio(speech[utterance][0])) for utterance in ids],
                "audio_digest": ids,
            }
        )
        utterances = pd.DataFrame(
            {
                "utterance": ids,
                "speaker": [utterance.split("-")[0] for utterance in ids],
                "gender": [speech[utterance][3] for utterance in ids],
                "subset": "dev-clean",
                "n_labels": [aligned[utterance].end // 20_000 for utterance in ids],
            }
        )
        segments = pd.concat(
            pd.DataFrame(
                {"utterance": utterance, "start_us": found.starts, "end_us": found.ends, "label": found.labels}
                | {"mark": ""}
            )
            for utterance, found in aligned.items()
        )
        ranks = folder / f"ranks-{number}.zarr"
        recordings = [Recording(row.utterance, row.audio, row.n_samples) for row in shard_list.itertuples()]
        extract_ranks(encoder, recordings, ranks, model="small", lambda_max=0.05)
        for name, pitch in pitches.items():
            frames = folder / f"frames-{name}-{number}.zarr"
            write_frame_store(
                frames, shard_list=shard_list, segments=segments, utterances=utterances, root="/", pitch=pitch
            )
            shards[name].append((ranks, frames))
    return shards


def runs_of(labels):
    runs = [[0]]
    for index in range(1, len(labels)):
        if labels[index] == labels[index - 1]:
            runs[-1].append(index)
        else:
            runs.append([index])
    return runs


def clean_pitch(speech):
    """Low, middle, high by tertiles of all voiced F0, tracks starting at t = 0."""
    tracks = {
        utterance: [float(value) for value in estimate_f0(read_audio(path), "praat", 71.0, 800.0)]
        for utterance, (path, *_) in speech.items()
    }
    voiced = sorted(value for track in tracks.values() for value in track if not math.isnan(value))
    cuts = []
    for share in (1 / 3, 2 / 3):
        below, part = divmod(share * (len(voiced) - 1), 1)
        cuts.append(voiced[int(below)] * (1 - part) + voiced[int(below) + 1] * part)
    pitch = {}
    for utterance, track in tracks.items():
        bins = [-1 if math.isnan(value) else (value > cuts[0]) + (value > cuts[1]) for value in track]
        missing = len(speech[utterance][1]) - len(bins)
        pitch[utterance] = (bins + [-1] * missing)[: len(speech[utterance][1])]
    return pitch


def published_pitch(speech):
    """The authors' bins, with what a track is short of put in front."""
    return {utterance: [-1] * (len(labels) - len(bins)) + bins for utterance, (_, labels, bins, _) in speech.items()}


def group_of(column, label, gender, run, pitch):
    if column == "label":
        return next((name for name, phones in PHONE_CLASSES.items() if label in phones), "")
    if column == "single":
        return label if label in PHONES else ""
    if column == "gender":
        return gender
    if column == "duration":
        return "< 60 ms" if len(run) < 3 else "60-100 ms" if len(run) <= 5 else "> 100 ms"
    return (None, "low", "middle", "high")[pitch + 1]


def loop_counts(speech, active, column, preset):
    n, counts = defaultdict(int), defaultdict(int)
    pitch = clean_pitch(speech) if preset == "clean" else published_pitch(speech)
    for utterance, (_, labels, _, gender) in speech.items():
        runs = runs_of(labels)
        for run in runs[:-1] if preset == "published" else runs:
            for frame in [(run[0] + run[-1]) // 2] if preset == "published" else run:
                label = labels[frame]
                group = group_of(column, label, gender, run, pitch[utterance][frame])
                if group is None or frame >= len(active[utterance][0]):
                    continue
                if preset == "clean" and column == "f0" and label in UNVOICED_CONSONANTS:
                    continue
                n[group, label] += 1
                for layer in range(LAYERS):
                    for neuron in active[utterance][layer][frame]:
                        counts[layer, group, label, neuron] += 1
    return n, counts


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("preset", ["clean", "published"])
def test_counts_of_real_speech_equal_a_plain_loop(speech, active, stores, tmp_path, preset, column):
    published = preset == "published"
    settings = {"single": {"groups": "single"}, "gender": {"order": ["M", "F"]}}.get(column, {})
    if column == "f0" and published:
        settings = {
            "pitch_cuts": "percentiles_33_66",
            "at_lower_cut": "omit",
            "f0_padding": "front",
            "pitch_phones": "all",
        }
    counted = count_activations(
        stores["bins" if published else "praat"],
        make_property("p", "label" if column == "single" else column, **settings),
        Sampling("segment_mid", "drop", "merge") if published else Sampling(),
        lambda_=LAMBDA,
        corpus="dev-clean",
        output=tmp_path / "counts.zarr",
    )
    n, counts = loop_counts(speech, active, column, preset)
    assert {cell: frames for cell, frames in zip(counted.cells, counted.n, strict=True) if frames} == dict(n)
    assert len(n) > 30
    for layer in range(LAYERS):
        found = counted.site_counts(layer)
        expected = np.zeros_like(found)
        for cell, (group, label) in enumerate(counted.cells):
            for neuron in range(WIDTH):
                expected[cell, neuron] = counts.get((layer, group, label, neuron), 0)
        np.testing.assert_array_equal(found, expected)
        assert (found.sum(axis=1) == TAU * counted.n).all()
