"""The cache that working directories share: entries whole or absent, damage named, and two that write at once."""

import errno
import json
import logging
import multiprocessing
import os
import shutil
import signal
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from property_neurons.cache import entries as entries_module
from property_neurons.cache.__main__ import main
from property_neurons.cache.entries import entries, prune, publish, take
from property_neurons.cache.results import Audio, Result
from property_neurons.cache.take_or_make import kept_like, take_or_make
from property_neurons.errors import CodeChangedError, StoreError
from property_neurons.jobs.fingerprint import code_fingerprint
from property_neurons.stores import files, manifests

MADE_OF = {"model": "aa", "lambda_max": 0.02}
CONTENT = {"a.bin": bytes(range(256)) * 64, "deep/b.bin": b"b" * 5000}
DAY = 86_400
CODE = code_fingerprint("property_neurons.corpus.phones")
log = logging.getLogger("test_cache")


def result_in(folder, made_of=MADE_OF, **fields):
    return Result("ranks", made_of, folder / "x", folder / "x.manifest.json", **fields)


def make(result, content=None):
    with files.new_folder(result.folder, replace=True) as temporary:
        for name, value in (content or CONTENT).items():
            (temporary / name).parent.mkdir(parents=True, exist_ok=True)
            (temporary / name).write_bytes(value)
        described = manifests.describe_files(temporary)
    files.write_json(result.manifest, {**result.noted, **described})


def read(result):
    manifests.verify_files(result.folder, result.manifest)
    return {path.relative_to(result.folder).as_posix(): path.read_bytes() for path in files_in(result.folder)}


def files_in(folder):
    return sorted(path for path in Path(folder).rglob("*") if path.is_file())


@pytest.fixture
def cache(tmp_path):
    (tmp_path / "cache").mkdir()
    return tmp_path / "cache"


@pytest.fixture
def published(tmp_path, cache, caplog):
    """A result that has been made and published."""
    caplog.set_level(logging.INFO)
    result = result_in(tmp_path / "first")
    make(result)
    assert publish(cache, result, log)
    return result


def never(*_):
    raise AssertionError("it was made although it was there")


def test_what_one_publishes_another_takes_without_making_it(tmp_path, cache, published, caplog):
    other = result_in(tmp_path / "second", noted={"job": {"folder": "second"}}, work=tmp_path / "second/.work")
    other.work.mkdir(parents=True)
    (other.work / "checkpoint").write_text("of another training")
    take_or_make(cache, lambda: other, never, log, code=CODE)
    assert read(other) == CONTENT
    assert f"taken from cache {published.key}" in caplog.text
    manifest, original = map(manifests.read_manifest, (other.manifest, published.manifest))
    assert manifest["job"] == {"folder": "second"}
    assert [manifest[key] for key in ("digest", "files")] == [original[key] for key in ("digest", "files")]
    assert not other.work.exists()
    (aside,) = (tmp_path / "second/.old").iterdir()
    assert (aside / "checkpoint").read_text() == "of another training"
    assert f"moved to {aside}" in caplog.text


def test_an_entry_stays_where_its_copy_alone_is_damaged(tmp_path, cache, published, caplog, monkeypatch):
    copy = entries_module._copy

    def spoilt(source, below, target, described):
        copy(source, below, target, described)
        (target / "a.bin").write_bytes(b"of a bad disk")

    monkeypatch.setattr(entries_module, "_copy", spoilt)
    assert not take(cache, result_in(tmp_path / "second"), log)
    assert "could not be taken from the cache" in caplog.text
    monkeypatch.undo()
    assert take(cache, result_in(tmp_path / "third"), log)


def test_what_is_taken_shares_no_file_with_the_cache(tmp_path, cache, published):
    other = result_in(tmp_path / "second")
    assert take(cache, other, log)
    (other.folder / "a.bin").write_bytes(b"damaged")
    (published.folder / "a.bin").write_bytes(b"damaged")
    third = result_in(tmp_path / "third")
    assert take(cache, third, log)
    assert read(third) == CONTENT


def test_a_key_is_that_of_its_kind_and_of_what_it_is_made_of(tmp_path, cache, published):
    for changed in ({"model": "ab"}, {"lambda_max": 0.03}, {"code": "x"}):
        assert not take(cache, result_in(tmp_path / "second", MADE_OF | changed), log)
    assert not take(cache, Result("tasks", MADE_OF, tmp_path / "y", tmp_path / "y.manifest.json"), log)
    assert take(cache, result_in(tmp_path / "second", dict(reversed(MADE_OF.items()))), log)


def test_names_are_those_of_the_directory_that_takes(tmp_path, cache, published):
    other = result_in(tmp_path / "second", put_names=lambda folder: (folder / "name").write_text("mine"))
    assert take(cache, other, log)
    assert read(other) == CONTENT | {"name": b"mine"}
    third = result_in(tmp_path / "third")
    assert take(cache, third, log)
    assert read(third) == CONTENT


def flip_a_bit(entry):
    file = entry / "content/deep/b.bin"
    content = bytearray(file.read_bytes())
    content[1234] ^= 1
    file.write_bytes(content)


def cut_short(entry):
    file = entry / "content/a.bin"
    file.write_bytes(file.read_bytes()[:-1])


def lose_a_file(entry):
    (entry / "content/a.bin").unlink()


def spoil_the_manifest(entry):
    (entry / "entry.json").write_text("{")


def test_what_was_made_while_code_was_edited_is_not_published(tmp_path, cache):
    result = result_in(tmp_path / "first")
    with pytest.raises(CodeChangedError):
        take_or_make(
            cache, lambda: result, lambda: make(result), log, code="0000000000000000 property_neurons.corpus.phones"
        )
    assert read(result) == CONTENT
    assert not entries(cache)


def be_another_entry(entry):
    described = json.loads((entry / "entry.json").read_text())
    described["made_of"]["model"] = "other"
    (entry / "entry.json").write_text(json.dumps(described))


def test_an_entry_that_was_deleted_in_part_is_replaced(tmp_path, cache, published):
    (cache / published.key / "entry.json").unlink()
    for place, make_it in (("second", make), ("third", never)):
        other = result_in(tmp_path / place)
        take_or_make(cache, lambda other=other: other, lambda other=other, do=make_it: do(other), log, code=CODE)
        assert read(other) == CONTENT


@pytest.mark.parametrize("damage", [flip_a_bit, cut_short, lose_a_file, spoil_the_manifest, be_another_entry])
def test_a_damaged_entry_is_named_not_used_and_replaced(tmp_path, cache, published, caplog, damage):
    damage(cache / published.key)
    other = result_in(tmp_path / "second")
    made = []
    take_or_make(cache, lambda: other, lambda: made.append(make(other)), log, code=CODE)
    assert made
    assert f"damaged entry of the cache {published.key}, not used" in caplog.text
    assert read(other) == CONTENT
    third = result_in(tmp_path / "third")
    take_or_make(cache, lambda: third, never, log, code=CODE)
    assert read(third) == CONTENT


def test_damage_leaves_nothing_where_it_would_have_been_taken_to(tmp_path, cache, published):
    flip_a_bit(cache / published.key)
    other = result_in(tmp_path / "second")
    assert not take(cache, other, log)
    assert files_in(tmp_path / "second") == []


def test_an_entry_that_is_pruned_while_it_is_copied_is_made_here(tmp_path, cache, published, caplog, monkeypatch):
    open_inside = manifests.open_inside

    def open_and_prune(folder, name):
        if name == "content/deep/b.bin":
            prune(cache, 0)
        return open_inside(folder, name)

    monkeypatch.setattr(manifests, "open_inside", open_and_prune)
    assert not take(cache, result_in(tmp_path / "second"), log)
    assert "removed from the cache while it was copied" in caplog.text
    assert files_in(tmp_path / "second") == []


def test_no_room_here_leaves_the_entry(tmp_path, cache, published, caplog, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=21_000))
    assert not take(cache, result_in(tmp_path / "second"), log)
    assert "could not be taken" in caplog.text
    monkeypatch.undo()
    assert take(cache, result_in(tmp_path / "second"), log)


def test_files_that_others_leave_in_an_entry_are_not_taken(tmp_path, cache, published):
    (cache / published.key / "content/.nfs0001").write_text("left by the file system")
    other = result_in(tmp_path / "second")
    assert take(cache, other, log)
    assert read(other) == CONTENT


def test_a_result_that_is_not_as_it_was_made_is_not_published(tmp_path, cache, caplog):
    result = result_in(tmp_path / "first")
    make(result)
    (result.folder / "a.bin").write_bytes(b"damaged")
    assert not publish(cache, result, log)
    assert "was not published" in caplog.text
    assert entries(cache) == []


@pytest.mark.parametrize("change", [lambda file: file.write_bytes(b"other"), Path.unlink])
def test_what_was_made_from_other_audio_than_the_scan_read_is_not_published(tmp_path, cache, caplog, change):
    (tmp_path / "speech/1").mkdir(parents=True)
    audio = tmp_path / "speech/1/a.wav"
    audio.write_bytes(b"audio")
    digest = manifests.describe_files(tmp_path, [audio])["files"]["speech/1/a.wav"][1]
    result = result_in(tmp_path / "first", audio=[Audio(tmp_path / "speech", {"1/a.wav": digest})])
    make(result)
    change(audio)
    assert not publish(cache, result, log)
    assert str(audio) in caplog.text
    audio.write_bytes(b"audio")
    assert publish(cache, result, log)


def again(result, log):
    """The job once more, after Snakemake has deleted what it made; returns whether it made it anew."""
    made = []
    shutil.rmtree(result.folder, ignore_errors=True)
    result.manifest.unlink(missing_ok=True)
    take_or_make(None, lambda: result, lambda: made.append(make(result)), log, code=CODE, before="set aside")
    return bool(made)


def test_a_job_that_runs_again_takes_back_what_it_made(tmp_path, caplog):
    first = result_in(tmp_path / "here")
    assert again(first, log)
    before = read(first)
    with caplog.at_level(logging.INFO):
        assert not again(result_in(tmp_path / "here"), log)
    assert read(first) == before
    assert f"taken from results kept here {first.key}" in caplog.text
    # It takes no further room, and stays kept.
    file = next(path for path in first.folder.rglob("*") if path.is_file())
    assert file.stat().st_nlink == 2
    assert not again(first, log)
    # Of other settings it is made anew, and the one before is set aside.
    assert again(result_in(tmp_path / "here", MADE_OF | {"seed": 5}), log)
    assert [path for path in first.folder.parent.glob(".old/*") if path.is_dir()]


def test_what_is_replaced_stays_until_the_new_one_is_there(tmp_path):
    first = result_in(tmp_path / "here")
    take_or_make(None, lambda: first, lambda: make(first), log, code=CODE, before="replaced")
    shutil.rmtree(first.folder)
    other = result_in(tmp_path / "here", MADE_OF | {"seed": 5})

    def fail():
        raise OSError("killed")

    with pytest.raises(OSError, match="killed"):
        take_or_make(None, lambda: other, fail, log, code=CODE, before="replaced")
    assert kept_like(first, log) is not None
    assert kept_like(other, log) is None
    assert kept_like(other, log, apart_from=["seed"]) is not None
    take_or_make(None, lambda: other, lambda: make(other), log, code=CODE, before="replaced")
    assert kept_like(first, log) is None
    assert kept_like(other, log) is not None


def test_what_is_not_set_aside_makes_room(tmp_path):
    first = result_in(tmp_path / "here")
    take_or_make(None, lambda: first, lambda: make(first), log, code=CODE)
    shutil.rmtree(first.folder)
    other = result_in(tmp_path / "here", MADE_OF | {"seed": 5})

    def make_other():
        assert not (tmp_path / "here/.kept/x").exists()
        make(other)

    take_or_make(None, lambda: other, make_other, log, code=CODE)
    assert (tmp_path / "here/.kept/x").exists()
    assert not (tmp_path / "here/.old").exists()


def test_what_was_kept_and_damaged_is_made_anew(tmp_path, caplog):
    first = result_in(tmp_path / "here")
    again(first, log)
    file = next(path for path in (tmp_path / "here/.kept/x").rglob("*") if path.is_file())
    file.write_bytes(b"spoilt")
    assert again(first, log)
    assert "what was kept here of" in caplog.text
    assert not again(first, log)


def test_what_is_kept_and_cannot_be_linked_is_not_made_anew(tmp_path, monkeypatch):
    first = result_in(tmp_path / "here")
    again(first, log)

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(entries_module.shutil, "copytree", full)
    with pytest.raises(StoreError, match=r"expected to take back .* found No space left on device; free space, or del"):
        again(first, log)
    assert (tmp_path / "here/.kept/x").is_dir()
    assert not (tmp_path / "here/.old").exists()


def test_without_hard_links_nothing_is_kept_or_taken(tmp_path, caplog, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    first = result_in(tmp_path / "here")
    assert again(first, log)
    assert again(first, log)
    assert "is not kept" in caplog.text


def test_an_absent_cache_is_named_and_stops_nothing(tmp_path, caplog):
    made = []
    result = result_in(tmp_path / "here")
    take_or_make(tmp_path / "nowhere", lambda: result, lambda: made.append(make(result)), log, code=CODE)
    assert made
    assert f"expected a folder at {tmp_path / 'nowhere'}, found none; make it" in caplog.text
    assert not (tmp_path / "nowhere").exists()


def test_a_cache_that_cannot_be_written_to_stops_nothing(tmp_path, cache, caplog):
    # Permissions would not hold root back.
    (cache / "ranks").write_text("in the way")
    result = result_in(tmp_path / "first")
    take_or_make(cache, lambda: result, lambda: make(result), log, code=CODE)
    assert read(result) == CONTENT
    assert "was not published" in caplog.text
    assert "writable" in caplog.text


@pytest.mark.parametrize("code", [errno.EACCES, errno.ESTALE])
def test_an_entry_out_of_reach_stops_nothing_and_stays(tmp_path, cache, published, caplog, monkeypatch, code):
    """Another user's without permission, or a server that has gone."""

    def out_of_reach(method):
        def call(path, *arguments, **options):
            if cache in Path(os.fsdecode(path)).parents:
                raise OSError(code, os.strerror(code), str(path))
            return method(path, *arguments, **options)

        return call

    for name in ("stat", "lstat", "open"):
        monkeypatch.setattr(os, name, out_of_reach(getattr(os, name)))
    result = result_in(tmp_path / "second")
    made = []
    take_or_make(cache, lambda: result, lambda: made.append(1), log, code=CODE)
    monkeypatch.undo()
    assert made
    assert f"{result.key} could not be taken from the cache ([Errno {code}]" in caplog.text
    assert f"{result.key} was not published to the cache: [Errno {code}]" in caplog.text
    assert take(cache, result, log)


def _publish_many(folder, cache, number, together):
    """Take or make twelve results, in the order of the others but never far from them."""
    for index in range(12):
        result = result_in(folder / f"p{number}-{index}", {"index": index})
        content = CONTENT | {"index": str(index).encode()}
        together.wait()
        take_or_make(cache, lambda result=result: result, lambda r=result, c=content: make(r, c), log, code=CODE)
        assert read(result) == content


def test_processes_that_publish_the_same_at_once(tmp_path, cache):
    context = multiprocessing.get_context("fork")
    together = context.Barrier(3)
    writers = [context.Process(target=_publish_many, args=(tmp_path, cache, n, together)) for n in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    assert len(entries(cache)) == 12
    assert [path.name for path in (cache / "ranks").iterdir() if path.name.startswith(".")] == []
    for index in range(12):
        taken = result_in(tmp_path / f"taken-{index}", {"index": index})
        assert take(cache, taken, log)
        assert read(taken) == CONTENT | {"index": str(index).encode()}


def test_of_two_that_publish_the_first_stays(tmp_path, cache, published, caplog):
    before = [(path, path.stat().st_ino) for path in files_in(cache)]
    second = result_in(tmp_path / "second")
    make(second)
    assert publish(cache, second, log)
    assert "another run has published" in caplog.text
    assert [(path, path.stat().st_ino) for path in files_in(cache)] == before


def _die_in(step, cache, result):
    """Publish, but be killed before `step` of it."""
    owner, name = step
    setattr(owner, name, lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
    publish(cache, result, log)


@pytest.mark.parametrize(
    "step",
    [(manifests, "verify_content"), (manifests, "write_manifest"), (Path, "rename")],
    ids=["copied", "checked", "written"],
)
def test_a_publication_that_was_killed_is_never_taken_and_cleared_away(tmp_path, cache, step):
    result = result_in(tmp_path / "first")
    make(result)
    killed = multiprocessing.get_context("fork").Process(target=_die_in, args=(step, cache, result))
    killed.start()
    killed.join(30)
    assert killed.exitcode == -signal.SIGKILL
    left = list((cache / "ranks").iterdir())
    assert [path.name.endswith(".tmp") for path in left] == [True]
    assert not take(cache, result_in(tmp_path / "second"), log)
    assert entries(cache) == []
    assert publish(cache, result, log)
    assert [path.name for path in (cache / "ranks").iterdir()] == [Path(result.key).name]


def test_old_entries_and_leftovers_are_pruned_and_others_stay(tmp_path, cache, published, capsys):
    used = result_in(tmp_path / "used", {"used": True})
    make(used)
    publish(cache, used, log)
    now = (cache / used.key / "entry.json").stat().st_mtime
    for result in (published, used):
        os.utime(cache / result.key / "entry.json", (now - 40 * DAY, now - 40 * DAY))
    assert take(cache, result_in(tmp_path / "again", {"used": True}), log)
    old, new, other = f".{'0' * 32}.host.1.tmp", f".{'1' * 32}.host.1.tmp", "mine.tmp"
    for name, days in ((old, 31), (new, 0.5), (other, 99)):
        (cache / "ranks" / name).mkdir()
        os.utime(cache / "ranks" / name, (now - days * DAY, now - days * DAY))
    (cache / "mine.txt").write_text("not of the cache")

    assert main(["list", str(cache)]) == 0
    listed = capsys.readouterr().out
    assert listed.index(published.key) < listed.index(used.key)
    assert "40 days" in listed
    assert main(["prune", "--older-than", "30", str(cache)]) == 0
    assert published.key in capsys.readouterr().out
    assert [entry.key for entry in entries(cache)] == [used.key]
    assert {path.name for path in (cache / "ranks").iterdir()} == {Path(used.key).name, new, other}
    assert (cache / "mine.txt").is_file()


def test_pruning_all_spares_a_publication_that_is_under_way(tmp_path, cache, published):
    (cache / "ranks/.x.host.1.tmp").mkdir()
    assert [entry.key for entry in prune(cache, 0)] == [published.key]
    assert [path.name for path in (cache / "ranks").iterdir()] == [".x.host.1.tmp"]


def test_what_another_prunes_meanwhile_is_no_entry(cache, published, monkeypatch):
    present = list(entries_module._folders(cache))
    shutil.rmtree(cache / published.key)
    monkeypatch.setattr(entries_module, "_folders", lambda _: iter(present))
    assert entries(cache) == []


def test_only_what_is_gone_is_called_removed(cache, published, monkeypatch):
    monkeypatch.setattr(Path, "rename", lambda *_: (_ for _ in ()).throw(PermissionError()))
    assert prune(cache, 0) == []
    assert [entry.key for entry in entries(cache)] == [published.key]


def test_a_damaged_entry_is_listed_as_such(cache, published, capsys):
    spoil_the_manifest(cache / published.key)
    (cache / "ranks" / ("0" * 32)).mkdir()
    main(["list", str(cache)])
    assert capsys.readouterr().out.count("damaged") == 2


def test_the_command_names_a_folder_that_is_not_there(tmp_path, capsys):
    assert main(["list", str(tmp_path / "nowhere")]) == 1
    assert f"expected a cache at {tmp_path / 'nowhere'}, found no folder" in capsys.readouterr().out


def test_the_command_names_a_folder_that_it_may_not_look_into(tmp_path, cache, published, capsys, monkeypatch):
    def denied(path):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    # Permissions would not hold root back.
    monkeypatch.setattr(Path, "iterdir", denied)
    assert main(["list", str(cache)]) == 1
    assert f"Permission denied: '{cache}/ranks'; make it readable" in capsys.readouterr().out


def test_digests_are_of_values_and_not_of_their_order():
    assert manifests.digest_of({"a": 1, "b": [2]}) == manifests.digest_of({"b": [2], "a": 1})
    with pytest.raises(TypeError):
        manifests.digest_of({"a": np.arange(2)})
