"""Shards depend on the utterance alone, and their tables come back as they were."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from property_neurons.corpus.shard_names import shard_names, subset_of
from property_neurons.corpus.shards import read_segments, read_shard_list, shard_of, write_segments, write_shard_list
from property_neurons.errors import CorpusError


def test_shard_of_an_utterance_is_fixed():
    # A change here would send every utterance of every corpus to another shard.
    assert [shard_of(utterance, "dev-clean", 8) for utterance in ["84-121123-0000", "1272-128104-0000"]] == [
        f"dev-clean-{crc % 8:03d}" for crc in (0x54390EE2, 0x822004A3)
    ]
    assert {shard_of(f"1-1-{index}", "s", 3) for index in range(100)} == set(shard_names("s", 3))
    assert {subset_of(shard) for shard in shard_names("dev-clean", 1001)} == {"dev-clean"}


def test_shard_list(tmp_path):
    utterances = pd.DataFrame(
        {
            "utterance": ["2", "007", "3"],
            "audio": ["2.flac", "007.flac", "3.flac"],
            "n_samples": [400, 500, 600],
            "audio_digest": ["1" * 31 + "e", "0" * 32, "f" * 32],
            "gender": "F",
            "shard": ["s-000", "s-000", "s-001"],
        }
    )
    write_shard_list(tmp_path / "s.tsv", utterances, "s-000")
    table = read_shard_list(tmp_path / "s.tsv")
    assert table.values.tolist() == [["007", "007.flac", 500, "0" * 32], ["2", "2.flac", 400, "1" * 31 + "e"]]
    write_shard_list(tmp_path / "empty.tsv", utterances, "s-002")
    assert len(read_shard_list(tmp_path / "empty.tsv")) == 0
    (tmp_path / "other.tsv").write_text("a\tb\n")
    for name in ["other.tsv", "absent.tsv"]:
        with pytest.raises(CorpusError, match=name):
            read_shard_list(tmp_path / name)


def test_segments_have_a_row_group_for_each_shard(tmp_path):
    segments = pd.DataFrame(
        {
            "shard": ["s-000", "s-002", "s-002"],
            "utterance": ["a", "b", "b"],
            "start_us": [0, 0, 20_000],
            "end_us": [10, 20_000, 30_000],
            "label": np.array([1, 2, 3], np.int8),
            "mark": ["", "1", ""],
        }
    )
    path = tmp_path / "segments.parquet"
    write_segments(path, segments, shard_names("s", 3))
    groups = pq.ParquetFile(path).metadata
    assert [groups.row_group(index).num_rows for index in range(groups.num_row_groups)] == [1, 0, 2]
    rows = read_segments(path, "s-002")
    assert rows.values.tolist() == segments.iloc[1:].values.tolist()
    assert (rows["label"].dtype, rows["start_us"].dtype) == (np.int8, np.int64)
    assert len(read_segments(path, "s-001")) == 0
    first = path.read_bytes()
    write_segments(path, segments, shard_names("s", 3))
    assert path.read_bytes() == first
    with pytest.raises(CorpusError, match=r"absent\.parquet"):
        read_segments(tmp_path / "absent.parquet", "s-000")
