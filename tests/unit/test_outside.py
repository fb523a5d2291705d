import gzip
import json
import zlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from property_neurons.errors import StoreError, printable
from property_neurons.stores.files import read_json, read_table, write_json
from property_neurons.stores.outside import read_array, read_bytes, read_outside_json, read_text


def test_text_with_a_mark_and_foreign_line_ends_is_the_text(tmp_path):
    file = tmp_path / "x.txt"
    file.write_bytes("\ufeffeins\r\nzwei\rdrei\n".encode())
    assert read_text(file) == "eins\nzwei\ndrei\n"


@pytest.mark.parametrize(
    ("raw", "found"),
    [("a\nb\nJosé\n".encode("latin-1"), "line 3.*0xe9"), ("José\n".encode("utf-16"), "line 1.*UTF-16")],
)
def test_other_encodings_are_refused_with_file_and_line(tmp_path, raw, found):
    file = tmp_path / "SPEAKERS.TXT"
    file.write_bytes(raw)
    with pytest.raises(StoreError, match=rf"SPEAKERS\.TXT.*{found}"):
        read_text(file)


def test_gzip_is_unpacked_whatever_its_name_and_in_several_members(tmp_path):
    file = tmp_path / "labels.json"
    file.write_bytes(gzip.compress(b'{"a": 1,') + gzip.compress(b' "b": 2}') + b"\0" * 8)
    assert read_outside_json(file) == {"a": 1, "b": 2}


def test_cut_and_damaged_gzip_is_refused(tmp_path):
    whole = gzip.compress(json.dumps(list(range(10_000))).encode())
    file = tmp_path / "x.json.gz"
    for raw in (whole[: len(whole) // 2], whole[:-4], whole[:100] + b"\xff" + whole[101:], whole + b"rest"):
        file.write_bytes(raw)
        with pytest.raises(StoreError, match=r"x\.json\.gz.*gzip.*again"):
            read_bytes(file)


def test_a_gzip_bomb_is_refused_before_it_is_unpacked(tmp_path):
    packer = zlib.compressobj(9, wbits=31)
    piece = b"0" * 2**20
    file = tmp_path / "bomb.gz"
    file.write_bytes(b"".join(packer.compress(piece) for _ in range(200)) + packer.flush())
    assert file.stat().st_size < 2**20
    with pytest.raises(StoreError, match=r"at most 64 MiB.*do not use"):
        read_bytes(file)
    packer = zlib.compressobj(9, wbits=31)
    file.write_bytes(b"".join(packer.compress(piece) for _ in range(60)) + packer.flush())
    assert len(read_bytes(file)) == 60 * 2**20


def test_keys_that_stand_twice_are_refused_in_any_object(tmp_path):
    file = tmp_path / "x.json"
    file.write_text('{"a": [{"19": "M", "20": "F", "19": "F"}]}')
    for read in (read_outside_json, read_json):
        with pytest.raises(StoreError, match=r"x\.json.*'19' 2 times"):
            read(file)


def test_json_without_end_is_refused(tmp_path):
    file = tmp_path / "deep.json"
    for opening in ("[", '{"a":'):
        file.write_text(opening * 100_000)
        for read in (read_outside_json, read_json):
            with pytest.raises(StoreError, match=r"deep\.json.*nested too deep"):
                read(file)


def test_json_is_written_and_read_in_utf_8_whatever_the_locale(tmp_path, monkeypatch):
    monkeypatch.setattr("locale.getpreferredencoding", lambda *_: "latin-1")
    write_json(tmp_path / "x.json", {"José": "ʃ"})
    assert "José".encode() in (tmp_path / "x.json").read_bytes()
    assert read_json(tmp_path / "x.json") == {"José": "ʃ"}


def test_what_moves_a_cursor_or_is_not_utf_8_is_escaped():
    assert printable("Zoë ʃ\x1b[2J\r\n\u202e\udce9") == "Zoë ʃ\\x1b[2J\\r\\n\\u202e\\udce9"


def npy(path, shape, dtype="<f4", content=b""):
    with path.open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, {"descr": dtype, "fortran_order": False, "shape": shape})
        stream.write(content)
    return path


@pytest.mark.parametrize("mapped", [True, False])
def test_an_array_is_read_as_it_was_written(tmp_path, mapped):
    for values in (np.arange(12.0).reshape(3, 4), np.zeros((0, 5)), np.int64(7)):
        np.save(tmp_path / "x.npy", values)
        np.testing.assert_array_equal(read_array(tmp_path / "x.npy", mapped=mapped), values)


@pytest.mark.parametrize("mapped", [True, False])
@pytest.mark.parametrize("shape", [(10**14,), (10**9, 10**9), (3,), (-1,)])
def test_an_array_whose_shape_is_not_that_of_its_content_is_refused(tmp_path, shape, mapped):
    with pytest.raises(StoreError, match=r"x\.npy: expected a whole \.npy file of numbers, found"):
        read_array(npy(tmp_path / "x.npy", shape, content=b"\0" * 16), mapped=mapped)


def test_arrays_that_would_be_unpickled_and_files_that_are_none_are_refused(tmp_path):
    np.save(tmp_path / "x.npy", np.array([{}], object), allow_pickle=True)
    (tmp_path / "y.npy").write_bytes(b"nothing")
    for name in ("x.npy", "y.npy", "absent.npy"):
        with pytest.raises(StoreError, match=f"{name}: expected a whole"):
            read_array(tmp_path / name)


def test_a_table_of_more_rows_than_it_can_hold_is_refused_before_it_is_read(tmp_path):
    column = pa.DictionaryArray.from_arrays(pa.array(np.zeros(5_000_000, np.int8)), pa.array(["x"]))
    pq.write_table(pa.table({"a": column}), tmp_path / "x.parquet", compression="zstd")
    assert (tmp_path / "x.parquet").stat().st_size < 20_000
    with pytest.raises(StoreError, match=r"x\.parquet: .* found 5,000,000 rows; do not use"):
        read_table(tmp_path / "x.parquet")
