"""Reading that notices damage: manifests of folders, digests of files.

A manifest lies beside the folder that it describes (`0.zarr` -> `0.manifest.json`), with size and digest of every file
in it and a checksum of itself. Rules depend on the manifest, so a touched folder re-runs nothing and a changed value
re-runs what it must. Readers hold the folder against it first: a missing chunk is an error, never a zero. Files that no
manifest describes (tables, mostly) have a digest beside them (`x.tsv` -> `.x.tsv.digest`), which every job writes of
what it made and holds against what it reads.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from property_neurons.errors import StoreError
from property_neurons.stores.files import atomic_path, new_folder, read_json, write_json


def manifest_path(store: str | Path) -> Path:
    """Where the manifest of `store` lies: `x/0.zarr` -> `x/0.manifest.json`."""
    return Path(store).with_suffix(".manifest.json")


def store_path(manifest: str | Path) -> Path:
    """The inverse of `manifest_path`: `x/0.manifest.json` -> `x/0.zarr`."""
    return Path(f"{described_folder(manifest)}.zarr")


def described_folder(manifest: str | Path) -> Path:
    """The folder that a manifest beside it describes: `x/model.manifest.json` -> `x/model`."""
    manifest = Path(manifest)
    return manifest.with_name(manifest.name.removesuffix(".manifest.json"))


def digest_of(values: Any) -> str:
    """The blake2b of plain values as JSON: 32 hexadecimal digits."""
    return hashlib.blake2b(json.dumps(values, sort_keys=True).encode(), digest_size=16).hexdigest()


def describe_files(directory: str | Path, files: Sequence[Path] | None = None) -> dict[str, Any]:
    """What a manifest says of `files` in `directory` (all of them by default): sizes, digests, one digest of all."""
    directory = Path(directory)
    chosen = sorted(file for file in directory.rglob("*") if file.is_file()) if files is None else sorted(files)
    entries = {file.relative_to(directory).as_posix(): [file.stat().st_size, _digest(file)] for file in chosen}
    return {"digest": digest_of(entries), "files": entries}


@contextmanager
def new_described_folder(
    folder: str | Path,
    manifest: str | Path | None = None,
    *,
    noted: Mapping[str, Any] | None = None,
    replace: bool = True,
) -> Iterator[Path]:
    """Yield an empty folder; it becomes `folder`, and its manifest is written, when the block ends well.

    The manifest of what it takes the place of is removed first: a manifest never describes another folder.

    Args:
        manifest: to write; `folder`.manifest.json where it is not given.
        noted: what the manifest says beside the files; read when the block ends, which may add to it.
        replace: see `files.new_folder`.

    Raises:
        StoreError: something is at `folder` and may not be replaced.
    """
    manifest = Path(f"{folder}.manifest.json" if manifest is None else manifest)
    with new_folder(folder, replace=replace) as temporary:
        manifest.unlink(missing_ok=True)
        yield temporary
        described = describe_files(temporary)
    write_manifest(manifest, {**(noted or {}), **described})


def write_manifest(manifest: str | Path, content: dict[str, Any]) -> None:
    """Write a manifest, {digest, files, and what else is to be said}, with a checksum of all of it.

    Args:
        content: of `describe_files`, and what else readers need to know.
    """
    write_json(manifest, content | {"checksum": _checksum(content)})


def read_manifest(manifest: str | Path) -> dict[str, Any]:
    """Read a manifest: {digest, files, and what else its writer says}. Those of before checksums have none.

    Raises:
        StoreError: it is absent, no manifest, or not as it was written.
    """
    if Path(manifest).is_dir():
        beside = str(manifest).removesuffix(".zarr") + ".manifest.json"
        raise StoreError(f"{manifest}: expected a manifest, found a folder; give {beside}, which lies beside it")
    content = read_json(manifest)
    found = None
    if not isinstance(content, dict) or not isinstance(content.get("files"), dict):
        found = "no manifest"
    elif content.get("digest") != digest_of(content["files"]):
        found = "entries of another digest"
    elif (checksum := content.pop("checksum", None)) is not None and checksum != _checksum(content):
        found = "values of another checksum"
    if found:
        raise StoreError(f"{manifest}: expected a manifest as it was written, found {found}; {_remedy(manifest)}")
    return content


def verify_files(directory: str | Path, manifest: str | Path) -> dict[str, Any]:
    """Hold every file that `manifest` describes against what lies in `directory`; returns the manifest.

    Raises:
        StoreError: the directory or the manifest is absent, or a file in it is missing or altered.
    """
    directory, manifest = Path(directory), Path(manifest)
    content = read_manifest(manifest)
    remedy = _remedy(manifest)
    if not directory.is_dir():
        raise StoreError(f"{directory}: expected a folder (its manifest is there), found nothing; {remedy}")
    for name, (size, digest) in content["files"].items():
        file = directory / name
        if not file.is_file():
            raise StoreError(f"{directory}: {name} is missing; {remedy}")
        if file.stat().st_size != size:
            raise StoreError(f"{directory}: {name} should be {size} bytes, found {file.stat().st_size}; {remedy}")
        if _digest(file) != digest:
            raise StoreError(f"{directory}: the content of {name} is not what was written; {remedy}")
    return content


def verify_described(files: Iterable[str | Path]) -> None:
    """Hold the folder beside each manifest among `files` (`x.manifest.json` -> `x`) against it, as `verify_files` does.

    Raises:
        StoreError: a folder is absent, or a file in it is missing or altered.
    """
    for file in files:
        if str(file).endswith(".manifest.json"):
            verify_files(described_folder(file), file)


def record_digest(path: str | Path) -> None:
    """Write down what a finished file holds, beside it: `x.tsv` -> `.x.tsv.digest`."""
    path = Path(path)
    with atomic_path(_digest_path(path)) as temporary:
        temporary.write_text(f"{path.stat().st_size} {_digest(path)}\n", encoding="utf-8")


def forget_digest(path: str | Path) -> None:
    """Take away what `record_digest` wrote, before the file is written anew."""
    _digest_path(Path(path)).unlink(missing_ok=True)


def has_digest(path: str | Path) -> bool:
    """Whether a file is there, with a digest that was written when it was finished."""
    return Path(path).is_file() and _digest_path(Path(path)).is_file()


def check_digest(path: str | Path) -> None:
    """Hold a file against what `record_digest` wrote of it; a file without that, such as a user's own, is let through.

    Raises:
        StoreError: it is not as it was written.
    """
    path = Path(path)
    if not has_digest(path):
        return
    record = _digest_path(path)
    size, _, digest = record.read_text(errors="replace", encoding="utf-8").strip().partition(" ")
    found = str(path.stat().st_size)
    if found != size:
        found = f"{found} bytes"
    elif _digest(path) != digest:
        found = "another content of that size"
    else:
        return
    raise StoreError(
        f"{path}: expected the {size} bytes that were written, found {found}; delete it and run again: it is then made "
        f"anew (if you changed it on purpose, delete {record} instead)"
    )


def _remedy(manifest: str | Path) -> str:
    return f"delete {manifest} and run again: what it describes is then made anew"


def _digest_path(path: Path) -> Path:
    return path.with_name(f".{path.name}.digest")


def _checksum(content: dict[str, Any]) -> str:
    # As it is once written and read again, where tuples are lists.
    return digest_of(json.loads(json.dumps(content)))


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
