"""Files of a finished project damaged: the next job names file and remedy; that done, the bytes are the same."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.drills.drill import TRAINING, digests

pytestmark = pytest.mark.drill


def truncated(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def one_byte_changed(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0x10
    file.write_bytes(bytes(content))


def entry_removed(manifest: Path) -> None:
    content = json.loads(manifest.read_text(encoding="utf-8"))
    del content["files"][sorted(content["files"])[0]]
    manifest.write_text(json.dumps(content), encoding="utf-8")


def digest_changed(manifest: Path) -> None:
    content = json.loads(manifest.read_text(encoding="utf-8"))
    content["files"][sorted(content["files"])[0]][1] = "0" * 32
    manifest.write_text(json.dumps(content), encoding="utf-8")


def size_changed(manifest: Path) -> None:
    content = json.loads(manifest.read_text(encoding="utf-8"))
    content["files"][sorted(content["files"])[0]][0] += 1
    manifest.write_text(json.dumps(content), encoding="utf-8")


DATA = "tasks/data/phone_recognition-unseen"
# What is damaged, and how; what is made of it (deleted, and asked for again).
CASES = [
    ("corpora/demo/source/**/*.TextGrid", truncated, "corpora/demo/subsets/demo/tables.manifest.json"),
    ("corpora/demo/source.manifest.json", entry_removed, "corpora/demo/subsets/demo/tables.manifest.json"),
    ("corpora/demo/subsets/demo/utterances.parquet", one_byte_changed, "corpora/demo/utterances.parquet"),
    ("corpora/demo/subsets/demo/segments.parquet", one_byte_changed, "corpora/demo/frames/demo-000.manifest.json"),
    ("corpora/demo/subsets/demo/segments.parquet", truncated, f"{DATA}.manifest.json"),
    ("corpora/demo/subsets/demo/tables.manifest.json", digest_changed, "corpora/demo/report.tsv"),
    ("corpora/demo/report.tsv", truncated, "corpora/demo/checked.json"),
    ("corpora/demo/utterances.parquet", one_byte_changed, "counts/mini/demo/gender.manifest.json"),
    ("corpora/demo/checked.json", size_changed, "counts/mini/demo/gender.manifest.json"),
    ("corpora/demo/shards/demo-001.tsv", truncated, "corpora/demo/frames/demo-001.manifest.json"),
    ("corpora/demo/shards/demo-001.tsv", one_byte_changed, "ranks/mini/demo/demo-001.manifest.json"),
    ("corpora/demo/frames/demo-002.zarr/label/c/0", truncated, "counts/mini/demo/gender.manifest.json"),
    ("corpora/demo/frames/demo-002.zarr/f0/c/0", Path.unlink, "counts/mini/demo/gender.manifest.json"),
    ("corpora/demo/frames/demo-000.manifest.json", entry_removed, "counts/mini/demo/gender.manifest.json"),
    ("models/mini/model.safetensors", one_byte_changed, "ranks/mini/demo/demo-000.manifest.json"),
    ("models/mini/config.json", one_byte_changed, f"{TRAINING.removeprefix('results/')}.manifest.json"),
    ("models/mini.manifest.json", size_changed, "neurons/mini/demo/gender.parquet"),
    ("ranks/mini/demo/demo-001.zarr/ranks/00/c/0/0", truncated, "counts/mini/demo/gender.manifest.json"),
    ("ranks/mini/demo/demo-001.zarr/ranks/01/c/0/0", Path.unlink, "counts/mini/demo/gender.manifest.json"),
    ("ranks/mini/demo/demo-001.zarr/zarr.json", one_byte_changed, "counts/mini/demo/gender.manifest.json"),
    ("ranks/mini/demo/demo-000.manifest.json", digest_changed, "counts/mini/demo/gender.manifest.json"),
    ("counts/mini/demo/gender.zarr/n/c/0", one_byte_changed, "neurons/mini/demo/gender.parquet"),
    ("counts/mini/demo/gender.manifest.json", size_changed, "neurons/mini/demo/gender.parquet"),
    ("counts/mini/demo/single_phone.zarr/counts/00/c/0/0", Path.unlink, "figures/fig2.tsv"),
    (f"{DATA}.parquet", one_byte_changed, f"{TRAINING.removeprefix('results/')}.manifest.json"),
    (f"{DATA}.manifest.json", entry_removed, f"{TRAINING.removeprefix('results/')}.manifest.json"),
]


@pytest.mark.parametrize(("pattern", "damage", "made"), CASES, ids=lambda value: getattr(value, "__name__", str(value)))
def test_damage_is_named_and_mended_as_the_message_says(drill, pattern: str, damage: Callable[[Path], None], made: str):
    drill.restore()
    results = drill.project.folder / "results"
    file = sorted(results.glob(pattern))[0]
    damage(file)
    (results / made).unlink()
    target = f"results/{made}"
    printed = drill.project.snakemake("--rerun-triggers", "mtime", "--", target, fails=True)
    assert "Traceback" not in printed
    assert "unexpected" not in printed
    assert file.name in printed
    remedy = re.search(r"(\S+): .*delete (it|the file|\S+) and run again", printed)
    assert remedy, printed
    told = drill.project.folder / (remedy[1] if remedy[2] in ("it", "the file") else remedy[2])
    shutil.rmtree(told) if told.is_dir() else told.unlink()
    drill.project.snakemake("--rerun-triggers", "mtime", "--", target)
    assert digests(drill.project.folder) == drill.digests
