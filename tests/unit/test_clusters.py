"""Clusters in place of phones and genders: centroids, assignment and agreement against plain loops."""

import math
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import soundfile
import torch
from sklearn.cluster import MiniBatchKMeans
from sklearn.metrics import homogeneity_score, normalized_mutual_info_score
from small_models import save_model, small_model, waveform
from synthetic_stores import Utterance, write_frames
from test_config import MINIMAL

from property_neurons import plan
from property_neurons.clustering.assign import write_clusters, write_speakers_clusters
from property_neurons.clustering.compare import AGREEMENT_COLUMNS, agreements, contingency
from property_neurons.clustering.points import of_layer, points_of, utterances_of
from property_neurons.clustering.sampled_points import sample_points
from property_neurons.codebooks.codebook import Codebook, read_codebook, write_codebook
from property_neurons.codebooks.kmeans import fit_codebook
from property_neurons.codebooks.sample import draw_utterances, gather, open_points, write_points
from property_neurons.config.load import load_config
from property_neurons.corpus.frame_store import open_frames
from property_neurons.corpus.frame_values import FrameFiles, FrameValues, open_frame_files, open_values, write_values
from property_neurons.corpus.recordings import Recording
from property_neurons.counting.properties import make_property
from property_neurons.counting.sampling import Sampling, sample_frames
from property_neurons.errors import ConfigError, CorpusError, ModelError, StoreError
from property_neurons.models.loading import load_encoder

CLUSTERS = 4


@pytest.fixture(scope="module")
def speech(tmp_path_factory):
    """Two speakers, two utterances each, of 20 frames: the third silent phone by phone; one model of two blocks."""
    folder = tmp_path_factory.mktemp("speech")
    rng = np.random.default_rng(0)
    corpus, recordings = [], []
    for number, name in enumerate(("a-1", "a-2", "b-1", "b-2")):
        labels = ["SIL", *rng.choice(["AH", "N", "SIL"], 8), "AH"]
        segments = tuple((40_000 * place, 40_000 * (place + 1), label) for place, label in enumerate(labels))
        corpus.append(Utterance(name, "s", name[0], "FM"[number // 2], segments, 400_000, (math.nan,), ()))
        path = folder / f"{name}.flac"
        soundfile.write(path, (1 + number // 2) / 2 * waveform(6_500, seed=number), 16_000)
        recordings.append(Recording(name, path, 6_500))
    frames = open_frames(write_frames(folder / "frames.zarr", corpus))
    encoder = load_encoder(save_model(small_model("HubertModel"), folder / "model"))
    return frames, recordings, encoder


def hidden(encoder, recording, layer):
    """The layer as transformers gives it, frame by frame."""
    samples = torch.from_numpy(soundfile.read(recording.audio, dtype="float32")[0])[None]
    with torch.inference_mode():
        return encoder.model(samples, output_hidden_states=True).hidden_states[layer][0].numpy()


def spoken(frames, encoder, recordings, layer=1):
    """By utterance, [(frame, vector)] of those that are not silent."""
    return {
        recording.utterance: [
            (place, vector)
            for place, vector in enumerate(hidden(encoder, recording, layer)[:20])
            if frames.label[frames.offset[number] + place] != frames.inventory.silence
        ]
        for number, recording in enumerate(recordings)
    }


def fitted(frames, recordings, represent, clusters=CLUSTERS):
    sampled = sample_points([frames], [recordings], represent, of="frames", hours=1, seed=3)
    return fit_codebook(gather(sampled.points, sampled.most), clusters=clusters, seed=3)


def test_frames_go_to_the_nearest_centroid_as_by_a_plain_loop(speech, tmp_path):
    frames, recordings, encoder = speech
    represent = of_layer(encoder, 1)
    codebook = fitted(frames, recordings, represent)
    expected = spoken(frames, encoder, recordings)
    joined = np.array([vector for name in sorted(expected) for _, vector in expected[name]])
    kmeans = MiniBatchKMeans(
        CLUSTERS, n_init=5, batch_size=10_000, max_no_improvement=100, reassignment_ratio=0.0, random_state=3
    ).fit(joined)
    np.testing.assert_allclose(codebook.centroids, kmeans.cluster_centers_, atol=1e-4)
    write_codebook(tmp_path / "codebook.safetensors", codebook)
    codebook = read_codebook(tmp_path / "codebook.safetensors")
    write_clusters(
        tmp_path / "c.zarr",
        frames,
        points_of(utterances_of(frames, recordings), represent, "frames"),
        codebook,
        "frames",
    )
    values = open_values(tmp_path / "c.zarr", frames.utterances, frames.offset)
    found = values.name
    assert values.names == ("c00", "c01", "c02", "c03")
    for number, name in enumerate(frames.utterances):
        nearest = {
            place: min(range(CLUSTERS), key=lambda one, of=vector: np.linalg.norm(of - codebook.centroids[one]))
            for place, vector in expected[name]
        }
        own = found[frames.offset[number] : frames.offset[number + 1]].tolist()
        assert own == [nearest.get(place, -1) for place in range(len(own))]
        intervals = values.interval[frames.offset[number] : frames.offset[number + 1]].tolist()
        # A run of one cluster is an interval.
        for (before, one), (after, other) in pairwise(zip(own, intervals, strict=True)):
            assert (one == other) == (before == after) or -1 in (before, after)


@pytest.mark.parametrize("layer", [None, 2])
def test_utterances_go_to_the_centroid_nearest_to_their_mean(speech, tmp_path, layer):
    frames, recordings, encoder = speech
    represent = of_layer(encoder if layer else None, layer)
    points = list(points_of(utterances_of(frames, recordings), represent, "utterances"))
    if layer:
        expected = spoken(frames, encoder, recordings, layer).values()
        means = [np.mean([vector for _, vector in vectors], axis=0) for vectors in expected]
        np.testing.assert_allclose(np.concatenate([values for *_, values in points]), means, rtol=1e-4, atol=1e-5)
    codebook = fit_codebook(
        np.concatenate([values for *_, values in points]), clusters=2, seed=0, standardise=not layer
    )
    write_clusters(tmp_path / "c.zarr", frames, points, codebook, "utterances")
    values = open_values(tmp_path / "c.zarr", frames.utterances, frames.offset)
    own = np.concatenate([codebook.nearest(values) for *_, values in points])
    assert values.name.tolist() == np.repeat(own, 20).tolist()
    shard = replace(frames, values=values)
    layout = make_property("voice", of="utterance interval", by="none").lay_out([shard])
    assert (layout.groups, layout.lives_in) == (("c00", "c01"), "utterance")
    table = contingency([shard], "utterances")
    assert set(table["against"]) == {"speaker", "gender"}
    assert table[table["against"] == "speaker"]["n"].sum() == 4


def test_log_mel_is_standardised_and_a_layer_is_not():
    points = np.random.default_rng(0).normal(5, [1, 100], (200, 2)).astype(np.float32)
    scaled = fit_codebook(points, clusters=2, seed=0, standardise=True)
    np.testing.assert_allclose(scaled.mean, points.mean(0), rtol=1e-5)
    np.testing.assert_allclose(scaled.scale, points.std(0), rtol=1e-5)
    plain = fit_codebook(points, clusters=2, seed=0, standardise=False)
    assert (plain.mean.tolist(), plain.scale.tolist()) == ([0, 0], [1, 1])


def test_points_do_not_depend_on_shards(speech):
    frames, recordings, _ = speech
    halves = [replace(frames, kept=np.arange(4) % 2 == half) for half in (0, 1)]
    listed = [recordings[half::2] for half in (0, 1)]
    for of in ("frames", "utterances", "speakers"):
        whole, parts = (
            sample_points(*speech, of_layer(None, None), of=of, hours=45 / 180_000, seed=1)
            for speech in (([frames], [recordings]), (halves, listed))
        )
        points = gather(whole.points, whole.most)
        assert len(points) == {"utterances": 3, "speakers": 2}.get(of, len(points))
        np.testing.assert_array_equal(gather(parts.points, parts.most), points)


@pytest.mark.parametrize("points", [[], [np.empty((0, 5), np.float32)]])
def test_no_points_are_stored_as_none(tmp_path, points):
    write_points(tmp_path / "points", iter(points), 3)
    found, speakers = open_points(tmp_path / "points.manifest.json")
    assert (len(found), speakers) == (0, [])
    with pytest.raises(CorpusError, match="at least 2 points to fit on, one for each cluster, found 0"):
        fit_codebook(found, clusters=2, seed=0)


def test_utterances_are_drawn_until_there_is_enough_speech():
    frames = dict(zip("abcdefgh", range(10, 90, 10), strict=True))
    for seed in range(5):
        drawn = draw_utterances(frames, most=100, seed=seed)
        *before, last = np.cumsum([frames[name] for name in drawn]).tolist()
        assert last >= 100 and all(one < 100 for one in before)
        assert drawn == draw_utterances(dict(reversed(frames.items())), most=100, seed=seed)
    assert len({tuple(draw_utterances(frames, most=100, seed=seed)) for seed in range(5)}) > 1
    # Of every speaker one, however little is asked for; then of each in turn.
    speakers = dict(zip(frames, "xxxxyyzz", strict=True))
    drawn = [draw_utterances(frames, most=1e-9, seed=seed, speakers=speakers) for seed in range(5)]
    assert all(sorted(map(speakers.get, one)) == ["x", "y", "z"] for one in drawn)
    assert len(set(map(frozenset, drawn))) > 1
    turns = [speakers[name] for name in draw_utterances(frames, most=360, seed=0, speakers=speakers)]
    assert [sorted(turns[at : at + 3]) for at in (0, 3)] == [["x", "y", "z"]] * 2 and turns[6:] == ["x", "x"]


def test_speakers_go_to_the_centroid_nearest_to_the_mean_of_all_their_frames(speech, tmp_path):
    frames, recordings, encoder = speech
    represent = of_layer(encoder, 1)
    halves = [replace(frames, kept=np.arange(4) % 2 == half) for half in (0, 1)]
    listed = [recordings[half::2] for half in (0, 1)]
    sampled = sample_points(halves, listed, represent, of="speakers", hours=1, seed=0)
    write_points(tmp_path / "points", sampled.points, sampled.most, sampled.speakers)
    points, speakers = open_points(tmp_path / "points.manifest.json")
    codebook = fit_codebook(points, clusters=2, seed=0, speakers=speakers)
    expected = spoken(frames, encoder, recordings)
    means = [
        np.mean([vector for name in names for _, vector in expected[name]], axis=0)
        for names in (("a-1", "a-2"), ("b-1", "b-2"))
    ]
    # As many clusters as speakers: each is its own.
    assert sorted(codebook.speakers) == ["a", "b"] and set(codebook.speakers.values()) == {0, 1}
    for speaker, mean in zip("ab", means, strict=True):
        np.testing.assert_allclose(codebook.centroids[codebook.speakers[speaker]], mean, rtol=1e-3, atol=1e-4)
    write_codebook(tmp_path / "codebook.safetensors", codebook)
    write_speakers_clusters(tmp_path / "c.zarr", halves[0], read_codebook(tmp_path / "codebook.safetensors"))
    found = open_values(tmp_path / "c.zarr", frames.utterances, frames.offset).name.reshape(4, 20)
    of = codebook.speakers
    # Also of utterances that are not kept: the gate is the count's, and may change without the clusters.
    assert found.tolist() == [[number] * 20 for number in (of["a"], of["a"], of["b"], of["b"])]


def as_shard(frames, cluster, names):
    return replace(
        frames, values=FrameValues(interval=np.arange(len(cluster)), interval_name=np.array(cluster), names=names)
    )


def test_agreement_is_that_of_the_definitions(speech):
    frames = replace(speech[0], kept=np.array([True, True, True, False]))
    cluster = np.random.default_rng(2).integers(-1, 3, len(frames.label))
    table = contingency([as_shard(frames, cluster, ("x", "y", "z"))], "frames")
    pairs = [
        (frames.inventory.labels[label], "xyz"[number])
        for label, number in zip(frames.label[:60].tolist(), cluster[:60].tolist(), strict=True)
        if number >= 0 and label != frames.inventory.silence
    ]
    phone = table[table["against"] == "phone"]
    assert dict(zip(zip(phone["label"], phone["cluster"], strict=True), phone["n"], strict=True)) == Counter(pairs)
    row = agreements(table).set_index("against").loc["phone"]
    often, of_label, of_cluster = Counter(pairs), *map(Counter, zip(*pairs, strict=True))
    total = len(pairs)

    assert row["label_purity"] == pytest.approx(
        sum(max(often[one, own] for one in of_label) for own in of_cluster) / total
    )
    assert row["cluster_purity"] == pytest.approx(
        sum(max(often[own, one] for one in of_cluster) for own in of_label) / total
    )
    assert row["nmi"] == pytest.approx(normalized_mutual_info_score(*zip(*pairs, strict=True)))
    assert row["information"] == pytest.approx(homogeneity_score(*zip(*pairs, strict=True)))
    assert row["commonest_label"] == pytest.approx(max(of_label.values()) / total)


def test_speech_without_labels_is_compared_with_its_speakers_alone(speech):
    frames = speech[0]
    bare = replace(frames, label=np.full_like(frames.label, frames.inventory.spoken_noise))
    bare = replace(bare, columns=bare.columns | {"gender": ("",) * 4})
    table = contingency([as_shard(bare, np.zeros(len(bare.label), int), ("x",))], "frames")
    assert set(table["against"]) == {"speaker"}
    assert agreements(table).iloc[0]["nmi"] == 0
    assert agreements(contingency([], "frames")).columns.tolist() == AGREEMENT_COLUMNS


def test_clusters_stand_in_the_place_of_phones(speech, tmp_path):
    frames = speech[0]
    names = ("u0", "u1", "u2")
    number = np.random.default_rng(5).integers(0, 3, len(frames.label) // 2).repeat(2)
    number[frames.label == frames.inventory.silence] = -1
    number[-1] = -1
    opens = (np.diff(number, prepend=-1) != 0) | np.isin(np.arange(len(number)), frames.offset)
    held = opens & (number >= 0)
    interval = np.where(number >= 0, np.cumsum(held) - 1, -1)
    values = FrameValues(interval=interval, interval_name=number[held], names=names)
    write_values(tmp_path / "u.zarr", frames.utterances, frames.offset, values)
    shard = open_frame_files(FrameFiles(frames.name, units=tmp_path / "u.zarr"))
    layout = make_property("gender", "gender").lay_out([shard])
    sample = sample_frames(shard, Sampling())
    found = Counter(layout.cells[cell] for cell in layout.cells_of(shard, sample).tolist())
    genders = [frames.columns["gender"][place // 20] for place in range(len(number))]
    labels = [names[one] if one >= 0 else "SIL" for one in number.tolist()]
    # Speech that the model gives no frame for.
    labels[-1] = "SPN" if frames.label[-1] != frames.inventory.silence else "SIL"
    assert found == Counter(zip(genders, labels, strict=True))
    assert layout.phones == names
    # Each run by itself: its frames, and its times.
    runs = [list(own) for own in np.split(np.arange(len(number)), np.flatnonzero(opens)) if len(own)]
    for run in runs:
        if number[run[0]] >= 0:
            segment = shard.segment[run[0]]
            assert (shard.segment_end - shard.segment_start)[segment] == len(run) * 20_000
            assert shard.segment_start[segment] == run[0] % 20 * 20_000


def test_what_cannot_be_clustered_is_refused(speech, tmp_path):
    frames, recordings, encoder = speech
    with pytest.raises(ModelError, match="expected one of the 2 layers of the model, found layer 3"):
        of_layer(encoder, 3)
    with pytest.raises(CorpusError, match="at least 300 points to fit on, one for each cluster, found"):
        fitted(frames, recordings, of_layer(None, None), clusters=300)
    with pytest.raises(CorpusError, match="found 0"):
        fit_codebook(np.empty((0, 1), np.float32), clusters=2, seed=0, standardise=True)
    strange = [replace(recordings[0], utterance="c-1")]
    with pytest.raises(StoreError, match="expected labels of c-1, found none"):
        utterances_of(frames, strange)
    (tmp_path / "c").write_bytes(b"")
    with pytest.raises(StoreError, match="expected a codebook"):
        read_codebook(tmp_path / "c")


def test_equal_distances_go_to_the_first():
    centroids, mean, scale, point = np.ones((3, 2)), np.zeros(2), np.ones(2), np.zeros((1, 2))
    codebook = Codebook(*(values.astype(np.float32) for values in (centroids, mean, scale)))
    assert codebook.nearest(point.astype(np.float32)).tolist() == [0]


@pytest.mark.parametrize(
    ("clusters", "property_", "sentence"),
    [
        ({}, {"clusters": "u"}, r"properties\.p\.clusters: 'u' is not defined"),
        ({"u": {"clusters": 2, "model": "tiny"}}, {"clusters": "u"}, "`layer` goes with `model`"),
        ({"u": {"clusters": 2, "model": "gone", "layer": 1}}, {"clusters": "u"}, r"clusters\.u\.model: 'gone'"),
        ({"u": {"clusters": 101}}, {"clusters": "u"}, r"clusters\.u\.clusters"),
        ({"u": {"clusters": 2}}, {"clusters": "u", "by": "u"}, r"properties\.p\.by: each cluster of 'u' holds itself"),
        ({"u": {"clusters": 2, "of": "utterances"}}, {"column": "gender", "by": "u"}, "names of `clusters` of frames"),
        ({"u": {"clusters": 2, "of": "speakers"}}, {"column": "gender", "by": "u"}, "names of `clusters` of frames"),
        ({"u": {"clusters": 2}}, {"marks": None, "by": "u"}, "marks are of phones"),
        ({"none": {"clusters": 2}}, {"column": "gender"}, r"clusters\.none: "),
    ],
)
def test_contradictions_in_the_config_are_refused(clusters, property_, sentence):
    with pytest.raises(ConfigError, match=sentence):
        load_config(MINIMAL | {"clusters": clusters, "properties": {"p": property_}})


def test_clusters_of_a_model_that_is_made_of_them_are_refused():
    models = {"cut": {"kind": "pruned", "of": "tiny", "criterion": "protect", "properties": ["phone", "p"]}}
    clusters = {"u": {"clusters": 2, "model": "cut", "layer": 1}}
    sections = {"models": MINIMAL["models"] | models, "clusters": clusters, "properties": {"p": {"clusters": "u"}}}
    with pytest.raises(ConfigError, match=r"clusters\.u\.model: 'cut' is made by p, of these clusters"):
        load_config(MINIMAL | sections)


def test_the_config_says_what_is_counted_and_no_more():
    sections = {"clusters": {"u": {"clusters": 8}, "v": {"of": "utterances", "clusters": 2}, "w": {"clusters": 2}}}
    properties = {"unit": {"clusters": "u"}, "voice": {"clusters": "v", "by": "u"}, "age": {"column": "age", "by": "u"}}
    config = load_config(MINIMAL | sections | {"properties": properties})
    settings = {name: plan.analysis.property_settings(config, name) for name in properties}
    assert settings["unit"] == {"of": "interval", "groups": None, "by": "none"}
    assert settings["voice"] == {"of": "utterance interval", "groups": None, "by": "phone"}
    assert settings["age"]["by"] == "phone"
    where = [
        (plan.analysis.frame_values(config, "demo", name), plan.analysis.units(config, "demo", name))
        for name in properties
    ]
    stores = [plan.clusters.stores(config, "demo", name) for name in ("u", "v")]
    assert where == [(stores[0], []), (stores[1], stores[0]), ([], stores[0])]
    assert plan.clusters.used(config) == ["u", "v"]
    # Pages show cells of the corpus's own phones.
    assert plan.browser.shown(config) == ["phone", "single_phone", "gender", "pitch", "duration", "unit"]
    assert plan.browser.values(config, "demo") == {"unit": stores[0]}
    with pytest.raises(ConfigError, match=r"browser\.properties: .* 'age' has clusters in their place"):
        load_config(MINIMAL | sections | {"properties": properties, "browser": {"properties": ["age"]}})
