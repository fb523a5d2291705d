"""Stores are whole or absent, and damage is found and named."""

import errno
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import zarr

from property_neurons.errors import StoreError
from property_neurons.jobs import locks
from property_neurons.stores import files, manifests
from property_neurons.stores.files import new_folder, read_json, read_table, write_json, write_table
from property_neurons.stores.manifests import manifest_path, store_path
from property_neurons.stores.zarr import add_array, new_store, open_store


def write_store(path):
    with new_store(path) as group:
        add_array(group, "counts/00", np.arange(60, dtype=np.int64).reshape(6, 10), chunks=(2, 10))
        add_array(group, "zeros", np.zeros(5, dtype=np.uint16))
        add_array(group, "nothing", np.zeros(0, dtype=np.int64))
        group.attrs["cells"] = [["M", "AH"]]


@pytest.fixture
def store(tmp_path):
    path = tmp_path / "x" / "0.zarr"
    write_store(path)
    return path


def test_what_is_written_is_read(store):
    group = open_store(store)
    np.testing.assert_array_equal(group["counts/00"][:], np.arange(60).reshape(6, 10))
    np.testing.assert_array_equal(group["zeros"][:], np.zeros(5))
    assert group["nothing"].shape == (0,)
    assert group.attrs["cells"] == [["M", "AH"]]


def test_manifest_and_store_name_each_other(store):
    assert store_path(manifest_path(store)) == store


def test_same_content_gives_the_same_manifest(store, tmp_path):
    other = tmp_path / "y" / "0.zarr"
    write_store(other)
    assert manifest_path(store).read_bytes() == manifest_path(other).read_bytes()


def test_a_missing_chunk_is_named_not_read_as_zeros(store):
    (store / "counts/00/c/1/0").unlink()
    with pytest.raises(StoreError, match=r"0\.zarr.*counts/00/c/1/0 is missing.*run again"):
        open_store(store)


def test_a_truncated_chunk_is_named(store):
    chunk = store / "counts/00/c/2/0"
    chunk.write_bytes(chunk.read_bytes()[:-1])
    with pytest.raises(StoreError, match=r"counts/00/c/2/0 should be \d+ bytes"):
        open_store(store)


def test_a_flipped_bit_is_named(store):
    chunk = store / "counts/00/c/0/0"
    content = bytearray(chunk.read_bytes())
    content[-1] ^= 1
    chunk.write_bytes(content)
    with pytest.raises(StoreError, match="counts/00/c/0/0 is not what was written"):
        open_store(store)


def test_an_edited_manifest_is_noticed(store):
    manifest = read_json(manifest_path(store))
    manifest["files"]["zeros/c/0"][1] = "0" * 32
    manifest_path(store).write_text(json.dumps(manifest))
    with pytest.raises(StoreError, match=r"entries of another digest.*run again"):
        open_store(store)


def test_a_chunk_that_is_missing_from_the_manifest_too_is_noticed(store):
    manifest = read_json(manifest_path(store))
    del manifest["files"]["counts/00/c/1/0"]
    (store / "counts/00/c/1/0").unlink()
    manifest_path(store).write_text(json.dumps(manifest))
    with pytest.raises(StoreError, match=r"0\.manifest\.json.*entries of another digest"):
        open_store(store)


@pytest.mark.parametrize("content", ["{}", "[]", '{"files": {}}', '{"digest": 1, "files": 2}'])
def test_json_that_is_no_manifest_is_named(store, content):
    manifest_path(store).write_text(content)
    with pytest.raises(StoreError, match=r"0\.manifest\.json: expected a manifest"):
        open_store(store)


def described_anew(store):
    write_json(manifest_path(store), manifests.describe_files(store))


@pytest.mark.parametrize("shape", [[10**12, 10], [6, 10**12], [6_000_000, 10]])
def test_a_shape_beyond_what_the_chunks_can_hold_is_refused_before_memory_is_taken(store, shape):
    metadata = store / "counts/00/zarr.json"
    content = read_json(metadata)
    chunks = [-(-shape[0] // 3), shape[1]]
    content |= {"shape": shape, "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunks}}}
    write_json(metadata, content)
    described_anew(store)
    with pytest.raises(StoreError, match=r"0\.zarr: expected counts/00 to be .*found the shape.*Do not use"):
        open_store(store)


def test_a_store_that_says_it_has_more_chunks_is_refused(store):
    write_json(store / "counts/00/zarr.json", read_json(store / "counts/00/zarr.json") | {"shape": [600, 10]})
    described_anew(store)
    with pytest.raises(StoreError, match="found the shape"):
        open_store(store)


def test_a_store_of_the_format_that_may_unpickle_is_refused(tmp_path):
    group = zarr.open_group(tmp_path / "0.zarr", mode="w", zarr_format=2)
    group.create_array("x", shape=(2,), dtype="int64")[...] = 1
    described_anew(tmp_path / "0.zarr")
    with pytest.raises(StoreError, match=r"0\.zarr: expected a zarr store of format 3"):
        open_store(tmp_path / "0.zarr")


@pytest.mark.parametrize("text", ["{}", "[]", "nothing", '{"zarr_format": 3, "node_type": "array"}'])
def test_metadata_that_is_none_is_refused(store, text):
    (store / "counts/00/zarr.json").write_text(text)
    (store / "zarr.json").write_text(text)
    described_anew(store)
    with pytest.raises(StoreError, match=r"0\.zarr: expected a zarr store"):
        open_store(store)


def test_an_array_of_zeros_is_no_bomb(tmp_path):
    with new_store(tmp_path / "0.zarr") as group:
        add_array(group, "zeros", np.zeros(5_000_000, np.int64))
    assert open_store(tmp_path / "0.zarr")["zeros"].size == 5_000_000


def test_two_writers_of_one_store_do_not_disturb_each_other(store, monkeypatch):
    """A job that outlived a killed workflow ends beside the one that was started anew."""
    first, second = new_store(store), None
    with first as group:
        add_array(group, "counts", np.ones(3))
        monkeypatch.setattr(files.os, "getpid", lambda: 1)
        second = new_store(store)
        with second as other:
            add_array(other, "counts", np.ones(3))
        np.testing.assert_array_equal(open_store(store)["counts"][:], np.ones(3))
        monkeypatch.undo()
    np.testing.assert_array_equal(open_store(store)["counts"][:], np.ones(3))
    assert sorted(path.name for path in store.parent.iterdir()) == ["0.manifest.json", "0.zarr"]


def test_a_store_is_replaced_before_the_old_one_is_removed(store, monkeypatch):
    """To remove a large one takes long, and whoever looks meanwhile finds the new one."""
    seen = []
    rmtree = shutil.rmtree

    def remove(path, **options):
        if ".old." in Path(path).name and Path(path).exists():
            seen.append(np.array(zarr.open_group(store, mode="r")["counts"][:]))
        rmtree(path, **options)

    monkeypatch.setattr(files.shutil, "rmtree", remove)
    with new_store(store) as group:
        add_array(group, "counts", np.full(3, 7))
    np.testing.assert_array_equal(seen, [np.full(3, 7)])


def test_what_killed_processes_left_is_cleared_away_and_what_others_write_is_not(tmp_path):
    host = socket.gethostname()
    ended = subprocess.Popen(["true"])
    ended.wait()
    left = [f".0.zarr.{host}.{ended.pid}.tmp", f".0.zarr.{host}.old.{ended.pid}.tmp"]
    others = [
        f".0.zarr.elsewhere.{ended.pid}.tmp",
        f".0.zarr.{host}.{os.getppid()}.tmp",
        f".1.zarr.{host}.{ended.pid}.tmp",
    ]
    for name in (*left, *others):
        (tmp_path / name).mkdir()
    with new_store(tmp_path / "0.zarr") as group:
        add_array(group, "counts", np.ones(3))
    assert {path.name for path in tmp_path.iterdir()} == {"0.zarr", "0.manifest.json", *others}


def test_a_store_without_folder_or_manifest_is_an_error(store):
    manifest = manifest_path(store).read_bytes()
    manifest_path(store).unlink()
    with pytest.raises(StoreError, match=r"0\.manifest\.json"):
        open_store(store)
    manifest_path(store).write_bytes(manifest)
    shutil.rmtree(store)
    with pytest.raises(StoreError, match="expected a folder"):
        open_store(store)


def test_a_failure_while_writing_leaves_nothing(tmp_path):
    path = tmp_path / "0.zarr"
    with pytest.raises(RuntimeError), new_store(path) as group:
        add_array(group, "counts", np.ones(3))
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_an_array_with_unwritten_chunks_is_refused(tmp_path):
    with pytest.raises(StoreError, match="array counts has 2 chunks, only 1"), new_store(tmp_path / "0.zarr") as group:
        array = group.create_array("counts", shape=(4,), chunks=(2,), dtype="int64")
        array[:2] = 7
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_whole_or_absent_and_replaces_nothing_unasked(tmp_path):
    path = tmp_path / "folder"
    with pytest.raises(RuntimeError), new_folder(path) as folder:
        (folder / "a").write_text("1")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    with new_folder(path) as folder:
        (folder / "a").write_text("1")
    with pytest.raises(StoreError, match="found a folder with content; delete it"), new_folder(path):
        pass
    assert (path / "a").read_text() == "1"
    with new_folder(path, replace=True) as folder:
        (folder / "b").write_text("2")
    assert [file.name for file in path.iterdir()] == ["b"]


@pytest.mark.parametrize("suffix", [".tsv", ".parquet"])
def test_tables_round_trip_with_the_same_bytes(tmp_path, suffix):
    table = pd.DataFrame({"utterance": ["1-2-3", ""], "share": [0.1, 1 / 3], "n": [1, 2]})
    first, second = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    write_table(first, table)
    write_table(second, table)
    assert first.read_bytes() == second.read_bytes()
    pd.testing.assert_frame_equal(read_table(first), table, check_dtype=False, rtol=1e-9)


def test_a_broken_table_or_json_says_what_to_do(tmp_path):
    broken = tmp_path / "t.parquet"
    broken.write_bytes(b"PAR1 nothing")
    with pytest.raises(StoreError, match=r"t\.parquet.*delete the file and run again"):
        read_table(broken)
    with pytest.raises(StoreError, match=r"absent\.json.*run the rule"):
        read_json(tmp_path / "absent.json")
    write_json(tmp_path / "j.json", {"a": 1})
    (tmp_path / "j.json").write_text("{")
    with pytest.raises(StoreError, match=r"j\.json"):
        read_json(tmp_path / "j.json")


def test_one_process_at_a_time_has_a_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "_PATIENCE", 0.0)
    work = tmp_path / ".run.work"
    with (
        locks.sole_process(work),
        pytest.raises(StoreError, match=rf"\.run\.work: expected no other .* found process {os.getpid()} on .*again"),
        locks.sole_process(work),
    ):
        pass
    with locks.sole_process(work):
        pass
    assert list(tmp_path.iterdir()) == []


def test_the_lock_of_a_killed_process_is_none(tmp_path):
    work = tmp_path / "work"
    child = os.fork()
    if not child:
        with locks.sole_process(work):
            os.kill(os.getpid(), signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert work.with_name("work.lock").read_text().startswith(f"process {child} on")
    with locks.sole_process(work):
        pass
    assert list(tmp_path.iterdir()) == []


def test_digests_tell_what_a_job_wrote_from_what_is_there(tmp_path):
    table = tmp_path / "t.tsv"
    table.write_text("a\n1\n")
    manifests.check_digest(table)
    manifests.record_digest(table)
    manifests.check_digest(table)
    table.write_text("a\n2\n")
    with pytest.raises(StoreError, match=r"t\.tsv: expected the 4 bytes that were written, found another content"):
        manifests.check_digest(table)
    table.write_text("a\n")
    with pytest.raises(StoreError, match="found 2 bytes"):
        manifests.check_digest(table)
    manifests.forget_digest(table)
    manifests.check_digest(table)


def test_a_mapped_array_has_its_room_before_it_is_filled(tmp_path):
    file = tmp_path / "a.npy"
    values = files.new_mapped_array(file, np.float32, (1000, 250))
    assert file.stat().st_blocks * 512 >= values.nbytes
    values[:] = 7
    values.flush()
    assert (np.load(file) == 7).all()


def test_a_mapped_array_beyond_the_limit_is_an_error_and_no_signal(tmp_path):
    child = os.fork()
    if not child:
        # A limit of the process stands for a full disk.
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        try:
            files.new_mapped_array(tmp_path / "a.npy", np.float32, (1000, 250))
        except OSError as error:
            os._exit(error.errno == errno.EFBIG)
        os._exit(3)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 1


def test_what_is_set_aside_together_bears_one_date(tmp_path, monkeypatch):
    """A folder and its manifest go on to belong together, though a second passes between them, or one name is taken."""
    seconds = iter(range(10, 60))
    monkeypatch.setattr(files.time, "strftime", lambda _: f"20261128-1200{next(seconds)}")
    (tmp_path / ".old").mkdir()
    (tmp_path / ".old/run-20261128-120010.manifest.json").write_text("of another")
    folder, manifest = tmp_path / "run", tmp_path / "run.manifest.json"
    folder.mkdir()
    manifest.write_text("{}")
    aside = files.set_all_aside([folder, manifest])
    assert [path.name for path in aside] == ["run-20261128-120010-2", "run-20261128-120010-2.manifest.json"]
    assert aside[0].is_dir()
    assert aside[1].read_text() == "{}"
    assert not folder.exists()


def test_axes_have_names_for_those_who_open_a_store_with_xarray(tmp_path):
    with new_store(tmp_path / "a.zarr") as group:
        add_array(group, "n", np.ones(3))
        add_array(group, "counts/04", np.ones((3, 7)))
        add_array(group, "other", np.ones((2, 2)))
    group = zarr.open_group(tmp_path / "a.zarr", mode="r")
    names = {name: group[name].metadata.dimension_names for name in ("n", "counts/04", "other")}
    assert names == {"n": ("cell",), "counts/04": ("cell", "neuron_04"), "other": ("other_0", "other_1")}


def test_the_mark_that_snakemake_leaves_in_a_folder_is_no_part_of_a_store(tmp_path):
    with new_store(tmp_path / "a.zarr") as group:
        add_array(group, "n", np.arange(3))
    (tmp_path / "a.zarr/.snakemake_timestamp").touch()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [name for name, _ in open_store(tmp_path / "a.zarr").arrays()] == ["n"]
