"""References of phone recognition against a plain loop and hand-made values."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from property_neurons.corpus.phones import LABEL_IDS, PHONES
from property_neurons.errors import StoreError, TaskError
from property_neurons.tasks.units import (
    PHONE_UNITS,
    aligned_units,
    lexicon_units,
    pronounced_units,
    read_lexicon,
)

COLUMNS = ["utterance", "start_us", "end_us", "label"]


def segment_table(rows):
    """A table of (utterance, start ms, end ms, label name)."""
    rows = [(utterance, 1000 * start, 1000 * end, LABEL_IDS[label]) for utterance, start, end, label in rows]
    return pd.DataFrame(rows, columns=COLUMNS).astype({"utterance": "str", "label": "int8"})


def named(units):
    return {utterance: [PHONE_UNITS[unit] for unit in sequence] for utterance, sequence in units.items()}


def loop_units(segments):
    """The units of one utterance's (start, end, label name), in ms."""
    units, before = [], None
    for start, end, label in sorted(segments):
        if before is not None and start - before > 20 and units[-1] != "SIL":
            units.append("SIL")
        unit = "SIL" if label == "SPN" else label
        if unit != "SIL" or not units or units[-1] != "SIL":
            units.append(unit)
        before = end
    return units


@st.composite
def alignments(draw):
    """Segments of several utterances, gaps around 20 ms among them: {utterance: [(start, end, label name)]}."""
    corpus = {}
    for number in range(draw(st.integers(1, 4))):
        time, segments = draw(st.sampled_from([0, 50])), []
        for label in draw(st.lists(st.sampled_from(["AH", "T", "ZH", "SIL", "SPN"]), min_size=1, max_size=8)):
            time += draw(st.sampled_from([0, 0, 10, 20, 21, 80]))
            end = time + draw(st.integers(1, 90))
            segments.append((time, end, label))
            time = end
        corpus[f"u{number}"] = segments
    return corpus


def test_units_are_the_phones_and_silence():
    assert list(PHONE_UNITS) == [*PHONES, "SIL"]
    assert [LABEL_IDS[unit] for unit in PHONE_UNITS] == list(range(40))


@given(alignments(), st.randoms())
@settings(max_examples=150, deadline=None)
def test_aligned_units_equal_a_plain_loop(corpus, random):
    rows = [(utterance, *segment) for utterance, segments in corpus.items() for segment in segments]
    random.shuffle(rows)
    wanted = sorted(corpus, reverse=True)
    units = aligned_units(segment_table(rows), wanted)
    assert list(units) == wanted
    assert named(units) == {utterance: loop_units(segments) for utterance, segments in corpus.items()}
    assert {sequence.dtype for sequence in units.values()} == {np.dtype(np.int16)}


def test_silences_are_one_and_equal_phones_stay_two():
    rows = [
        ("a", 0, 100, "SPN"),
        ("a", 100, 200, "SIL"),
        ("a", 200, 300, "T"),
        ("a", 300, 350, "T"),
        ("a", 370, 400, "AH"),
        ("a", 421, 430, "AH"),
        ("a", 500, 600, "SIL"),
        ("b", 30, 60, "SIL"),
        ("c", 90, 99, "SIL"),
        ("c", 99, 120, "OY"),
    ]
    units = aligned_units(segment_table(rows), ["c", "a"])
    assert named(units) == {"c": ["SIL", "OY"], "a": ["SIL", "T", "T", "AH", "SIL", "AH", "SIL"]}


def test_utterances_without_segments_are_named():
    table = segment_table([("a", 0, 9, "T")])
    with pytest.raises(TaskError, match="found none of b, c;"):
        aligned_units(table, ["c", "a", "b"])
    assert aligned_units(table, []) == {}


def lexicon_file(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "lexicon.txt"
    path.write_bytes(text.encode(encoding))
    return path


def test_a_lexicon_keeps_the_first_pronunciation(tmp_path):
    text = (
        ";;; a comment\n\n"
        "WORD  W ER1 D\n"
        "WORD(2)\tW ER0 D\n"
        "read R EH1 D # past\n"
        "READ R IY1 D\n"
        "'TIS(1)  T IH1 Z\r\n"
        "  # nothing\n"
        "DÉJÀ  D EY2 ZH AA\n"
        "(PAREN  P ER0 EH1 N"
    )
    assert read_lexicon(lexicon_file(tmp_path, text)) == {
        "WORD": ("W", "ER1", "D"),
        "READ": ("R", "EH1", "D"),
        "'TIS": ("T", "IH1", "Z"),
        "DÉJÀ": ("D", "EY2", "ZH", "AA"),
        "(PAREN": ("P", "ER0", "EH1", "N"),
    }


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("WORD", r"line 2 \(WORD with no phones\)"),
        ("WORD  W ER3 D", r"line 2 \(WORD with ER3\)"),
        ("WORD  W1 ER1 D", r"line 2 \(WORD with W1\)"),
        ("WORD  w ER1 Q", r"line 2 \(WORD with w, Q\)"),
        ("<UNK>  SPN", r"line 2 \(<UNK> with SPN\)"),
        ("X  SIL\nY", r"line 2 \(X with SIL\), line 3 \(Y with no phones\)"),
    ],
)
def test_lines_of_another_form_are_named(tmp_path, line, problem):
    with pytest.raises(TaskError, match=problem):
        read_lexicon(lexicon_file(tmp_path, f"A  AH0\n{line}\nB  B IY1\n"))


def test_files_that_are_no_lexicon_are_refused(tmp_path):
    with pytest.raises(TaskError, match="no file"):
        read_lexicon(tmp_path / "absent.txt")
    with pytest.raises(StoreError, match="line 2"):
        read_lexicon(lexicon_file(tmp_path, "A  AH0\nDÉJÀ  D EY2 ZH AA2\n", "latin-1"))
    with pytest.raises(TaskError, match="found none"):
        read_lexicon(lexicon_file(tmp_path, ";;; only this\n"))


LEXICON = {"A": ("AH0",), "CAT": ("K", "AE1", "T"), "SAT": ("S", "AE1", "T")}


def test_units_of_a_lexicon_are_its_phones_sorted():
    assert lexicon_units(LEXICON) == ("AE1", "AH0", "K", "S", "T")


def test_pronounced_units():
    units = lexicon_units(LEXICON)
    transcripts = {"u": "A CAT sat", "v": "CAT DOG A EMU DOG", "w": "", "x": "  ", "y": "A  A"}
    sequences, left_out = pronounced_units(transcripts, LEXICON, units)
    assert {utterance: [units[unit] for unit in sequence] for utterance, sequence in sequences.items()} == {
        "u": ["AH0", "K", "AE1", "T", "S", "AE1", "T"],
        "y": ["AH0", "AH0"],
    }
    assert {sequence.dtype for sequence in sequences.values()} == {np.dtype(np.int16)}
    assert left_out == {"v": ["DOG", "EMU"], "w": [], "x": []}


def test_phones_that_are_no_units_are_refused():
    with pytest.raises(TaskError, match=r"utterance u: .* found K in CAT;"):
        pronounced_units({"u": "A CAT"}, LEXICON, ("AE1", "AH0", "T"))
