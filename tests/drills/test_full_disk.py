"""A disk that fills up: the job says so, and where; with more room the same command makes the same bytes."""

import os
import shutil
import subprocess
from contextlib import contextmanager

import pytest

from tests.drills.drill import digests, left_behind

pytestmark = pytest.mark.drill


@contextmanager
def small_disk(folder, spare):
    """A file system of memory in place of a folder, with its content and so many bytes to spare."""
    kept = folder.with_name("elsewhere")
    folder.rename(kept)
    folder.mkdir()
    size = _used(kept) + spare
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True, text=True, check=False
    )
    try:
        if mounted.returncode:
            pytest.skip(f"a full disk needs a small one to be mounted, as root: {mounted.stderr.strip()}")
        subprocess.run(["cp", "-a", f"{kept}/.", folder], check=True)
        yield lambda: subprocess.run(["mount", "-o", f"remount,size={size + 2**30}", folder], check=True)
    finally:
        if not mounted.returncode:
            subprocess.run(["umount", folder], check=True)
        folder.rmdir()
        shutil.rmtree(kept)


def _used(folder):
    """What a folder takes on a file system of whole pages."""
    page = os.sysconf("SC_PAGESIZE")
    return sum(-(-path.stat().st_size // page) * page for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("stage", "spare"),
    [("ranks", 64 * 1024), ("training", 2**20), ("counts", 8 * 1024)],
)
def test_a_full_disk_is_named_and_with_room_the_bytes_are_the_same(drill, stage, spare):
    targets = drill.without(stage)
    with small_disk(drill.project.folder / "results", spare) as make_room:
        printed = drill.project.snakemake(*targets, fails=True)
        assert "There is no room to write in results/" in printed, printed
        assert "Free space" in printed
        assert "Traceback" not in printed
        make_room()
        drill.project.snakemake("--rerun-incomplete", *targets)
        assert digests(drill.project.folder) == drill.digests
        assert left_behind(drill.project.folder) == []
