"""Writing that is whole or absent, and reading that notices damage.

A zarr store is written under a temporary name, closed, checked, renamed, and described by a small
manifest beside it (`0.zarr` -> `0.manifest.json`): size and digest of every file. Rules depend on the
manifest, so a touched directory re-runs nothing and a changed value re-runs what it must. Readers hold
the store against its manifest first: a missing chunk is an error, never a zero. A manifest carries a checksum of
itself. Files that no manifest describes (tables, mostly) have a digest beside them (`x.tsv` -> `.x.tsv.digest`), which
every job writes of what it made and holds against what it reads.
"""

import errno
import fcntl
import glob
import hashlib
import json
import os
import shutil
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import zarr
from numpy.typing import DTypeLike
from zarr.codecs import BloscCodec

from property_neurons.errors import StoreError

_ATTEMPTS = 10
_PATIENCE = 15.0  # seconds
_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP})
_COMPRESSOR = BloscCodec(cname="zstd", clevel=5, shuffle="bitshuffle")


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


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it takes the place of `path`, else it is removed."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The suffix stays, so that writers that go by it (figures, parquet) choose the right format.
    temporary = _temporary(path, path.stem, path.suffix)
    try:
        yield temporary
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _temporary(path: Path, stem: str, suffix: str = "") -> Path:
    """A name beside `path` for this process alone; what killed processes of this machine left there is removed.

    The machine is part of the name, because two of them may write to one file system.
    """
    host = socket.gethostname()
    for left in path.parent.glob(f".{glob.escape(stem)}.{glob.escape(host)}.*.tmp{glob.escape(suffix)}"):
        process = left.name.removesuffix(f".tmp{suffix}").rpartition(".")[2]
        if process.isdigit() and not _is_running(int(process)):
            shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)
    return path.with_name(f".{stem}.{host}.{os.getpid()}.tmp{suffix}")


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _take_place(temporary: Path, path: Path) -> None:
    """Move a folder to where another may be, or may appear: a job that outlived its workflow can end at any moment."""
    for _ in range(_ATTEMPTS):
        try:
            temporary.replace(path)
            return
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        old = path.with_name(f".{path.name}.{socket.gethostname()}.old.{os.getpid()}.tmp")
        with suppress(FileNotFoundError):
            path.replace(old)
        shutil.rmtree(old, ignore_errors=True)
    raise StoreError(f"{path}: other jobs write it all the time; stop them (is a second workflow running?), run again")


def write_json(path: str | Path, content: Any) -> None:
    """Write `content` as indented JSON with sorted keys, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def read_json(path: str | Path) -> Any:
    """Read a JSON file.

    Raises:
        StoreError: the file is absent or not JSON.
    """
    try:
        return json.loads(Path(path).read_text())
    except FileNotFoundError:
        raise StoreError(f"{path}: expected a JSON file, found nothing; run the rule that makes it") from None
    except ValueError as error:
        raise StoreError(f"{path}: expected JSON, found {error}; delete the file and run again") from None


def write_table(path: str | Path, table: pd.DataFrame) -> None:
    """Write a table as .parquet or .tsv (by suffix), atomically and with the same bytes for the same content."""
    with atomic_path(path) as temporary:
        if Path(path).suffix == ".parquet":
            table.to_parquet(temporary, index=False, compression="zstd")
        else:
            table.to_csv(temporary, sep="\t", index=False, float_format="%.10g", na_rep="nan", lineterminator="\n")


def read_table(path: str | Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Read a .parquet or .tsv table.

    Args:
        columns: those to read; None for all.

    Raises:
        StoreError: the file is absent or cannot be parsed.
    """
    try:
        if Path(path).suffix == ".parquet":
            return pd.read_parquet(path, columns=columns)
        return pd.read_csv(path, sep="\t", usecols=columns, keep_default_na=False, na_values=["nan", "NaN"])
    except FileNotFoundError:
        raise StoreError(f"{path}: expected a table, found nothing; run the rule that makes it") from None
    except (ValueError, OSError) as error:
        raise StoreError(f"{path}: expected a readable table, found {error}; delete the file and run again") from None


@contextmanager
def new_folder(path: str | Path, *, replace: bool = False) -> Iterator[Path]:
    """Yield an empty folder beside `path`; it becomes `path` when the block ends well, and is removed otherwise.

    Args:
        replace: take the place of a folder that is there; otherwise only of an empty one.

    Raises:
        StoreError: something is at `path` and may not be replaced.
    """
    path = Path(path)
    if not replace and path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise StoreError(f"{path}: expected nothing or an empty folder, found content; delete it and run again")
    with temporary_folder(path) as temporary:
        yield temporary
        _take_place(temporary, path)


@contextmanager
def temporary_folder(path: str | Path) -> Iterator[Path]:
    """Yield an empty folder beside `path`, for this process alone; what is not moved elsewhere is removed."""
    path = Path(path)
    temporary = _temporary(path, path.name)
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def new_store(path: str | Path) -> Iterator[zarr.Group]:
    """Create a zarr store that appears at `path`, with its manifest, only when the block ends well.

    Raises:
        StoreError: some chunk of some array was never written.
    """
    path = Path(path)
    manifest_path(path).unlink(missing_ok=True)
    with new_folder(path, replace=True) as folder:
        with zarr.config.set({"array.write_empty_chunks": True}):
            group = zarr.open_group(folder, mode="w", zarr_format=3)
            yield group
        _check_complete(group, path)
        manifest = describe_files(folder)
    write_manifest(manifest_path(path), manifest)


def add_array(group: zarr.Group, name: str, values: np.ndarray, chunks: Sequence[int] | None = None) -> None:
    """Add a compressed array to a store that is being written; one chunk unless told otherwise."""
    values = np.asarray(values)
    chunks = tuple(chunks) if chunks is not None else tuple(max(1, length) for length in values.shape)
    array = add_empty_array(group, name, values.shape, values.dtype, chunks)
    if values.size:
        array[...] = values


def add_empty_array(
    group: zarr.Group, name: str, shape: Sequence[int], dtype: DTypeLike, chunks: Sequence[int]
) -> zarr.Array:
    """Add a compressed array whose every chunk is still to be written."""
    return group.create_array(
        name, shape=tuple(shape), dtype=dtype, chunks=tuple(chunks), compressors=_COMPRESSOR, fill_value=0
    )


def open_store(path: str | Path) -> zarr.Group:
    """Open a finished store for reading, after holding every file in it against the manifest.

    Raises:
        StoreError: the store or its manifest is absent, or a file in it is missing or altered.
    """
    verify_files(path, manifest_path(path))
    return zarr.open_group(Path(path), mode="r")


def new_mapped_array(path: str | Path, dtype: npt.DTypeLike, shape: tuple[int, ...]) -> np.memmap:
    """Create a .npy file, mapped into memory to be filled, with all the room that it needs.

    Were its room taken when it is filled, a full disk would end the process without a word.

    Raises:
        OSError: there is no room.
    """
    values = np.lib.format.open_memmap(path, "w+", dtype, shape)
    if hasattr(os, "posix_fallocate"):
        with Path(path).open("r+b") as file:
            try:
                os.posix_fallocate(file.fileno(), 0, Path(path).stat().st_size)
            except OSError as error:
                raise OSError(error.errno, error.strerror, str(path)) from None
    return values


def describe_files(directory: str | Path, files: Sequence[Path] | None = None) -> dict[str, Any]:
    """What a manifest says of `files` in `directory` (all of them by default): sizes, digests, one digest of all."""
    directory = Path(directory)
    chosen = sorted(file for file in directory.rglob("*") if file.is_file()) if files is None else sorted(files)
    entries = {file.relative_to(directory).as_posix(): [file.stat().st_size, _digest(file)] for file in chosen}
    return {"digest": _digest_of(entries), "files": entries}


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
    content = read_json(manifest)
    found = None
    if not isinstance(content, dict) or not isinstance(content.get("files"), dict):
        found = "no manifest"
    elif content.get("digest") != _digest_of(content["files"]):
        found = "entries of another digest"
    elif "checksum" in content and content["checksum"] != _checksum(content):
        found = "values of another checksum"
    if found:
        raise StoreError(f"{manifest}: expected a manifest as it was written, found {found}; {_remedy(manifest)}")
    return content


def record_digest(path: str | Path) -> None:
    """Write down what a finished file holds, beside it: `x.tsv` -> `.x.tsv.digest`."""
    path = Path(path)
    with atomic_path(_digest_path(path)) as temporary:
        temporary.write_text(f"{path.stat().st_size} {_digest(path)}\n")


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
    record = _digest_path(path)
    if not has_digest(path):
        return
    size, _, digest = record.read_text(errors="replace").strip().partition(" ")
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


@contextmanager
def sole_process(work: str | Path) -> Iterator[int]:
    """Keep `work`, a folder in which a job keeps what it has done so far, to this process until the block ends.

    Yields the descriptor that holds the lock. It goes with the process, and those it was handed on to, however they
    end. Where the file system knows no locks, there is none.

    Raises:
        StoreError: another process has it: a job that outlived its workflow, or a second workflow.
    """
    work = Path(work)
    path = work.with_name(f"{work.name}.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path, work) as lock:
        lock.truncate(0)
        lock.write(f"process {os.getpid()} on {socket.gethostname()}")
        lock.flush()
        try:
            yield lock.fileno()
        finally:
            path.unlink(missing_ok=True)


def _locked(path: Path, work: Path) -> IO[str]:
    """The lock file, open and locked."""
    # What a killed process has started ends some seconds after it.
    deadline = time.monotonic() + _PATIENCE
    while True:
        lock = path.open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            owner = lock.read() or "another process"
            lock.close()
            if time.monotonic() < deadline:
                time.sleep(0.2)
                continue
            raise StoreError(
                f"{work}: expected no other process at work there, found {owner}; wait until it has ended, or stop it "
                "(what it has done so far is kept), and run again"
            ) from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            return lock
        # Whoever had it before may have removed it in between.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(lock.fileno()), path.stat()):
                return lock
        lock.close()


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


def _check_complete(group: zarr.Group, path: Path) -> None:
    for name, array in group.arrays():
        if array.size and array.nchunks_initialized != array.nchunks:
            raise StoreError(
                f"{path}: array {name} has {array.nchunks} chunks, only {array.nchunks_initialized} were written; "
                "this is a bug in the code that writes it"
            )
    for _, child in group.groups():
        _check_complete(child, path)


def _remedy(manifest: str | Path) -> str:
    return f"delete {manifest} and run again: what it describes is then made anew"


def _digest_path(path: Path) -> Path:
    return path.with_name(f".{path.name}.digest")


def _checksum(content: dict[str, Any]) -> str:
    # As it is once written and read again, where tuples are lists.
    others = json.loads(json.dumps({key: value for key, value in content.items() if key != "checksum"}))
    return hashlib.blake2b(json.dumps(others, sort_keys=True).encode(), digest_size=16).hexdigest()


def _digest_of(entries: dict[str, Any]) -> str:
    return hashlib.blake2b(json.dumps(entries, sort_keys=True).encode(), digest_size=16).hexdigest()


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
