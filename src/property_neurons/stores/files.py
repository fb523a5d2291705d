"""Atomic writing of JSON, tables and folders: the result is complete or absent.

Everything is written under a temporary name and renamed when it is finished. So a reader never meets half of a file,
and nothing that a killed job leaves is taken for complete.
"""

import errno
import glob
import json
import os
import shutil
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from property_neurons.errors import StoreError
from property_neurons.stores.outside import check_parquet, parse_json
from property_neurons.stores.tsv import from_tsv, to_tsv

_ATTEMPTS = 10


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
    """A name beside `path` for this process alone; leftovers of killed processes of this machine are removed.

    The machine is part of the name, because two machines may write to one file system.
    """
    host = socket.gethostname()
    for left in path.parent.glob(f".{glob.escape(stem)}.{glob.escape(host)}.*.tmp{glob.escape(suffix)}"):
        process = left.name.removesuffix(f".tmp{suffix}").rpartition(".")[2]
        if process.isdigit() and not _is_running(int(process)):
            shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink(missing_ok=True)
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
    """Move a folder to where another may be or appear: a job that outlived its workflow can end at any moment."""
    old = path.with_name(f".{path.name}.{socket.gethostname()}.old.{os.getpid()}.tmp")
    try:
        for _ in range(_ATTEMPTS):
            try:
                temporary.replace(path)
                return
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
            shutil.rmtree(old, ignore_errors=True)
            with suppress(FileNotFoundError):
                path.replace(old)
    finally:
        # Removing takes long; by now the new one is in place.
        shutil.rmtree(old, ignore_errors=True)
    raise StoreError(f"{path}: other jobs keep writing it; see whether a second workflow runs, stop it, and run again")


def write_json(path: str | Path, content: Any) -> None:
    """Write `content` as indented JSON with sorted keys, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: str | Path) -> Any:
    """Read a JSON file.

    Raises:
        StoreError: the file is absent, not JSON, or has a key twice.
    """
    try:
        return parse_json(Path(path).read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise StoreError(f"{path}: expected a JSON file, found nothing; run the rule that makes it") from None
    except OSError as error:
        raise StoreError(f"{path}: expected a JSON file, found {error.strerror}; correct the path") from None
    except ValueError as error:
        raise StoreError(f"{path}: expected JSON, found {error}; delete the file and run again") from None


def write_table(path: str | Path, table: pd.DataFrame) -> None:
    """Write a table as .parquet or .tsv (by suffix), atomically; the same bytes for the same content. See `tsv`."""
    with atomic_path(path) as temporary:
        if Path(path).suffix == ".parquet":
            table.to_parquet(temporary, index=False, compression="zstd")
        else:
            temporary.write_text(to_tsv(table), encoding="utf-8", newline="")


def read_table(path: str | Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Read a .parquet or .tsv table, with the types that it was written with.

    Args:
        columns: those to read; None for all.

    Raises:
        StoreError: the file is absent or cannot be parsed.
    """
    if Path(path).is_dir():
        raise StoreError(f"{path}: expected a table, found a folder; correct the path")
    try:
        if Path(path).suffix == ".parquet":
            check_parquet(path)
            return pd.read_parquet(path, columns=columns)
        return from_tsv(Path(path).read_bytes().decode("utf-8-sig"), columns)
    except FileNotFoundError:
        raise StoreError(f"{path}: expected a table, found nothing; run the rule that makes it") from None
    except (ValueError, OSError) as error:
        raise StoreError(f"{path}: expected a readable table, found {error}; delete the file and run again") from None


def set_aside(path: str | Path, among: str | Path | None = None) -> Path:
    """Move a file or folder that took hours out of the way, to a name of its own; returns the new path.

    Args:
        among: the folder of those set aside; by default `.old` beside `path`.
    """
    return set_all_aside([path], among)[0]


def set_all_aside(paths: Iterable[str | Path], among: str | Path | None = None) -> list[Path]:
    """As `set_aside`, with one date for all, so that x.manifest.json still belongs to x."""
    paths = [Path(path) for path in paths]
    stamp = time.strftime("%Y%m%d-%H%M%S")
    for number in count(1):
        date = stamp if number == 1 else f"{stamp}-{number}"
        aside = [(Path(among) if among else path.with_name(".old")) / _dated(path.name, date) for path in paths]
        if not any(map(os.path.lexists, aside)):
            break
    for old, new in zip(paths, aside, strict=True):
        new.parent.mkdir(parents=True, exist_ok=True)
        old.rename(new)
    return aside


def _dated(name: str, date: str) -> str:
    # The suffix of a manifest stays last.
    stem, dot, suffix = name.partition(".manifest.")
    return f"{stem}-{date}{dot}{suffix}"


@contextmanager
def new_folder(path: str | Path, *, replace: bool = False) -> Iterator[Path]:
    """Yield an empty folder beside `path`; it becomes `path` when the block ends well, and is removed otherwise.

    Args:
        replace: take the place of a folder that is there; otherwise only of an empty one.

    Raises:
        StoreError: something is at `path` and may not be replaced.
    """
    path = Path(path)
    if not replace:
        check_free(path)
    with temporary_folder(path) as temporary:
        yield temporary
        _take_place(temporary, path)


def check_free(path: str | Path) -> None:
    """Check that `path` is free for a folder.

    Raises:
        StoreError: a file is there, or a folder that is not empty.
    """
    path = Path(path)
    if path.is_symlink() or (path.exists() and (not path.is_dir() or any(path.iterdir()))):
        found = "a folder with content" if path.is_dir() else "a file"
        raise StoreError(f"{path}: expected nothing or an empty folder, found {found}; delete it, or choose another")


@contextmanager
def temporary_folder(path: str | Path) -> Iterator[Path]:
    """Yield an empty folder beside `path`, for this process alone; what is left in it at the end is removed."""
    path = Path(path)
    temporary = _temporary(path, path.name)
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def new_mapped_array(path: str | Path, dtype: npt.DTypeLike, shape: tuple[int, ...]) -> np.memmap:
    """Create a .npy file, mapped into memory to be filled, with all the room that it needs.

    Without the room taken in advance, a full disk would end the process without a message.

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
