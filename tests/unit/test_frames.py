"""Frame tables: labels against a plain loop, and the store as the contract of the stages has it."""

import logging
import shutil
from functools import partial

import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from property_neurons.cache import take_or_make
from property_neurons.cache.keys import frames_result
from property_neurons.cache.results import Audio
from property_neurons.cache.tracks import kept_tracks
from property_neurons.corpus.build_frames import write_frame_store
from property_neurons.corpus.frame_labels import frame_labels
from property_neurons.corpus.phones import LABELS, PAPER_PHONES, SILENCE_ID
from property_neurons.corpus.pitch_source import Pitch
from property_neurons.errors import CorpusError
from property_neurons.stores.zarr import open_store

FRAME_US = 20_000
# (gap, length, label) in steps of 5 ms, so that ties are common, or in odd microseconds.
STEPS = st.sampled_from([5_000, 1, 3_333])
SEGMENTS = st.lists(st.tuples(st.integers(0, 6), st.integers(1, 12), st.integers(0, 4)), max_size=8)


def plain_loop(starts, ends, labels, n_labels):
    found = []
    for cell in range(n_labels):
        low, high = cell * FRAME_US, (cell + 1) * FRAME_US
        pieces, time = [], low
        for index, (start, end) in enumerate(zip(starts, ends, strict=True)):
            if end <= low or start >= high:
                continue
            if start > time:
                pieces.append((start - time, -1))
            pieces.append((min(end, high) - max(start, low), index))
            time = end
        if time < high:
            pieces.append((high - time, -1))
        most = max(length for length, _ in pieces)
        index = next(index for length, index in pieces if length == most)
        found.append((SILENCE_ID if index < 0 else labels[index], index))
    return found


@settings(derandomize=True, deadline=None)
@given(SEGMENTS, STEPS, st.integers(0, 8))
def test_labels_against_a_plain_loop(segments, step, n_labels):
    starts, ends, time = [], [], 0
    for gap, length, _ in segments:
        starts.append(time + gap * step)
        time = starts[-1] + length * step
        ends.append(time)
    labels = np.array([label for _, _, label in segments], np.int8)
    label, segment = frame_labels(np.array(starts, np.int64), np.array(ends, np.int64), labels, n_labels)
    assert (label.dtype, segment.dtype) == (np.int8, np.int32)
    assert list(zip(label.tolist(), segment.tolist(), strict=True)) == plain_loop(starts, ends, labels, n_labels)


def test_ties_go_to_the_earliest():
    label, segment = frame_labels(np.array([0, 10_000]), np.array([10_000, 20_000]), np.array([3, 4], np.int8), 1)
    assert (label.tolist(), segment.tolist()) == ([3], [0])


def test_a_gap_is_a_silence_as_if_written_out():
    spoken = (np.array([0, 44_000]), np.array([22_000, 61_000]), np.array([3, 4], np.int8))
    written = (np.array([0, 22_000, 44_000]), np.array([22_000, 44_000, 61_000]), np.array([3, SILENCE_ID, 4], np.int8))
    np.testing.assert_array_equal(frame_labels(*spoken, 3)[0], frame_labels(*written, 3)[0])
    assert frame_labels(*spoken, 3)[1].tolist() == [0, -1, 1]


@pytest.fixture
def shard(tmp_path):
    """Two utterances, listed in another order than the tables have them."""
    generator = np.random.default_rng(0)
    lengths = {"b-1-1": 1_000, "a-1-1": 2_000}
    for utterance, n_samples in lengths.items():
        soundfile.write(tmp_path / f"{utterance}.flac", generator.uniform(-0.5, 0.5, n_samples), 16_000)
    utterances = pd.DataFrame(
        {
            "utterance": ["b-1-1", "x-1-1", "a-1-1"],
            "subset": ["s", "s", "t"],
            "speaker": ["b", "x", "a"],
            "gender": ["M", "M", "F"],
            "n_labels": [3, 9, 6],
        }
    )
    segments = pd.DataFrame(
        {
            "shard": "s-000",
            "utterance": ["b-1-1", "b-1-1", "a-1-1", "x-1-1"],
            "start_us": [0, 20_000, 40_000, 0],
            "end_us": [20_000, 62_500, 125_000, 180_000],
            "label": np.array([39, 0, 17, 2], np.int8),
            "mark": ["", "1", "", ""],
        }
    )
    shard_list = pd.DataFrame(
        {
            "utterance": ["a-1-1", "b-1-1"],
            "audio": ["a-1-1.flac", "b-1-1.flac"],
            "n_samples": [2_000, 1_000],
            "audio_digest": "-",
        }
    )
    return {"shard_list": shard_list, "segments": segments, "utterances": utterances, "root": tmp_path}


def fake_f0(waveform, method, floor_hz, ceiling_hz):
    assert (method, floor_hz, ceiling_hz) == ("yaapt", 71.0, 800.0)
    return np.array([len(waveform), np.nan], np.float32)[: 1 + len(waveform) // 2_000]


@pytest.mark.parametrize("workers", [1, 2])
def test_store(shard, tmp_path, monkeypatch, workers):
    monkeypatch.setattr("property_neurons.corpus.build_frames.estimate_f0", fake_f0)
    path = tmp_path / "s-000.zarr"
    write_frame_store(path, **shard, pitch=Pitch("yaapt"), workers=workers)
    store = open_store(path)
    assert dict(store.attrs) == {
        "utterances": ["a-1-1", "b-1-1"],
        "speakers": ["a", "b"],
        "genders": ["F", "M"],
        "subsets": ["t", "s"],
        "columns": {},
        "recordings": {"digests": ["-", "-"]},
        "labels": list(LABELS),
        "marks": ["", "1"],
        "frame_us": 20_000,
        "pitch": "yaapt",
    }
    arrays = {name: array[:] for name, array in store.arrays()}
    expected = {
        "frame_offset": ([0, 6, 9], np.int64),
        "label": ([39, 39, 17, 17, 17, 17, 39, 0, 0], np.int8),
        "segment": ([-1, -1, 0, 0, 0, 0, 1, 2, 2], np.int32),
        "segment_mark": ([0, 0, 1], np.int16),
        "segment_start": ([40_000, 0, 20_000], np.int64),
        "segment_end": ([125_000, 20_000, 62_500], np.int64),
        "pitch_offset": ([0, 2, 3], np.int64),
        "f0": ([2_000, np.nan, 1_000], np.float32),
    }
    assert arrays.keys() == expected.keys()
    for name, (values, dtype) in expected.items():
        assert arrays[name].dtype == dtype, name
        np.testing.assert_array_equal(arrays[name], np.array(values), err_msg=name)


def test_f0_that_is_known_is_not_tracked_again(shard, tmp_path, monkeypatch):
    """What labels are made of changes: F0 of unchanged recordings is that of before, tracked once."""
    tracked = []

    def noted(waveform, *settings):
        tracked.append(len(waveform))
        return fake_f0(waveform, *settings)

    monkeypatch.setattr("property_neurons.corpus.build_frames.estimate_f0", noted)
    monkeypatch.setattr(take_or_make, "check_code", lambda code: None)
    monkeypatch.setattr(Audio, "check", lambda audio: None)
    shard["shard_list"]["audio_digest"] = ["digest of a", "digest of b"]
    path, pitch = tmp_path / "s.zarr", {"method": "yaapt", "floor_hz": 71.0, "ceiling_hz": 800.0, "path": None}
    log = logging.getLogger("test")

    def make(code="c", **changes):
        speech = shard | {"inventory": PAPER_PHONES} | changes
        tracked.clear()
        result = frames_result(path, pitch=pitch, code=code, script=__file__, **speech)
        known = kept_tracks(result, log)
        write = partial(write_frame_store, path, pitch=Pitch("yaapt"), tracked=known, **speech)
        # As Snakemake does before a job.
        shutil.rmtree(path, ignore_errors=True)
        take_or_make.take_or_make(None, lambda: result, write, log, code=code)
        return open_store(path)["f0"][:].tolist(), list(tracked)

    f0, at_first = make()
    assert at_first == [2_000, 1_000]
    other = shard["segments"].assign(label=np.array([1, 1, 1, 1], np.int8))
    np.testing.assert_array_equal(make(segments=other)[0], f0)
    assert tracked == []
    # One recording is another.
    new = shard["shard_list"].assign(audio_digest=["digest of a", "another"])
    np.testing.assert_array_equal(make(shard_list=new)[0], f0)
    assert tracked == [1_000]
    assert make(code="other")[1] == [2_000, 1_000]


def test_ready_made_bins(shard, tmp_path):
    bins = {"a-1-1": np.array([-1, 2, 2, 0, 0], np.int8), "b-1-1": np.array([1], np.int8)}
    write_frame_store(tmp_path / "s.zarr", **shard, pitch=Pitch("bins", bins=bins))
    store = open_store(tmp_path / "s.zarr")
    assert store["pitch_bin"][:].tolist() == [-1, 2, 2, 0, 0, 1]
    assert store["pitch_bin"].dtype == np.int8
    assert store["pitch_offset"][:].tolist() == [0, 5, 6]
    assert "f0" not in store
    for others in ([-1] * 12, [-1] * 1):
        found = rf"a-1-1: expected about \d pitch bins, one for 20 ms, found {len(others)}; .* 50 a second"
        with pytest.raises(CorpusError, match=found):
            longer = Pitch("bins", bins=bins | {"a-1-1": np.array(others, np.int8)})
            write_frame_store(tmp_path / "s.zarr", **shard, pitch=longer)
    with pytest.raises(CorpusError, match=r"pitch bins .* b-1-1"):
        write_frame_store(tmp_path / "s.zarr", **shard, pitch=Pitch("bins", bins={"a-1-1": bins["a-1-1"]}))


def test_no_pitch_and_no_utterances(shard, tmp_path):
    shard["shard_list"] = shard["shard_list"].iloc[:0]
    write_frame_store(tmp_path / "s.zarr", **shard, pitch=Pitch("none"))
    store = open_store(tmp_path / "s.zarr")
    assert store["frame_offset"][:].tolist() == store["pitch_offset"][:].tolist() == [0]
    assert store["f0"].shape == store["label"].shape == (0,)


def test_tables_that_do_not_belong_together(shard, tmp_path, monkeypatch):
    monkeypatch.setattr("property_neurons.corpus.build_frames.estimate_f0", fake_f0)
    without_rows = {**shard, "utterances": shard["utterances"].iloc[:2]}
    without_segments = {**shard, "segments": shard["segments"].iloc[:2]}
    other_length = {**shard, "shard_list": shard["shard_list"].assign(n_samples=2_001)}
    for tables, found in [
        (without_rows, "a row in the table of utterances"),
        (without_segments, "segments"),
        (other_length, "2001 samples"),
    ]:
        with pytest.raises(CorpusError, match=found):
            write_frame_store(tmp_path / "s.zarr", **tables, pitch=Pitch("yaapt"))
    assert not (tmp_path / "s.zarr").exists()
