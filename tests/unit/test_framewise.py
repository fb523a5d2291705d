"""The paper authors' JSON files."""

import gzip
import json

import numpy as np
import pytest

from property_neurons.corpus.alignments import UnusableAlignment
from property_neurons.corpus.framewise import FramewiseSource, read_gender_json, read_pitch_bins
from property_neurons.corpus.phones import LABEL_IDS
from property_neurons.errors import CorpusError

NAMES = {"": [0, 3], "DH": [1, 2], "AH": [2, 2], "spn": [3, 1], "XX": [4, 1]}


def source(tmp_path, frames, compressed=False):
    (tmp_path / "labels.json").write_text(json.dumps(NAMES))
    content = json.dumps(frames).encode()
    (tmp_path / "frames").write_bytes(gzip.compress(content) if compressed else content)
    return FramewiseSource(tmp_path / "frames", tmp_path / "labels.json")


@pytest.mark.parametrize("compressed", [False, True])
def test_segments_are_runs(tmp_path, compressed):
    frames = source(tmp_path, {"1-2-3": [0, 0, 1, 2, 2, 2, 0, 3]}, compressed)
    assert frames.utterances() == {"1-2-3"}
    alignment = frames.read("1-2-3")
    assert alignment.starts.tolist() == [0, 40_000, 60_000, 120_000, 140_000]
    assert alignment.ends.tolist() == [40_000, 60_000, 120_000, 140_000, 160_000]
    assert alignment.labels.tolist() == [LABEL_IDS[label] for label in ["SIL", "DH", "AH", "SIL", "SPN"]]
    assert (alignment.end, alignment.n_labels) == (160_000, 8)


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([], "empty_alignment"),
        ([0, 0], "empty_alignment"),
        ([0, 1, 9], "unknown_phone"),
        ([0, 1, 4], "unknown_phone"),
        ([0, 1, "DH"], "unreadable_alignment"),
        ([0, 1.5], "unreadable_alignment"),
        ([[0], [1]], "unreadable_alignment"),
        ([[0], 1], "unreadable_alignment"),
        (None, "unreadable_alignment"),
        ({"a": 1}, "unreadable_alignment"),
        (3, "unreadable_alignment"),
    ],
)
def test_troubles_have_codes(tmp_path, frames, code):
    with pytest.raises(UnusableAlignment) as caught:
        source(tmp_path, {"u": frames}).read("u")
    assert [trouble.code for trouble in caught.value.troubles] == [code]


def test_a_damaged_file_is_named(tmp_path):
    path = tmp_path / "bins.json"
    for content in [b"{", b"\x1f\x8bnonsense", gzip.compress(b'{"a": [1]}')[:-6], b"[1]", b"\xff\xff"]:
        path.write_bytes(content)
        with pytest.raises(CorpusError, match=r"bins\.json"):
            read_pitch_bins(path)
    with pytest.raises(CorpusError, match="no file"):
        read_pitch_bins(tmp_path / "absent.json")


def test_pitch_bins(tmp_path):
    path = tmp_path / "bins.json"
    path.write_text(json.dumps({"u": [-1, 0, 1, 2], "v": []}))
    bins = read_pitch_bins(path)
    assert bins["u"].dtype == np.int8
    assert {utterance: track.tolist() for utterance, track in bins.items()} == {"u": [-1, 0, 1, 2], "v": []}
    path.write_text(json.dumps({"u": [0, 3]}))
    with pytest.raises(CorpusError, match="utterance u"):
        read_pitch_bins(path)


def test_genders(tmp_path):
    path = tmp_path / "genders.json"
    path.write_text(json.dumps({"84": "F", "174": "M"}))
    assert read_gender_json(path) == {"84": "F", "174": "M"}
    path.write_text(json.dumps({"84": "F", "174": "male"}))
    with pytest.raises(CorpusError, match="'174': 'male'"):
        read_gender_json(path)
