"""Tables open in a spreadsheet without running anything, and read back as they were written."""

import csv

import pandas as pd
import pytest

from property_neurons.corpus.shards import read_shard_list, write_shard_list
from property_neurons.stores.files import read_table, write_table

FORMULAS = [
    "=1+1",
    '=HYPERLINK("http://x","y")',
    "@SUM(1)",
    "+1+cmd|' /C calc'!A0",
    "-2+cmd|' /C calc'!A0",
    " =1+1",
    "'=1+1",
    "''@x",
]
TEXT = ["a", "-", "+", "-voiced", "-0.3 to 0.2", "-1.2 (0.1)", "it's", "'", "'quoted'", "=", "a=b", "-1e5", "+3"]


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "names.tsv"

    def write(cells):
        table = pd.DataFrame({"speaker": cells, "n": range(len(cells))})
        write_table(path, table)
        pd.testing.assert_frame_equal(read_table(path), table, check_dtype=False)
        with path.open(encoding="utf-8", newline="") as stream:
            return [row[0] for row in csv.reader(stream, delimiter="\t")][1:]

    return write


def test_a_formula_is_written_as_text_and_read_as_it_was(written):
    assert written(FORMULAS) == [f"'{cell}" for cell in FORMULAS]


def test_numbers_and_other_names_stay_as_they_are(written):
    assert written(TEXT) == TEXT


def test_a_column_name_is_no_formula_either(tmp_path):
    table = pd.DataFrame({"layer": [1], "=1+1": [-2.5]})
    write_table(tmp_path / "t.tsv", table)
    assert (tmp_path / "t.tsv").read_text() == "layer\t'=1+1\n1\t-2.5\n"
    pd.testing.assert_frame_equal(read_table(tmp_path / "t.tsv"), table)


def test_a_shard_list_names_the_files_as_they_are(tmp_path):
    row = {"shard": "a-000", "utterance": "=1+1", "audio": "@x/=1+1.flac", "n_samples": 320, "audio_digest": "aa"}
    write_shard_list(tmp_path / "shard.tsv", pd.DataFrame([row]), "a-000")
    assert "'@x" in (tmp_path / "shard.tsv").read_text()
    assert read_shard_list(tmp_path / "shard.tsv").to_dict("records") == [{k: row[k] for k in list(row)[1:]}]
