"""A table of the user's: what it lists, what reaches the corpus's own table, and every way in which it is wrong."""

import numpy as np
import pandas as pd
import pytest
import soundfile

from property_neurons.corpus.build_frames import write_frame_store
from property_neurons.corpus.codes import CODES
from property_neurons.corpus.frame_store import open_frames
from property_neurons.corpus.frame_values import FrameFiles, open_frame_files
from property_neurons.corpus.own_tables import read_own_table
from property_neurons.corpus.pitch_source import Pitch
from property_neurons.corpus.scan import scan_subset
from property_neurons.corpus.scanned_cells import has_genders, scanned_digest
from property_neurons.corpus.shards import SHARD_COLUMNS
from property_neurons.corpus.sources import open_subset
from property_neurons.corpus.utterance_columns import UTTERANCE_TYPES
from property_neurons.errors import CorpusError, StoreError
from tests.unit.own_columns import with_own_columns

GRID = (
    'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n1\n<exists>\n1\n'
    '"IntervalTier"\n"phones"\n0\n1\n1\n0\n1\n"AA"'
)
HEADER = "utterance,audio,speaker,gender,alignment,transcript,accent,age,session"
ROWS = (
    "a1,wav/a1.wav,anna,F,grid/a1.TextGrid,GOOD DAY,Welsh,34,007",
    'b1,wav/b1.wav,bo,male,grid/b1.TextGrid,"WELL, WELL",,28.5,008',
    "b2,wav/b2.wav,bo,m,grid/b2.TextGrid,,NA,,008",
)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "wav").mkdir()
    (tmp_path / "grid").mkdir()
    for seed, name in enumerate(("a1", "b1", "b2", "c1")):
        samples = np.random.default_rng(seed).uniform(-0.3, 0.3, 16_000)
        soundfile.write(tmp_path / f"wav/{name}.wav", samples, 16_000)
        (tmp_path / f"grid/{name}.TextGrid").write_text(GRID)
    return tmp_path


def scan(folder, *rows, header=HEADER, name="table.csv", **settings):
    """The scan of a table with the columns of it; without rows, of one that is there."""
    if rows:
        (folder / name).write_text("\n".join([header, *rows]), encoding="utf-8")
    source = {"root": str(folder), "table": str(folder / name), "columns": {}, "speakers": None, "alignments": None}
    source |= {"per_speaker": ["gender", "accent"], "phones": {}} | settings
    listing, alignments = open_subset("table", "table", source)
    scanned = scan_subset("own", "table", listing, alignments=alignments, n_shards=1)
    columns = {name: source[name] for name in ("table", "columns", "speakers", "per_speaker")}
    return with_own_columns(scanned, **columns)


def codes(found):
    return sorted(zip(found.report["utterance"], found.report["code"], strict=True))


def test_the_users_own_columns_reach_the_table_of_utterances_with_their_types(folder):
    found = scan(folder, *ROWS)
    assert found.report.empty
    table = found.utterances
    assert table["utterance"].tolist() == ["a1", "b1", "b2"]
    assert table["audio"].tolist() == ["wav/a1.wav", "wav/b1.wav", "wav/b2.wav"]
    assert table["gender"].tolist() == ["F", "M", "M"]
    assert table["transcript"].tolist() == ["GOOD DAY", "WELL, WELL", ""]
    assert table["n_labels"].tolist() == [50, 50, 50]
    assert table["age"].dtype == np.float64
    np.testing.assert_array_equal(table["age"], [34, 28.5, np.nan])
    assert table["accent"].isna().tolist() == [False, True, True]
    assert table["accent"][0] == "Welsh"
    assert table["session"].tolist() == ["007", "008", "008"]
    assert len(found.segments) == 3


def test_whole_numbers_that_a_float_would_round_are_names(folder):
    ids = ("9007199254740992", "9007199254740993", "9007199254740992")
    rows = [f"{row.rpartition(',')[0]},{one}" for row, one in zip(ROWS, ids, strict=True)]
    assert scan(folder, *rows).utterances["session"].tolist() == list(ids)
    assert scan(folder, *[row.replace("9007199254740993", "12") for row in rows]).utterances["session"].dtype == float


def test_columns_are_read_beside_the_frame_store(folder):
    found = scan(folder, *ROWS)
    shard_list = found.utterances[list(SHARD_COLUMNS)]
    write_frame_store(
        folder / "s.zarr",
        shard_list=shard_list,
        segments=found.segments,
        utterances=found.utterances[list(UTTERANCE_TYPES)],
        root=folder,
        pitch=Pitch("none"),
    )
    assert "age" not in open_frames(folder / "s.zarr").columns
    own = found.utterances.set_index("utterance")[["subset", "age", "accent"]]
    columns = open_frame_files(FrameFiles(folder / "s.zarr", columns=own)).columns
    assert columns["age"] == (34.0, 28.5, None)
    assert columns["accent"] == ("Welsh", None, None)
    assert columns["speaker"] == ("anna", "bo", "bo")
    assert columns["subset"] == ("table",) * 3


@pytest.mark.parametrize("form", ["csv", "semicolons", "tsv", "parquet", "index", "bytes", "mark"])
def test_forms_of_one_table(folder, form):
    expected = scan(folder, *ROWS).utterances
    if form in ("parquet", "index", "bytes"):
        table = pd.read_csv(folder / "table.csv", dtype={"session": "str"}).rename(columns=str)
        if form == "index":
            table = table.set_index("utterance")
        if form == "bytes":
            table["speaker"] = table["speaker"].str.encode("utf-8")
        table.to_parquet(folder / "table.parquet")
        found = scan(folder, name="table.parquet")
    else:
        separator = {"csv": ",", "semicolons": ";", "tsv": "\t", "mark": ","}[form]
        table = pd.read_csv(folder / "table.csv", dtype="str", keep_default_na=False)
        text = table.to_csv(sep=separator, index=False, lineterminator="\r\n" if form == "mark" else "\n")
        (folder / "table.tsv").write_bytes((b"\xef\xbb\xbf" if form == "mark" else b"") + text.encode())
        found = scan(folder, name="table.tsv")
    pd.testing.assert_frame_equal(found.utterances, expected)


def test_columns_of_other_names_and_ids_from_the_audio(folder):
    rows = ["a1.wav,id7,male_masculine", "b1.wav,id8,non-binary"]
    found = scan(
        folder,
        *rows,
        header="path,client_id,gender",
        root=str(folder / "wav"),
        columns={"audio": "path", "speaker": "client_id"},
        alignments={"kind": "textgrid", "path": str(folder / "grid")},
    )
    assert found.report.empty
    assert found.utterances[["utterance", "speaker", "gender"]].values.tolist() == [
        ["a1", "id7", "M"],
        ["b1", "id8", "non-binary"],
    ]


def test_without_alignments_an_utterance_is_one_segment_and_gender_may_be_absent(folder):
    found = scan(folder, "wav/a1.wav,anna", header="audio,speaker")
    assert found.report.empty
    assert found.utterances[["gender", "n_labels"]].values.tolist() == [["", 50]]
    assert found.segments[["start_us", "end_us"]].values.tolist() == [[0, 1_000_000]]


def test_a_table_of_speakers_adds_its_columns(folder):
    (folder / "speakers.tsv").write_text("speaker\tgender\theight\nbo\tM\t180\nanna\tF\t\n")
    found = scan(folder, "wav/a1.wav,anna", "wav/b1.wav,bo", header="audio,speaker", speakers=folder / "speakers.tsv")
    assert found.utterances["gender"].tolist() == ["F", "M"]
    np.testing.assert_array_equal(found.utterances["height"], [np.nan, 180])


def test_every_trouble_of_a_row_is_reported(folder):
    rows = [
        *ROWS,
        "c1,wav/c1.wav,cy,F,,,Welsh,,",
        "c2,wav/gone.wav,cy,F,grid/c1.TextGrid,,Irish,,",
        "c3,wav/c1.wav,,F,grid/gone.TextGrid,,,,",
        "c4,,di,F,grid/c1.TextGrid,,,,",
        ",wav/c1.wav,di,F,grid/c1.TextGrid,,,,",
        "b2,wav/b2.wav,bo,M,grid/b2.TextGrid,,,,",
        "d1,wav/d\x1b.wav,di,F,grid/c1.TextGrid,,,,",
        "e1,./wav/a1.wav,eve,F,grid/c1.TextGrid,,,,",
    ]
    found = scan(folder, *rows)
    assert codes(found) == [
        ("", "missing_value"),
        ("a1", "duplicate_utterance"),
        ("b2", "duplicate_utterance"),
        ("c1", "contradiction"),
        ("c1", "duplicate_utterance"),
        ("c1", "missing_alignment"),
        ("c2", "contradiction"),
        ("c2", "missing_audio"),
        ("c3", "duplicate_utterance"),
        ("c3", "missing_alignment"),
        ("c3", "missing_value"),
        ("c4", "missing_value"),
        ("d1", "unusable_name"),
        ("e1", "duplicate_utterance"),
    ]
    assert set(found.report["code"]) <= set(CODES)
    assert found.utterances["utterance"].tolist() == ["b1"]
    details = found.report.set_index(["utterance", "code"])["detail"]
    assert not [detail for detail in details if not ("expected" in detail and "; " in detail)]
    assert "found accent: 'Irish' in 1 row, 'Welsh' in 1 row; correct the table" in details["c1", "contradiction"]
    assert "found lines 4, 10;" in details["b2", "duplicate_utterance"]
    assert "grid/gone.TextGrid, found no file" in details["c3", "missing_alignment"]


def test_a_speaker_of_two_genders_loses_all_utterances(folder):
    found = scan(folder, *ROWS[:2], ROWS[2].replace(",m,", ",F,"))
    assert found.utterances["utterance"].tolist() == ["a1"]
    assert codes(found) == [("b1", "contradiction"), ("b2", "contradiction")]
    # What may change within a speaker is named in no rule.
    assert scan(folder, *ROWS[:2], ROWS[2].replace(",m,", ",F,"), per_speaker=[]).report.empty


@pytest.mark.parametrize(
    ("header", "rows", "settings", "said"),
    [
        ("audio,talker", ["wav/a1.wav,x"], {}, "'speaker' (the speaker), found audio, talker; rename them"),
        ("audio,speaker", ["a,b"], {"columns": {"gender": "sex"}}, "'sex' (the gender), found audio, speaker"),
        ("audio,speaker,sex,gender", ["a,b,F,F"], {"columns": {"gender": "sex"}}, "one column for the gender"),
        ("audio,speaker,age", ["wav/a1.wav,x,3", "wav/b1.wav,x,inf"], {}, "found inf in column 'age', line 3; correct"),
        ("audio,speaker,age", ["wav/a1.wav,x,1e999"], {}, "expected finite numbers, found 1e999"),
        ("audio,speaker,shard", ["wav/a1.wav,x,1"], {}, "names than the workflow's own, found shard; rename"),
        ("audio,speaker,audio", ["a,b,c"], {}, "each column name once, found audio"),
        ("audio,speaker", ["a,b,c", "a,b"], {}, "expected 2 cells in each line, as in the first, found another"),
        ("audio,speaker", [""], {}, "expected at least one row, found column names alone"),
        ("audio,speaker", ["wav/a1.wav,x"], {"speakers": "who.csv"}, "who.csv: expected a row for each speaker, found"),
        (
            "audio,speaker,height",
            ["wav/a1.wav,bo,1"],
            {"speakers": "who.csv"},
            "column in one table, found height",
        ),
        ("audio,speaker", ["wav/a1.wav,bo"], {"speakers": "two.csv"}, "one row for each speaker, found several for bo"),
        ("audio,speaker", ["wav/a1.wav,bo"], {"speakers": "gone.csv"}, "gone.csv: expected a table, found no file"),
    ],
)
def test_tables_that_are_none_have_a_sentence_each(folder, header, rows, settings, said):
    (folder / "who.csv").write_text("speaker,height\nbo,180\n")
    (folder / "two.csv").write_text("speaker,height\nbo,180\nbo,170\n")
    if "speakers" in settings:
        settings = {"speakers": folder / settings["speakers"]}
    with pytest.raises(CorpusError) as error:
        scan(folder, *rows, header=header, **settings)
    assert said in str(error.value)


def digest(folder, *rows, header=HEADER, speakers=None):
    (folder / "table.csv").write_text("\n".join([header, *rows]), encoding="utf-8")
    return scanned_digest(table=folder / "table.csv", manifest=None, columns={}, speakers=speakers)


def test_what_the_scan_does_not_read_is_not_in_its_digest(folder):
    before = digest(folder, *ROWS)
    own = [row.replace("Welsh", "Scots").replace("008", "inf") for row in ROWS]
    assert digest(folder, *own) == before
    assert digest(folder, *(f"{row},x" for row in ROWS), header=f"{HEADER},mood") == before
    changes = [
        ("a1,", "a2,"),
        ("wav/a1", "wav/c1"),
        ("anna", "anne"),
        (",F,", ",M,"),
        ("grid/a1", "grid/c1"),
        ("GOOD", "A"),
    ]
    others = {digest(folder, ROWS[0].replace(*change, 1), *ROWS[1:]) for change in changes}
    assert len(others) == len(changes) and before not in others
    # Of speakers it reads the genders.
    who = folder / "who.csv"
    found = []
    for text in ("speaker,gender,age\nbo,M,3\n", "speaker,gender,age,mood\nbo,M,4,glad\n", "speaker,gender\nbo,F\n"):
        who.write_text(text)
        assert has_genders(who)
        found.append(digest(folder, "wav/b1.wav,bo", header="audio,speaker", speakers=who))
    assert found[0] == found[1] != found[2]
    who.write_text("speaker,age\nbo,3\n")
    assert not has_genders(who)
    assert scanned_digest(table=folder / "gone.csv", manifest=None, columns={}, speakers=None) is None


def test_a_quotation_mark_that_is_not_closed_is_a_letter(folder):
    """As in sentences of Common Voice: a reader of quoted cells would run on to the next mark, lines later."""
    rows = [
        'a.mp3\t"Well, he said.\tWelsh',
        'b.mp3\t"Quoted"\t',
        'c.mp3\tShe said "no".\t""',
        'd.mp3\t"He said ""no"" twice."\tx',
        'e.mp3\t"He" and "she"\tx',
    ]
    (folder / "cv.tsv").write_text("\n".join(["path\tsentence\taccent", *rows]))
    table = read_own_table(folder / "cv.tsv")
    assert table["sentence"].tolist() == [
        '"Well, he said.',
        "Quoted",
        'She said "no".',
        'He said "no" twice.',
        '"He" and "she"',
    ]
    assert table["accent"].tolist() == ["Welsh", "", "", "x", "x"]
    # Cells that hold separators or line ends are in quotation marks.
    (folder / "cv.tsv").write_text('path\tsentence\na.mp3\t"one\ttwo\nthree"\n')
    assert read_own_table(folder / "cv.tsv")["sentence"].tolist() == ["one\ttwo\nthree"]


@pytest.mark.parametrize("cell", ['"hello', '"he" said'])
def test_a_quotation_mark_of_a_csv_that_is_not_closed_takes_in_no_other_line(folder, cell):
    rows = [f"u{n},{n}.wav,{cell if n == 3 else 'text'}\n" for n in range(8)]
    (folder / "q.csv").write_text("utterance,audio,transcript\n" + "".join(rows))
    with pytest.raises(CorpusError, match=r"q\.csv, line 5: expected quotation marks around whole cells"):
        read_own_table(folder / "q.csv")
    (folder / "q.csv").write_text('a,b\n1,"' + "x" * 200_000 + '"\n')
    assert len(read_own_table(folder / "q.csv")["b"][2]) == 200_000
    (folder / "q.tsv").write_text('a\tb\tc\n"Yes," he said\tx\ty\nfoo\tq\n')
    with pytest.raises(CorpusError, match="expected 3 cells in each line, as in the first, found another number in li"):
        read_own_table(folder / "q.tsv")


def test_what_stands_for_a_missing_value(folder):
    (folder / "m.tsv").write_text(
        "noise\n" + "\n".join(["none", "null", "NA", "n/a", "nan", "babble", "#N/A", "<NA>"]) + "\n"
    )
    assert read_own_table(folder / "m.tsv")["noise"].tolist() == ["none", "null", "", "", "", "babble", "", ""]
    assert read_own_table(folder / "m.tsv", as_written=["noise"])["noise"].tolist()[2:5] == ["NA", "n/a", "nan"]


def test_a_date_that_is_missing_in_a_parquet_is_no_value(folder):
    dates = pd.DataFrame({"day": pd.to_datetime(["2026-11-30", None]), "many": [[1, 2], None]})
    dates.to_parquet(folder / "d.parquet")
    assert read_own_table(folder / "d.parquet")["day"].tolist() == ["2026-11-30 00:00:00", ""]


def test_a_cell_of_several_lines_is_one_of_one_line(folder):
    rows = [ROWS[0].replace("Welsh", '"North \n\tWales"'), *ROWS[1:]]
    found = scan(folder, *rows)
    assert found.report.empty
    assert found.utterances["accent"].tolist()[0] == "North Wales"


def test_files_whose_names_a_disk_holds_apart_are_found(folder):
    composed, apart = "jos\u00e9", "jose\u0301"
    (folder / "wav/a1.wav").rename(folder / f"wav/{apart}.wav")
    (folder / "grid/a1.TextGrid").rename(folder / f"grid/{apart}.TextGrid")
    found = scan(folder, ROWS[0].replace("/a1.", f"/{composed}."), *ROWS[1:])
    assert found.report.empty
    assert found.utterances["audio"].iloc[0] == f"wav/{apart}.wav"
    assert found.utterances["n_labels"].iloc[0] == 50


def test_a_file_that_is_not_there_is_named_with_its_path(folder):
    found = scan(folder, ROWS[0].replace("wav/a1.wav", "wave/a1.wav"), *ROWS[1:])
    (detail,) = found.report.loc[found.report["code"] == "missing_audio", "detail"]
    assert f"found none at {folder}/wave/a1.wav; fetch it, or correct its path" in detail


def test_no_table_at_all(folder):
    with pytest.raises(CorpusError, match=r"gone\.csv: expected a table, found no file"):
        read_own_table(folder / "gone.csv")
    for name, raw in (("latin.csv", "a,b\né,1".encode("latin-1")), ("wide.csv", "a,b\n1,2".encode("utf-16"))):
        (folder / name).write_bytes(raw)
        with pytest.raises(StoreError, match="expected text in UTF-8"):
            read_own_table(folder / name)
    (folder / "not.parquet").write_bytes(b"no parquet")
    with pytest.raises(CorpusError, match=r"expected a \.parquet table"):
        read_own_table(folder / "not.parquet")
    (folder / "empty.csv").write_text("")
    with pytest.raises(CorpusError, match="column names"):
        read_own_table(folder / "empty.csv")
