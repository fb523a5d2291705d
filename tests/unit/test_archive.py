"""What `property_neurons.plan.archive` packs, unpacks and refuses; tests/integration makes studies from archives."""

import os
import re
import shutil
import tarfile
import time
from pathlib import Path

import pytest
import yaml

from property_neurons.plan.archive import main

ARCHIVE = Path("docs/studies/phones-whisper.tar.xz")


def asked(study, file, results, *options, configfile="config/claims.yaml"):
    return main([study, str(file), *options, "--configfile", str(configfile), "--config", f"results={results}"])


def unpacked(file, results, **options):
    return asked("phones-whisper", file, results, "--unpack", **options)


@pytest.fixture
def with_seeds(tmp_path):
    """A function that writes config/claims.yaml with other seeds of the study."""

    def write(seeds):
        content = yaml.safe_load(Path("config/claims.yaml").read_text(encoding="utf-8"))
        content["erasure"]["phones-whisper"]["seeds"] = seeds
        (tmp_path / "claims.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
        return tmp_path / "claims.yaml"

    return write


@pytest.fixture
def config(tmp_path):
    content = {
        "results": str(tmp_path / "results"),
        "corpora": {"demo": {"kind": "demo"}},
        "models": {"mini": {"kind": "shipped", "name": "melhubert-mini"}},
        "splits": {"seen": {"by": "utterance", "corpus": "demo"}},
        "tasks": {"sid": {"kind": "speaker_identification", "mode": "fine_tuned", "split": "seen", "steps": 1}},
        "erasure": {"table1": {"model": "mini", "task": "sid", "property": "gender", "seeds": [3]}},
        "figures": {"corpus": "demo", "model": "mini"},
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return str(tmp_path / "config.yaml")


@pytest.mark.parametrize(
    ("study", "said"),
    [
        ("table1", r"table1: expected \d+ files of it, found 0; \S+seed3 is absent: run the study"),
        ("table2", "expected a study among table1, found 'table2'"),
    ],
)
def test_a_study_that_is_not_there_is_refused_and_nothing_is_written(study, said, config, tmp_path, capsys):
    assert main([study, str(tmp_path / "x.tar.xz"), "--configfile", config]) == 1
    assert re.search(said, capsys.readouterr().out)
    assert not (tmp_path / "x.tar.xz").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["--configfile", "absent.yaml"], "absent.yaml"), (["--config", "no_such_key=1"], "no_such_key")],
)
def test_a_bad_configuration_is_refused(arguments, said, config, tmp_path, capsys):
    assert main(["table1", str(tmp_path / "x.tar.xz"), "--configfile", config, *arguments]) == 1
    assert said in capsys.readouterr().out


def test_all_that_is_unpacked_has_the_time_of_now(tmp_path, capsys):
    before = time.time()
    assert unpacked(ARCHIVE, tmp_path / "my results") == 0
    assert "my results: 29 files" in capsys.readouterr().out
    (changed,) = {path.stat().st_mtime_ns for path in (tmp_path / "my results").rglob("*")}
    assert before <= changed / 1e9 <= time.time()


def test_the_same_files_give_the_same_bytes(tmp_path):
    assert unpacked(ARCHIVE, tmp_path / "one") == unpacked(ARCHIVE, tmp_path / "other") == 0
    for number, path in enumerate(sorted((tmp_path / "other").rglob("*"))):
        os.utime(path, (number, number))
        path.chmod(0o700)
    assert asked("phones-whisper", tmp_path / "one.tar.xz", tmp_path / "one") == 0
    assert asked("phones-whisper", tmp_path / "other.tar.xz", tmp_path / "other") == 0
    assert (tmp_path / "one.tar.xz").read_bytes() == (tmp_path / "other.tar.xz").read_bytes()
    with tarfile.open(tmp_path / "one.tar.xz") as archive:
        assert {(one.uid, one.gid, one.uname, one.gname, one.mtime) for one in archive} == {(0, 0, "", "", 0)}
        assert not [one.name for one in archive if one.name.startswith("/") or ".." in one.name]


def test_links_are_packed_as_the_files_they_lead_to(tmp_path):
    results = tmp_path / "results"
    assert unpacked(ARCHIVE, results) == 0
    first, second = (results / f"erasure/phones-whisper/seed{seed}/description.json" for seed in (0, 1))
    shutil.copy(first, second)
    assert asked("phones-whisper", tmp_path / "files.tar.xz", results) == 0
    second.unlink()
    second.hardlink_to(first)
    scores = first.with_name("scores.parquet")
    scores.rename(tmp_path / "elsewhere.parquet")
    scores.symlink_to(tmp_path / "elsewhere.parquet")
    assert asked("phones-whisper", tmp_path / "links.tar.xz", results) == 0
    assert (tmp_path / "links.tar.xz").read_bytes() == (tmp_path / "files.tar.xz").read_bytes()


def test_neither_results_nor_an_archive_are_overwritten(tmp_path, capsys):
    (tmp_path / "results").mkdir()
    (tmp_path / "results/mine").touch()
    assert unpacked(ARCHIVE, tmp_path / "results") == 1
    assert "results: expected nothing or an empty folder, found a folder with content" in capsys.readouterr().out
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["mine"]
    assert unpacked(ARCHIVE, tmp_path / "again") == 0
    (tmp_path / "x.tar.xz").write_text("of days")
    assert asked("phones-whisper", tmp_path / "x.tar.xz", tmp_path / "again") == 1
    assert "x.tar.xz: expected nothing there, found a file or folder; delete it" in capsys.readouterr().out
    assert (tmp_path / "x.tar.xz").read_text() == "of days"


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: whole[:-200],
        lambda whole: whole[: len(whole) // 2],
        lambda whole: whole[:99_999] + bytes([whole[99_999] ^ 1]) + whole[100_000:],
        lambda whole: b"",
        lambda whole: b"no archive",
    ],
)
def test_a_damaged_archive_is_refused_and_nothing_is_written(damage, tmp_path, capsys):
    (tmp_path / "x.tar.xz").write_bytes(damage(ARCHIVE.read_bytes()))
    assert unpacked(tmp_path / "x.tar.xz", tmp_path / "results") == 1
    assert re.search(
        r"x\.tar\.xz: expected a whole archive of a study, found .+; fetch or pack", capsys.readouterr().out
    )
    assert [path.name for path in tmp_path.iterdir()] == ["x.tar.xz"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("../outside", tarfile.REGTYPE),
        ("erasure/../../outside", tarfile.REGTYPE),
        ("/outside", tarfile.REGTYPE),
        ("inside", tarfile.SYMTYPE),
        ("inside", tarfile.LNKTYPE),
        ("inside", tarfile.FIFOTYPE),
    ],
)
def test_what_is_no_file_of_the_results_is_not_unpacked(name, kind, tmp_path, capsys):
    if name == "/outside":
        name = f"{tmp_path}/outside"
    with tarfile.open(tmp_path / "x.tar.xz", "w:xz") as archive:
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname = kind, "outside"
        archive.addfile(entry)
    assert unpacked(tmp_path / "x.tar.xz", tmp_path / "results") == 1
    assert f"found {name}, which is no file of a folder of results" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["x.tar.xz"]


@pytest.mark.parametrize(
    ("seeds", "said"),
    [
        ([0, 1], r"found 0 of them absent and 5 others there: \S+seed2"),
        ([0, 1, 2, 3], "found 2 of them absent and 0 others there: erasure/phones-whisper/seed3"),
    ],
)
def test_an_archive_of_another_configuration_is_refused(seeds, said, with_seeds, tmp_path, capsys):
    assert unpacked(ARCHIVE, tmp_path / "results", configfile=with_seeds(seeds)) == 1
    assert re.search(f"expected the files of study phones-whisper in this config\\w+, {said}", capsys.readouterr().out)
    assert not (tmp_path / "results").exists()


def test_a_path_that_cannot_be_read_or_written_is_named(tmp_path, capsys):
    assert unpacked(tmp_path / "absent.tar.xz", tmp_path / "results") == 1
    assert "absent.tar.xz: expected to unpack it into" in capsys.readouterr().out
    assert unpacked(ARCHIVE, tmp_path / "again") == 0
    shutil.copy(ARCHIVE, tmp_path / "file")
    assert unpacked(ARCHIVE, tmp_path / "file/results") == 1
    assert "found Not a directory" in capsys.readouterr().out
    assert asked("phones-whisper", tmp_path / "file/x.tar.xz", tmp_path / "again") == 1
    assert re.search(r"file/x\.tar\.xz: expected to write it, found .+; mend that", capsys.readouterr().out)
