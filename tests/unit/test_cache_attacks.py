"""A cache that others can write to: what they put there leads nowhere, overwrites nothing, and stops no job."""

import json
import logging
import os
import time
from pathlib import Path

import pytest
from test_cache import CODE, CONTENT, MADE_OF, files_in, make, never, read, result_in

from property_neurons.cache.entries import entries, prune, publish, take
from property_neurons.cache.take_or_make import take_or_make
from property_neurons.errors import StoreError
from property_neurons.stores import manifests

log = logging.getLogger("test_cache_attacks")


@pytest.fixture
def entry(tmp_path, caplog):
    """An entry as it was published."""
    caplog.set_level(logging.INFO)
    result = result_in(tmp_path / "first")
    make(result)
    (tmp_path / "cache").mkdir()
    assert publish(tmp_path / "cache", result, log)
    return tmp_path / "cache" / result.key


def forge(entry, files):
    """Write a description that is whole, and says that the entry has these files."""
    described = {"made_of": MADE_OF, "digest": manifests.digest_of(files), "files": files}
    manifests.write_manifest(entry / "entry.json", described)


def assert_not_taken(entry, caplog, tmp_path, found=""):
    """A job goes on without the entry, says why, and puts a good one in its place."""
    other = result_in(tmp_path / "second")
    made = []
    cache = entry.parents[1]
    began = time.monotonic()
    take_or_make(cache, lambda: other, lambda: made.append(make(other)), log, code=CODE)
    assert time.monotonic() - began < 5
    assert made
    assert f"damaged entry of the cache {other.key}, not used: " in caplog.text
    assert found in caplog.text
    assert read(other) == CONTENT
    third = result_in(tmp_path / "third")
    take_or_make(cache, lambda: third, never, log, code=CODE)
    assert read(third) == CONTENT


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("../../victim", "leads elsewhere"),
        ("deep/../../../victim", "leads elsewhere"),
        ("..", "leads elsewhere"),
        ("./a.bin", "leads elsewhere"),
        ("deep//b.bin", "leads elsewhere"),
        ("deep/", "leads elsewhere"),
        ("", "leads elsewhere"),
        ("..\\victim", "backslash"),
        ("a\nb", r"a\nb' with characters that are no text"),
        ("a\x1b[2Jb", r"\x1b[2Jb' with characters"),
    ],
)
def test_a_name_that_leads_elsewhere_is_refused(entry, caplog, tmp_path, name, found):
    victim = tmp_path / "victim"
    victim.write_text("of the user")
    files = {name: manifests.describe_file(entry / "content/a.bin")}
    forge(entry, files)
    assert_not_taken(entry, caplog, tmp_path, found)
    assert victim.read_text() == "of the user"
    assert "\x1b" not in caplog.text


def test_an_absolute_name_is_refused(entry, caplog, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("of the user")
    files = {str(victim): [3, "0" * 32]}
    forge(entry, files)
    assert_not_taken(entry, caplog, tmp_path, "leads elsewhere")
    assert victim.read_text() == "of the user"


def test_a_name_that_is_no_unicode_is_refused(entry, caplog, tmp_path):
    (entry / "entry.json").write_text('{"files": {"\\ud800": [1, "%s"]}, "digest": "x"}' % ("0" * 32))
    assert_not_taken(entry, caplog, tmp_path, "no text")


def test_a_name_of_a_file_and_of_a_folder_is_refused(entry, caplog, tmp_path):
    files = {name: manifests.describe_file(entry / "content/a.bin") for name in ("a.bin", "a.bin/b")}
    forge(entry, files)
    assert_not_taken(entry, caplog, tmp_path, "'a.bin' as a file and as a folder")


def link_to_the_file(entry, secret):
    (entry / "content/a.bin").unlink()
    (entry / "content/a.bin").symlink_to(secret)


def link_to_its_folder(entry, secret):
    (entry / "content/deep/b.bin").rename(secret.parent / "b.bin")
    (entry / "content/deep").rmdir()
    (entry / "content/deep").symlink_to(secret.parent)


def link_to_all(entry, secret):
    (entry / "content").rename(secret.parent / "content")
    (entry / "content").symlink_to(secret.parent / "content")


def link_to_the_description(entry, secret):
    (entry / "entry.json").rename(secret.parent / "entry.json")
    (entry / "entry.json").symlink_to(secret.parent / "entry.json")


def dangling_description(entry, secret):
    (entry / "entry.json").unlink()
    (entry / "entry.json").symlink_to("nowhere")


def pipe(entry, secret):
    (entry / "content/a.bin").unlink()
    os.mkfifo(entry / "content/a.bin")


def pipe_for_the_description(entry, secret):
    (entry / "entry.json").unlink()
    os.mkfifo(entry / "entry.json")


def folder_for_a_file(entry, secret):
    (entry / "content/a.bin").unlink()
    (entry / "content/a.bin").mkdir()


def file_for_a_folder(entry, secret):
    (entry / "content/deep/b.bin").unlink()
    (entry / "content/deep").rmdir()
    (entry / "content/deep").write_text("")


@pytest.mark.parametrize(
    "attack",
    [
        link_to_the_file,
        link_to_its_folder,
        link_to_all,
        link_to_the_description,
        dangling_description,
        pipe,
        pipe_for_the_description,
        folder_for_a_file,
        file_for_a_folder,
    ],
)
def test_links_pipes_and_folders_in_place_of_files_are_not_followed_read_or_waited_for(entry, caplog, tmp_path, attack):
    (tmp_path / "home").mkdir()
    secret = tmp_path / "home/secret"
    secret.write_bytes(CONTENT["a.bin"])
    attack(entry, secret)
    assert_not_taken(entry, caplog, tmp_path)
    assert secret.read_bytes() == CONTENT["a.bin"]


GOOD = "0" * 32


@pytest.mark.parametrize(
    "value",
    [
        [-1, GOOD],
        [1.0, GOOD],
        [True, GOOD],
        ["1", GOOD],
        [2**70, GOOD],
        [1, "0" * 31],
        [1, "0" * 33],
        [1, "A" * 32],
        [1, None],
        [1],
        [1, GOOD, 0],
        {"size": 1},
        None,
        "1 0",
    ],
    ids=str,
)
def test_sizes_and_digests_that_are_none_are_refused(tmp_path, value):
    manifest = tmp_path / "x.manifest.json"
    manifests.write_manifest(manifest, {"digest": manifests.digest_of({"a": value}), "files": {"a": value}})
    with pytest.raises(StoreError, match=r"x\.manifest\.json: expected a manifest.*\[bytes, digest\] of a.*run again"):
        manifests.read_manifest(manifest)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[" * 100_000 + "]" * 100_000, "nested too deep"),
        ('{"files": {}, "x": ' + '{"a":' * 20_000 + "1" + "}" * 20_000 + "}", "nested too deep"),
        ('{"files": {}, "x": ' + "9" * 5000 + "}", "4300 digits"),
        ('{"files": {"a": 1, "a": 2}}', "2 times"),
    ],
    ids=["lists", "objects", "digits", "twice"],
)
def test_json_that_takes_all_there_is_is_refused(tmp_path, text, found):
    manifest = tmp_path / "x.manifest.json"
    manifest.write_text(text)
    with pytest.raises(StoreError, match=rf"x\.manifest\.json: expected a manifest.*{found}.*run again"):
        manifests.read_manifest(manifest)


def test_a_manifest_of_gigabytes_is_refused_before_it_is_read(tmp_path):
    manifest = tmp_path / "x.manifest.json"
    with manifest.open("wb") as stream:
        stream.truncate(10 * 2**30)
    began = time.monotonic()
    with pytest.raises(StoreError, match="more than 64 MiB"):
        manifests.read_manifest(manifest)
    assert time.monotonic() - began < 1


def test_an_entry_larger_than_the_disk_is_not_copied(entry, caplog, tmp_path):
    size = 2**60
    files = {"a.bin": [size, GOOD]}
    forge(entry, files)
    assert not take(entry.parents[1], result_in(tmp_path / "second"), log)
    assert "could not be taken from the cache" in caplog.text
    assert "MB are free" in caplog.text


def test_a_file_that_grows_while_it_is_read_is_copied_no_further(entry, caplog, tmp_path):
    with (entry / "content/a.bin").open("ab") as stream:
        stream.truncate(2**40)
    assert_not_taken(entry, caplog, tmp_path, "a.bin should be 16384 bytes, found 16385")


def test_what_changes_between_check_and_copy_is_held_against_what_was_checked(entry, caplog, tmp_path, monkeypatch):
    """Another description, of other content, put in place once the first has been read."""
    read_manifest = manifests.read_manifest

    def read_and_change(*arguments, **options):
        described = read_manifest(*arguments, **options)
        monkeypatch.undo()
        (entry / "content/a.bin").write_bytes(b"other")
        files = {
            "a.bin": manifests.describe_file(entry / "content/a.bin"),
            "deep/b.bin": described["files"]["deep/b.bin"],
        }
        forge(entry, files)
        return described

    monkeypatch.setattr(manifests, "read_manifest", read_and_change)
    other = result_in(tmp_path / "second")
    assert not take(entry.parents[1], other, log)
    assert "a.bin should be 16384 bytes, found 5" in caplog.text
    assert files_in(tmp_path / "second") == []


def test_a_file_that_is_there_is_not_written_over(entry, caplog, tmp_path):
    """On a file system that holds A.bin and a.bin for one file."""
    from property_neurons.cache.entries import _copy

    (tmp_path / "target").mkdir()
    (tmp_path / "target/a.bin").write_text("there before")
    with pytest.raises(StoreError, match="names differ in case"):
        _copy(entry, "content/", tmp_path / "target", {"a.bin": [1, GOOD]})
    assert (tmp_path / "target/a.bin").read_text() == "there before"


def test_content_that_names_cannot_be_written_into_is_not_taken(entry, caplog, tmp_path):
    other = result_in(tmp_path / "second", put_names=lambda folder: json.loads("[]")["model"])
    assert not take(entry.parents[1], other, log)
    assert "found another (TypeError" in caplog.text


def test_links_in_a_cache_are_taken_away_and_what_they_lead_to_stays(entry, tmp_path):
    (tmp_path / "home/.x.tmp").mkdir(parents=True)
    (tmp_path / "home/work").write_text("hours")
    kind = entry.parent
    for name in ("0" * 32, f".{'1' * 32}.host.1.tmp"):
        (kind / name).symlink_to(tmp_path / "home")
    (entry.parents[1] / "tasks").symlink_to(tmp_path / "home")
    os.utime(tmp_path / "home/.x.tmp", (0, 0))
    os.utime(tmp_path / "home", (0, 0))
    assert len(entries(entry.parents[1])) == 2
    prune(entry.parents[1], 0)
    assert (tmp_path / "home/work").read_text() == "hours"
    assert (tmp_path / "home/.x.tmp").is_dir()
    assert not (kind / ("0" * 32)).exists()


def test_a_link_where_a_job_would_publish_is_taken_away(entry, tmp_path, monkeypatch):
    """By the name of the temporary folder of a process that has ended, or of this one."""
    result = result_in(tmp_path / "second", {"another": 1})
    make(result)
    (tmp_path / "home").mkdir()
    (tmp_path / "home/content").write_text("of the user")
    with manifests.new_described_folder(tmp_path / "x"):
        host = next(path.name.split(".")[2:-2] for path in tmp_path.glob(".x.*.tmp"))
    (entry.parent / f".{Path(result.key).name}.{'.'.join(host)}.999999999.tmp").symlink_to(tmp_path / "home")
    assert publish(entry.parents[1], result, log)
    assert (tmp_path / "home/content").read_text() == "of the user"
    assert [path for path in entry.parent.iterdir() if path.name.endswith(".tmp")] == []


@pytest.mark.parametrize("kind", ["link", "folder link", "pipe", "name"])
def test_a_folder_with_links_or_pipes_is_not_described(tmp_path, kind):
    folder = tmp_path / "x"
    with (
        pytest.raises(StoreError, match=r"odd.*remove it|rename the file"),
        manifests.new_described_folder(folder) as new,
    ):
        (new / "a").write_text("a")
        if kind == "pipe":
            os.mkfifo(new / "odd")
        elif kind == "name":
            (new / "a\nodd").write_text("a")
        else:
            (new / "odd").symlink_to(new / "a" if kind == "link" else tmp_path)
    assert not folder.exists()


@pytest.mark.parametrize("linked", ["a", "deep", "deep/b"])
def test_links_in_a_described_folder_are_refused_wherever_it_is_read(tmp_path, linked):
    folder = tmp_path / "x"
    with manifests.new_described_folder(folder) as new:
        (new / "a").write_text("a")
        (new / "deep").mkdir()
        (new / "deep/b").write_text("b")
    manifests.verify_described([f"{folder}.manifest.json"])
    (folder / linked).rename(tmp_path / "moved")
    (folder / linked).symlink_to(tmp_path / "moved")
    with pytest.raises(StoreError, match=rf"x/{linked}: expected a (file|folder), found a link; put the file itself"):
        manifests.verify_described([f"{folder}.manifest.json"])
    # The folder as a whole may lie on another disk.
    (folder / linked).unlink()
    (tmp_path / "moved").rename(folder / linked)
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    manifests.verify_described([f"{folder}.manifest.json"])
