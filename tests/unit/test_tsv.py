"""Tables of .tsv come back as they were written, and are plain text to everyone else."""

import csv
import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from property_neurons.corpus.shards import read_shard_list, write_shard_list
from property_neurons.errors import CorpusError, StoreError
from property_neurons.stores.files import read_table
from property_neurons.stores.tsv import from_tsv, to_tsv

NAMES = ["1", "TRUE", "01", "nan", "NaN", "", "NA", "None", "True", "1e5", "-0", "inf", "1_000", "null", "é", "\x1b[2J"]
BLANKS = [
    "a\rb",
    "a\tb",
    "a\nb",
    "a\r\nb",
    "\n",
    "\r",
    " a",
    "a ",
    " ",
    '"',
    '"a"',
    'a"b',
    '""',
    "\u00a0a",
    "\x85",
    "\u2028",
]


def back(table, columns=None):
    return from_tsv(to_tsv(table), columns)


@pytest.mark.parametrize("name", NAMES + BLANKS)
def test_text_stays_text(name):
    for cells in ([name], [name, "a"], [name, None], [name, "1"], [name, "True"]):
        for table in (pd.DataFrame({"group": cells}), pd.DataFrame({"n": range(len(cells)), "group": cells})):
            pd.testing.assert_frame_equal(back(table), table)
    pd.testing.assert_frame_equal(back(pd.DataFrame({name: [1], "b": [2]})), pd.DataFrame({name: [1], "b": [2]}))


@given(st.lists(st.tuples(st.none() | st.text(), st.integers(-(2**63), 2**63 - 1), st.booleans()), min_size=1))
@settings(max_examples=30, deadline=None)
def test_any_text_comes_back(rows):
    table = pd.DataFrame(rows, columns=["group", "n", "exclusive"])
    found = back(table)
    if table["group"].isna().all():
        # A column without any value has no type.
        table = table.astype({"group": "float64"})
    pd.testing.assert_frame_equal(found, table.astype({"group": found["group"].dtype}))


def test_numbers_truth_values_and_missing_ones_stay_what_they_are():
    table = pd.DataFrame(
        {
            "whole": [1, -2, 2**62],
            "share": [0.1, 1 / 3, np.nan],
            "wide": [np.inf, -np.inf, 1e-300],
            "single": np.array([0.25, 1.5, np.nan], np.float32),
            "negative": [-0.0, 1.0, 2.5],
            "exclusive": [True, False, True],
            "known": [True, None, False],
            "none": [np.nan, np.nan, np.nan],
            "speaker": ["84", None, "007"],
            "subset": pd.Categorical(["1", "2", "1"]),
            "nullable": pd.array([1, None, 3], dtype="Int64"),
        }
    )
    found = back(table)
    same = ["whole", "wide", "exclusive", "none", "speaker"]
    pd.testing.assert_frame_equal(found[same], table[same])
    np.testing.assert_allclose(found["share"], table["share"], rtol=1e-9)
    assert found["single"].tolist()[:2] == [0.25, 1.5]
    assert np.signbit(found["negative"][0])
    assert found["known"].tolist()[::2] == [True, False]
    assert found["known"].isna().tolist() == found["speaker"].isna().tolist() == [False, True, False]
    assert found["subset"].tolist() == ["1", "2", "1"]
    assert found["nullable"].tolist()[::2] == [1.0, 3.0]


def test_what_everyone_else_reads():
    table = pd.DataFrame(
        {"layer": [1, 2], "group": ["vowel", "a\tb"], "speaker": ["84", "007"], "share": [0.5, np.nan]}
    )
    text = to_tsv(table)
    assert text == 'layer\tgroup\tspeaker\tshare\n1\tvowel\t"84"\t0.5\n2\t"a\tb"\t"007"\tnan\n'
    assert list(csv.reader(io.StringIO(text), delimiter="\t"))[2] == ["2", "a\tb", "007", "nan"]
    found = pd.read_csv(io.StringIO(text), sep="\t", dtype={"speaker": str})
    pd.testing.assert_frame_equal(found, table)


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_tables_that_others_wrote_are_read(tmp_path, line_end):
    """As pandas, R or a spreadsheet saves it, with a byte order mark, and empty lines at the end."""
    lines = ["layer\tgroup\tneuron\tshare\town", '1\t"F"\t+3\t.5\tTRUE', "2\tM\t4\t1E-2\tFALSE", ""]
    (tmp_path / "t.tsv").write_text("\ufeff" + line_end.join([*lines, ""]), encoding="utf-8", newline="")
    expected = pd.DataFrame(
        {"layer": [1, 2], "group": ["F", "M"], "neuron": [3, 4], "share": [0.5, 0.01], "own": [True, False]}
    )
    pd.testing.assert_frame_equal(read_table(tmp_path / "t.tsv"), expected)
    pd.testing.assert_frame_equal(read_table(tmp_path / "t.tsv", ["share", "layer"]), expected[["share", "layer"]])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a\tb\n1\t2\n3\n", "found line 3: 1 cells below 2 column names"),
        ('a\tb\n1\t"x\n3\t4\n', "found line 2: a quotation mark without its second one"),
        ("a\tb\n1\t", "found a last line that is cut off"),
        ("", "found nothing in it"),
        ("a\ta\n1\t2\n", "found the columns a, a, where each once is expected"),
        ("b\n1\n", "found the columns b, where a is expected"),
    ],
)
def test_what_is_no_table_is_refused_with_its_line(tmp_path, text, found):
    (tmp_path / "t.tsv").write_text(text)
    with pytest.raises(StoreError, match=rf"t\.tsv: expected a readable table, {found}.*delete the file and run again"):
        read_table(tmp_path / "t.tsv", ["a"])


def test_a_table_without_rows_keeps_its_columns():
    assert back(pd.DataFrame({"a": [], "b": []})).columns.tolist() == ["a", "b"]


def test_a_shard_list_gives_ids_and_digests_as_text(tmp_path):
    rows = {"shard": "a-000", "utterance": ["01", "2"], "audio": ["01", "2"], "n_samples": [320, 640]}
    table = pd.DataFrame(rows | {"audio_digest": ["1234567812345678", "12e4567812345678"]})
    write_shard_list(tmp_path / "s.tsv", table, "a-000")
    pd.testing.assert_frame_equal(read_shard_list(tmp_path / "s.tsv"), table.drop(columns="shard"))
    write_shard_list(tmp_path / "s.tsv", table, "a-001")
    assert read_shard_list(tmp_path / "s.tsv")["n_samples"].sum() == 0
    (tmp_path / "s.tsv").write_text("utterance\tn_samples\n")
    with pytest.raises(CorpusError, match="expected the columns utterance, audio, n_samples, audio_digest"):
        read_shard_list(tmp_path / "s.tsv")
