"""Forced alignments as TextGrids."""

import json

import numpy as np
import pytest
from praatio import textgrid

from property_neurons.corpus.alignments import UnusableAlignment, checked_alignment
from property_neurons.corpus.phones import LABEL_IDS
from property_neurons.corpus.textgrid import read_textgrid
from property_neurons.corpus.textgrid_source import TextGridSource
from property_neurons.errors import AlignmentError, CorpusError

SEGMENTS = [(0.0, 0.14, ""), (0.14, 0.29, "HH"), (0.29, 0.5, "AH0"), (0.5, 0.8004, "sp"), (0.8004, 1.2785, "spn")]


def long_form(segments, tier="phones", end=None, tier_class="IntervalTier"):
    end = segments[-1][1] if end is None else end
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", f"xmax = {end}"]
    lines += ["tiers? <exists>", "size = 1", "item []:", "    item [1]:", f'        class = "{tier_class}"']
    lines += [f'        name = "{tier}"', "        xmin = 0", f"        xmax = {end}"]
    lines += [f"        intervals: size = {len(segments)}"]
    for number, (start, stop, text) in enumerate(segments, start=1):
        lines += [f"        intervals [{number}]:", f"            xmin = {start}", f"            xmax = {stop}"]
        lines += [f'            text = "{text}"']
    return "\n".join(lines) + "\n"


def short_form(segments, tier="phones", end=None):
    end = segments[-1][1] if end is None else end
    header = f'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n{end}\n<exists>\n1\n'
    return header + tier_of(segments, tier, end)


def tier_of(segments, tier, end=None):
    rows = "".join(f'{start}\n{stop}\n"{text}"\n' for start, stop, text in segments)
    return f'"IntervalTier"\n"{tier}"\n0\n{segments[-1][1] if end is None else end}\n{len(segments)}\n{rows}'


def write(tmp_path, segments, **options):
    path = tmp_path / "a.TextGrid"
    path.write_text(long_form(segments, **options))
    return path


def troubles(path):
    with pytest.raises(AlignmentError) as caught:
        read_textgrid(path)
    return {trouble.code: trouble.detail for trouble in caught.value.troubles}


def test_reads_microseconds_and_labels(tmp_path):
    alignment = read_textgrid(write(tmp_path, SEGMENTS, end=1.3))
    assert alignment.starts.tolist() == [0, 140_000, 290_000, 500_000, 800_400]
    assert alignment.ends.tolist() == [140_000, 290_000, 500_000, 800_400, 1_278_500]
    assert [alignment.labels.dtype, alignment.starts.dtype] == [np.int8, np.int64]
    assert alignment.labels.tolist() == [LABEL_IDS[label] for label in ["SIL", "HH", "AH", "SIL", "SPN"]]
    assert alignment.end == 1_300_000
    assert alignment.n_labels == 65


def test_the_end_is_exact():
    """0.58 s is 29 cells, though 0.58 * 50 = 28.999... in floating point."""
    alignment = checked_alignment("x", np.array([0]), np.array([580_000]), ["AA1"], 580_000)
    assert alignment.n_labels == 29


@pytest.mark.parametrize("form", ["long_textgrid", "short_textgrid", "textgrid_json", "json"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_reads_every_form_that_praatio_writes(tmp_path, form, encoding):
    grid = textgrid.Textgrid()
    grid.addTier(textgrid.IntervalTier("words", [(0.14, 0.5, "huh")], 0, 1.2785))
    grid.addTier(textgrid.IntervalTier("phones", SEGMENTS, 0, 1.2785))
    path = tmp_path / "a.TextGrid"
    grid.save(str(path), format=form, includeBlankSpaces=True)
    path.write_bytes(path.read_text().encode(encoding))
    alignment = read_textgrid(path)
    expected = read_textgrid(write(tmp_path, SEGMENTS))
    for name in ["starts", "ends", "labels"]:
        np.testing.assert_array_equal(getattr(alignment, name), getattr(expected, name))
    assert alignment.end == 1_278_500


@pytest.mark.parametrize("form", ["long_textgrid", "short_textgrid"])
def test_a_file_cut_at_any_line_is_unreadable(tmp_path, form):
    grid = textgrid.Textgrid()
    grid.addTier(textgrid.IntervalTier("phones", SEGMENTS, 0, 1.2785))
    path = tmp_path / "a.TextGrid"
    grid.save(str(path), format=form, includeBlankSpaces=True)
    lines = path.read_text().splitlines(keepends=True)
    for length in range(len(lines)):
        path.write_text("".join(lines[:length]))
        assert list(troubles(path)) == ["unreadable_alignment"], length


def test_another_tier_name_lists_those_found(tmp_path):
    detail = troubles(write(tmp_path, SEGMENTS, tier="speaker - words"))["unreadable_alignment"]
    assert "'phones'" in detail
    assert "'speaker - words'" in detail


def test_a_tier_with_the_speaker_before_it_or_of_a_name_that_is_given(tmp_path):
    """As the Montreal Forced Aligner writes it for corpora of several speakers; as WebMAUS does."""
    assert len(read_textgrid(write(tmp_path, SEGMENTS, tier="anna - phones")).labels) == len(SEGMENTS)
    assert len(read_textgrid(write(tmp_path, SEGMENTS, tier="MAU"), tier="MAU").labels) == len(SEGMENTS)


def test_stress_is_kept(tmp_path):
    alignment = read_textgrid(write(tmp_path, [(0, 0.5, "HH"), (0.5, 1, "AY1")]))
    assert alignment.marks == ("", "1")
    assert read_textgrid(write(tmp_path, [(0, 1, "HH")])).marks == ()


def test_a_point_tier_is_no_alignment(tmp_path):
    path = tmp_path / "a.TextGrid"
    grid = textgrid.Textgrid()
    grid.addTier(textgrid.PointTier("phones", [(0.1, "AH"), (0.2, "T")], 0, 1))
    grid.save(str(path), format="long_textgrid", includeBlankSpaces=True)
    assert "TextTier" in troubles(path)["unreadable_alignment"]


def test_bytes_that_are_no_text_are_unreadable(tmp_path):
    path = tmp_path / "a.TextGrid"
    for content in [b"", b"\x00\xff\xfe\x01" * 30, b"[1, 2]", b"17", b'{"start": 0}', b"[" * 100_000]:
        path.write_bytes(content)
        assert list(troubles(path)) == ["unreadable_alignment"], content


def test_minus_signs_are_not_lost(tmp_path):
    path = write(tmp_path, [(-0.14, 0.29, "HH"), (0.29, 0.5, "AH0")])
    assert list(troubles(path)) == ["unreadable_alignment"]
    assert read_textgrid(write(tmp_path, [("-0", 0.29, "HH")], end=0.29)).starts.tolist() == [0]


def test_every_trouble_of_a_file_is_named(tmp_path):
    segments = [
        (0.0, 0.1, "AH"),
        (0.1, 0.1, "T"),
        (0.3, 0.2, "S"),
        (0.1, 0.4, "IY1"),
        (0.35, 0.5, "XX"),
        (0.5, 0.6, "QQ"),
    ]
    found = troubles(write(tmp_path, segments))
    assert set(found) == {"segment_not_positive", "segments_overlap", "unknown_phone"}
    assert "'T' 0.1-0.1 s" in found["segment_not_positive"]
    assert "'S' 0.3-0.2 s" in found["segment_not_positive"]
    assert "'IY1' 0.1-0.4 s, 'XX' 0.35-0.5 s" in found["segments_overlap"]
    assert "'QQ'" in found["unknown_phone"]
    assert "'XX'" in found["unknown_phone"]


def test_an_overlap_past_the_next_segment_is_found():
    arrays = (np.array([0, 10, 20, 30]) * 1000, np.array([35, 12, 25, 40]) * 1000)
    with pytest.raises(UnusableAlignment) as caught:
        checked_alignment("x", *arrays, ["AA", "AE", "AH", "AO"], 40_000)
    (trouble,) = caught.value.troubles
    assert trouble.code == "segments_overlap"
    assert "found 3 overlaps" in trouble.detail


def test_boundaries_that_differ_by_rounding_do_not_overlap(tmp_path):
    alignment = read_textgrid(write(tmp_path, [(0, 0.30000000000000004, "AA1"), (0.3, 0.4, "T")]))
    assert alignment.ends[0] == alignment.starts[1] == 300_000


@pytest.mark.parametrize("segments", [[], [(0, 1.0, "")], [(0, 0.5, "sil"), (0.5, 1.0, "sp")]])
def test_nothing_but_silence_is_empty(tmp_path, segments):
    assert list(troubles(write(tmp_path, segments, end=1.0))) == ["empty_alignment"]


def test_a_segment_after_the_end_moves_the_end(tmp_path):
    assert read_textgrid(write(tmp_path, SEGMENTS, end=0.5)).end == 1_278_500


def test_source_finds_files_anywhere_below_its_root(tmp_path):
    for name in ["1/2/1-2-0001.TextGrid", "3/4/3-4-0000.textgrid", "3/5/1-2-0003.TextGrid", "3/6/1-2-0003.TextGrid"]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(long_form(SEGMENTS))
    source = TextGridSource(tmp_path)
    assert source.utterances() == {"1-2-0001", "3-4-0000", "1-2-0003"}
    assert len(source.read("3-4-0000").labels) == len(SEGMENTS)
    with pytest.raises(UnusableAlignment, match="duplicate_utterance"):
        source.read("1-2-0003")


def test_source_without_files_is_an_error(tmp_path):
    with pytest.raises(CorpusError, match="expected TextGrid files"):
        TextGridSource(tmp_path)
    with pytest.raises(CorpusError, match="expected a folder"):
        TextGridSource(tmp_path / "absent")


def test_a_folder_of_the_montreal_forced_aligners_json(tmp_path):
    """As `mfa align --output_format json` writes it; other JSON files beside TextGrids are not alignments."""
    path = tmp_path / "1/1-2-0001.json"
    path.parent.mkdir()
    phones = [[0.0, 0.3, "HH"], [0.3, 0.31, "sp"], [0.31, 1.0, "AY1"]]
    tiers = {"words": {"type": "interval", "entries": [[0.0, 1.0, "hi"]]}, "phones": {"type": "interval"}}
    tiers["phones"]["entries"] = phones
    path.write_text(json.dumps({"start": 0, "end": 1.0, "tiers": tiers}))
    source = TextGridSource(tmp_path)
    assert source.utterances() == {"1-2-0001"}
    alignment = source.read("1-2-0001")
    assert alignment.labels.tolist() == [LABEL_IDS[label] for label in ["HH", "SIL", "AY"]]
    assert alignment.ends.tolist() == [300_000, 310_000, 1_000_000]
    (tmp_path / "2-2-0001.TextGrid").write_text(long_form(SEGMENTS))
    assert TextGridSource(tmp_path).utterances() == {"2-2-0001"}


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        ([0, 0.5, 3], "the label 3"),
        ([0, True, "AH"], "the time True"),
        ([0, "0.5", "AH"], "the time '0.5'"),
        ([0, None, "AH"], "the time None"),
        ([0, float("nan"), "AH"], "not finite"),
        ([0, 10**400, "AH"], "too large"),
        ([0, 0.5], "not enough values"),
    ],
)
def test_json_is_exact_or_refused(tmp_path, entry, found):
    path = tmp_path / "a.TextGrid"
    tier = {"class": "IntervalTier", "name": "phones", "xmin": 0, "xmax": 1, "entries": [entry, [0.5, 1, "T"]]}
    path.write_text(json.dumps({"xmin": 0, "xmax": 1, "tiers": [tier]}))
    assert found in troubles(path)["unreadable_alignment"]


def test_a_label_that_is_null_is_silence(tmp_path):
    path = tmp_path / "a.TextGrid"
    tier = {"class": "IntervalTier", "name": "phones", "xmin": 0, "xmax": 1, "entries": [[0, 0.5, None], [0.5, 1, "T"]]}
    path.write_text(json.dumps({"xmin": 0, "xmax": 1, "tiers": [tier]}))
    assert read_textgrid(path).labels.tolist() == [LABEL_IDS["SIL"], LABEL_IDS["T"]]


def test_a_key_that_stands_twice_is_refused(tmp_path):
    path = tmp_path / "a.TextGrid"
    tier = '{"type": "interval", "entries": [[0, 1, "T"]]}'
    path.write_text(f'{{"start": 0, "end": 1, "tiers": {{"phones": {tier}, "phones": {tier}}}}}')
    assert "'phones' 2 times" in troubles(path)["unreadable_alignment"]


@pytest.mark.parametrize("form", [long_form, short_form])
@pytest.mark.parametrize("zero", ["0", "-0", "0.0", "5.55e-17", "-5.55E-17", "0e0", ".0"])
def test_numbers_as_programs_write_them(tmp_path, form, zero):
    path = tmp_path / "a.TextGrid"
    path.write_text(form([(zero, "2.9e-1", "HH"), ("0.29", "5e-1", "AH0")], end="0.5"))
    alignment = read_textgrid(path)
    assert alignment.starts.tolist() == [0, 290_000]
    assert alignment.ends.tolist() == [290_000, 500_000]


def test_labels_hold_quotes_numbers_and_several_lines(tmp_path):
    """A tier of words before that of phones must not confuse the reader."""
    words = [(0, 1, 'say ""hi"" 12'), (1, 2, "two\n3.5\nxmin = 4"), (2, 3, "! no comment <exists>")]
    path = tmp_path / "a.TextGrid"
    text = short_form(words, tier="words").replace("<exists>\n1\n", "<exists>\n2\n", 1) + "! a comment 12\n"
    path.write_text(text + tier_of([(0, 3, "AH0")], "phones"))
    assert read_textgrid(path).labels.tolist() == [LABEL_IDS["AH"]]


def test_what_does_not_belong_names_its_line(tmp_path):
    path = tmp_path / "a.TextGrid"
    path.write_text(long_form(SEGMENTS).replace("xmax = 0.29", "xmax = 0.2.9"))
    assert "in line" in troubles(path)["unreadable_alignment"]
    path.write_text(long_form(SEGMENTS) + '        intervals [6]:\n            xmin = 1.3\n            text = "T"\n')
    assert "more than the file announces, from line 36" in troubles(path)["unreadable_alignment"]
    path.write_bytes(long_form([(0, 1, "caf\u00e9")]).encode("latin-1"))
    assert "line 18: expected text in UTF-8" in troubles(path)["unreadable_alignment"]


def test_decimal_commas_and_praats_binary_form_are_told(tmp_path):
    path = tmp_path / "a.TextGrid"
    for form in (long_form, short_form):
        path.write_text(form(SEGMENTS).replace("0.29", "0,29"))
        assert "a number with a comma, 0,29, in line" in troubles(path)["unreadable_alignment"]
        assert "write a point, 0.29" in troubles(path)["unreadable_alignment"]
    path.write_text(long_form([(0.0, 0.5, "AH 0,5 "), (0.5, 1.0, "sp")]))
    assert "unknown_phone" in troubles(path)
    path.write_bytes(b"ooBinaryFile\x08TextGrid" + bytes(40))
    assert "Save as text file" in troubles(path)["unreadable_alignment"]


def test_silence_of_no_length_is_dropped(tmp_path):
    """As aligners of the HTK family write it between words; a phone of no length stays an error."""
    alignment = read_textgrid(write(tmp_path, [(0, 0.2, "AH"), (0.2, 0.2, "sp"), (0.2, 0.5, "T"), (0.5, 0.5, "")]))
    assert alignment.labels.tolist() == [LABEL_IDS["AH"], LABEL_IDS["T"]]
    assert alignment.starts.tolist() == [0, 200_000]
    for label in ("T", "spn"):
        found = troubles(write(tmp_path, [(0, 0.2, "AH"), (0.2, 0.2, label)]))
        assert list(found) == ["segment_not_positive"]
    assert list(troubles(write(tmp_path, [(0, 0.2, "AH"), (0.2, 0.1, "sp")]))) == ["segment_not_positive"]
