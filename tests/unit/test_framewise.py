"""The paper authors' JSON files."""

import gzip
import json

import numpy as np
import pytest

from property_neurons.corpus.alignments import UnusableAlignment
from property_neurons.corpus.framewise import FramewiseSource, read_pitch_bins
from property_neurons.corpus.phones import LABEL_IDS
from property_neurons.errors import CorpusError, StoreError

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
        # What numpy would take for the phone 1, or wrap to it.
        ([0, 1, True], "unreadable_alignment"),
        ([0, 1.0], "unreadable_alignment"),
        ([0, 2**32 + 1], "unknown_phone"),
        ([0, 2**64 + 1], "unreadable_alignment"),
        ([0, -1], "unknown_phone"),
        ("12", "unreadable_alignment"),
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
        with pytest.raises((CorpusError, StoreError), match=r"bins\.json"):
            read_pitch_bins(path)
    with pytest.raises(StoreError, match="found nothing"):
        read_pitch_bins(tmp_path / "absent.json")


def test_pitch_bins(tmp_path):
    path = tmp_path / "bins.json"
    path.write_text(json.dumps({"u": [-1, 0, 1, 2], "v": []}))
    bins = read_pitch_bins(path)
    assert bins["u"].dtype == np.int8
    assert {utterance: track.tolist() for utterance, track in bins.items()} == {"u": [-1, 0, 1, 2], "v": []}


@pytest.mark.parametrize("value", [3, 2**32 + 1, 2**64, True, 1.0, "1", None, [1]])
def test_pitch_bins_are_exact_or_refused(tmp_path, value):
    path = tmp_path / "bins.json"
    path.write_text(json.dumps({"u": [0, 1, value]}))
    with pytest.raises(CorpusError, match=r"bins\.json: utterance u: expected"):
        read_pitch_bins(path)


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ({"AH": [True, 1]}, "'AH': .True, 1"),
        ({"AH": [1.0, 1]}, "'AH'"),
        ({"AH": "12"}, "'AH': '12'"),
        ({"AH": ["1", 1]}, "'AH'"),
        ({"AH": [-1, 1]}, "'AH': .-1"),
        ({"AH": []}, "'AH'"),
        ({"AH": 1}, "'AH': 1"),
        ({"AH": [1, 2], "T": [1, 3]}, "id 1 of both 'AH' and 'T'"),
    ],
)
def test_label_ids_are_exact_and_of_one_label_each(tmp_path, names, found):
    (tmp_path / "frames.json").write_text('{"u": [1]}')
    (tmp_path / "labels.json").write_text(json.dumps(names))
    with pytest.raises(CorpusError, match=rf"labels\.json.*{found}"):
        FramewiseSource(tmp_path / "frames.json", tmp_path / "labels.json")


@pytest.mark.parametrize("file", ["frames", "labels"])
def test_what_stands_twice_is_refused(tmp_path, file):
    (tmp_path / "frames.json").write_text('{"1-2-3": [0, 1]}')
    (tmp_path / "labels.json").write_text('{"AH": [1, 1], "": [0, 1]}')
    twice = {"frames": '{"1-2-3": [1, 1], "1-2-3": [0, 1]}', "labels": '{"AH": [1, 1], "AH": [0, 1]}'}
    (tmp_path / f"{file}.json").write_text(twice[file])
    with pytest.raises(StoreError, match=rf"{file}\.json.*2 times"):
        FramewiseSource(tmp_path / "frames.json", tmp_path / "labels.json")


def test_names_are_compared_composed(tmp_path):
    (tmp_path / "labels.json").write_text('{"AH": [1, 1]}')
    (tmp_path / "frames.json").write_text(json.dumps({"e\u0301-1-1": [1]}))
    source = FramewiseSource(tmp_path / "frames.json", tmp_path / "labels.json")
    assert source.utterances() == {"\u00e9-1-1"}
    (tmp_path / "frames.json").write_text(json.dumps({"e\u0301-1-1": [1], "\u00e9-1-1": [2]}))
    with pytest.raises(CorpusError, match="spelled in two ways"):
        FramewiseSource(tmp_path / "frames.json", tmp_path / "labels.json")
