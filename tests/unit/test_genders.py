"""Speaker genders, from SPEAKERS.TXT or a JSON object."""

import gzip
import json

import pytest

from property_neurons.corpus.genders import read_gender_json, read_genders, read_speakers
from property_neurons.errors import CorpusError, StoreError


def test_speakers(tmp_path):
    path = tmp_path / "SPEAKERS.TXT"
    path.write_text(
        "; comment | X\n14   | F | train-clean-360  | 25.03 | Kristin LeMoine\n60 |M| s | 20 | |CBW|Simon\n\n"
    )
    assert read_speakers(path) == {"14": "F", "60": "M"}
    path.write_text("14 | F | x\n15 | woman | x\nnonsense\n")
    with pytest.raises(CorpusError, match=r"in lines 2 \(.*\), 3; mend"):
        read_speakers(path)
    with pytest.raises(CorpusError, match="no file"):
        read_speakers(tmp_path / "absent.txt")


def test_a_mark_and_foreign_line_ends_lose_no_speaker(tmp_path):
    path = tmp_path / "SPEAKERS.TXT"
    path.write_bytes(b"\xef\xbb\xbf14 | F | a\r\n15 | M | a\r\n")
    assert read_speakers(path) == {"14": "F", "15": "M"}
    # What str.splitlines would take for ends of lines.
    path.write_text("14 | F | a | Jos\u00e9\u2028\x0b\u0085 | M\n", encoding="utf-8")
    assert read_speakers(path) == {"14": "F"}


def test_latin_1_is_refused_with_its_line(tmp_path):
    path = tmp_path / "SPEAKERS.TXT"
    path.write_bytes("14 | F | a | Ann\n15 | M | a | Jos\u00e9\n".encode("latin-1"))
    with pytest.raises(StoreError, match=r"SPEAKERS\.TXT, line 2: expected text in UTF-8, found the byte 0xe9"):
        read_speakers(path)


def test_a_speaker_has_one_gender(tmp_path):
    path = tmp_path / "SPEAKERS.TXT"
    path.write_text("14 | F | a\n15 | M | a\n14 | F | b\n")
    assert read_speakers(path) == {"14": "F", "15": "M"}
    path.write_text("14 | F | a\n15 | M | a\n14 | M | b\n")
    with pytest.raises(CorpusError, match=r"14 \(F in line 1, M in line 3\)"):
        read_speakers(path)
    path = tmp_path / "genders.json"
    path.write_text('{"14": "F", "15": "M", "14": "M"}')
    with pytest.raises(StoreError, match=r"genders\.json.*'14' 2 times"):
        read_gender_json(path)


def test_gender_json(tmp_path):
    path = tmp_path / "genders.json"
    path.write_text(json.dumps({"84": "F", "174": "M"}))
    assert read_gender_json(path) == {"84": "F", "174": "M"}
    for value in ("man", None, ["M"], True):
        path.write_text(json.dumps({"84": "F", "174": value}))
        with pytest.raises(CorpusError, match="'174': "):
            read_gender_json(path)


@pytest.mark.parametrize("name", ["genders.json", "genders.json.gz", "GENDERS.TXT", "genders"])
@pytest.mark.parametrize("packed", [False, True])
def test_the_form_is_told_by_what_is_in_the_file(tmp_path, name, packed):
    pack = gzip.compress if packed else bytes
    (tmp_path / name).write_bytes(pack(b'{"84": "F"}'))
    assert read_genders(tmp_path / name) == {"84": "F"}
    (tmp_path / "SPEAKERS.TXT").write_bytes(pack(b"84 | F | a\n"))
    assert read_genders(tmp_path / "SPEAKERS.TXT") == {"84": "F"}


@pytest.mark.parametrize("file", ["SPEAKERS.TXT", "genders.json"])
def test_names_are_compared_composed(tmp_path, file):
    path = tmp_path / file
    path.write_text('{"e\u0301": "F"}' if file.endswith("json") else "e\u0301 | F | a\n", encoding="utf-8")
    assert read_genders(path) == {"\u00e9": "F"}


@pytest.mark.parametrize(("written", "gender"), [("m", "M"), ("Male", "M"), ("f", "F"), ("FEMALE", "F")])
def test_words_for_genders_in_any_case(tmp_path, written, gender):
    speakers, json_file = tmp_path / "SPEAKERS.TXT", tmp_path / "genders.json"
    speakers.write_text(f"84 | {written} | dev-clean | 8.02 | A Name\n", encoding="utf-8")
    json_file.write_text(f'{{"84": "{written}"}}', encoding="utf-8")
    assert read_genders(speakers) == read_genders(json_file) == {"84": gender}


def test_the_first_wrong_line_of_a_list_is_quoted(tmp_path):
    speakers = tmp_path / "SPEAKERS.TXT"
    speakers.write_text("84 | F | x\n85 | woman | x\n86 ; M\n", encoding="utf-8")
    with pytest.raises(CorpusError, match=r"lines 2 \('85 \| woman \| x'\), 3; mend them"):
        read_genders(speakers)
