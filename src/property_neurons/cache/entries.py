"""The cache: a folder that working directories share, in which a job looks for its result before it makes it.

An entry is `KIND/KEY/`: the result in `content/`; its manifest, and what the key is a digest of, in `entry.json`.
It is built under a temporary name and renamed, so it is whole or absent, whoever else writes at that moment; of two
that publish the same, the first stays. What is taken is copied, and the copy is held against the manifest: a damaged
entry is named, not used, and replaced. A cache that cannot be used never stops a job.

Others can write to a cache, at any moment. So no name in an entry leads out of the folder it is copied to, no link in
an entry is followed, nothing but files is opened, and no file that is there is written over.
"""

import errno
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from logging import Logger
from pathlib import Path
from typing import Any

from property_neurons.cache.results import Result
from property_neurons.errors import StoreError, printable
from property_neurons.stores import files, manifests

KINDS = ("ranks", "checkpoints", "tasks")
_CONTENT, _ENTRY = "content", "entry.json"
_KEY = re.compile(r"[0-9a-f]{32}")
_LEFT = re.compile(r"\.[0-9a-f]{32}\..+\.tmp")
_DAY_S = 86_400
_PIECE = 2**20


def take(cache: str | Path, result: Result, log: Logger) -> bool:
    """Copy a result out of the cache, with this working directory's names; returns whether it was there and whole."""
    entry = Path(cache) / result.key
    try:
        # What is there and no file is found again below, and taken out of the way.
        with suppress(StoreError):
            manifests.open_inside(entry, _ENTRY).close()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        log.warning("%s could not be taken from the cache (%s); it is made here", result.key, error)
        return False
    try:
        with manifests.new_described_folder(result.folder, result.manifest, noted=result.noted) as temporary:
            described = _description(entry)
            _check_room(temporary, described["files"])
            _copy(entry, f"{_CONTENT}/", temporary, described["files"])
            manifests.verify_content(temporary, described, entry / _ENTRY)
            _put_names(result, temporary)
    except StoreError as error:
        if not os.path.lexists(entry / _ENTRY):
            log.info("%s was removed from the cache while it was copied; it is made here", result.key)
        elif _is_whole(entry):
            log.warning("%s could not be taken from the cache (%s); it is made here", result.key, error)
        else:
            log.warning("damaged entry of the cache %s, not used: %s", result.key, error)
            _discard(entry)
        return False
    except OSError as error:
        # No room here, or a disk that fails: the entry may be whole.
        log.warning("%s could not be taken from the cache (%s); it is made here", result.key, error)
        return False
    result.set_work_aside(log)
    with suppress(OSError):
        os.utime(entry / _ENTRY, follow_symlinks=False)
    log.info("taken from cache %s", result.key)
    return True


def publish(cache: str | Path, result: Result, log: Logger) -> bool:
    """Copy a finished result into the cache; returns whether it is there now, by this job or by another."""
    entry = Path(cache) / result.key
    try:
        if _lacks_description(entry):
            # What someone has deleted in part would be in the way for ever.
            _discard(entry)
        for audio in result.audio:
            audio.check()
        with files.temporary_folder(entry) as temporary:
            described = result.description()
            _copy(result.folder, "", temporary / _CONTENT, described["files"])
            manifests.verify_content(temporary / _CONTENT, described, result.manifest)
            manifests.write_manifest(temporary / _ENTRY, described)
            if not _appears(temporary, entry):
                log.info("another run has published %s meanwhile; its entry stays", result.key)
                return True
    except OSError as error:
        log.warning("%s was not published to the cache: %s; free space or make %s writable", result.key, error, cache)
        return False
    except StoreError as error:
        log.warning("%s was not published to the cache: %s", result.key, error)
        return False
    log.info("published to cache %s", result.key)
    return True


@dataclass(frozen=True)
class Entry:
    """What is known of an entry without reading its content: n_bytes as its manifest says, None where that is damaged.

    used: when it was published or last taken, in seconds since 1970.
    """

    path: Path
    key: str
    n_bytes: int | None
    used: float


def entries(cache: str | Path) -> list[Entry]:
    """All entries, least recently used first."""
    found = []
    for path in _folders(cache):
        if not _KEY.fullmatch(path.name):
            continue
        # One that someone else removes at this moment is none.
        with suppress(FileNotFoundError):
            found.append(_described(path))
    return sorted(found, key=lambda entry: (entry.used, entry.key))


def _described(path: Path) -> Entry:
    try:
        used = (path / _ENTRY).lstat().st_mtime
        n_bytes = sum(size for size, _ in manifests.read_manifest(path / _ENTRY, follow=False)["files"].values())
    except (FileNotFoundError, PermissionError):
        used, n_bytes = path.lstat().st_mtime, None
    except StoreError:
        n_bytes = None
    return Entry(path, f"{path.parent.name}/{path.name}", n_bytes, used)


def prune(cache: str | Path, days: float) -> list[Entry]:
    """Remove the entries that were not used for so many days, and what killed jobs left behind.

    Returns:
        the removed entries; entries of other users may have to stay.

    Leftovers go after a day, whatever `days` says; before that they may be those of a job that is publishing.
    """
    now = time.time()
    old = [entry for entry in entries(cache) if now - entry.used >= days * _DAY_S]
    for entry in old:
        _discard(entry.path)
    gone = [entry for entry in old if not os.path.lexists(entry.path)]
    for path in _folders(cache):
        with suppress(FileNotFoundError):
            # By their whole name: what others put here may be a link to a folder of theirs.
            if _LEFT.fullmatch(path.name) and now - path.stat().st_mtime >= _DAY_S:
                shutil.rmtree(path, ignore_errors=True)
    return gone


def _folders(cache: str | Path) -> Iterator[Path]:
    for kind in KINDS:
        folder = Path(cache) / kind
        if folder.is_dir():
            yield from (path for path in folder.iterdir() if path.is_dir())


def _description(entry: Path) -> dict[str, Any]:
    """The manifest of an entry, checked against its key.

    Raises:
        StoreError: it does not belong to the key, or is no manifest.
    """
    described = manifests.read_manifest(entry / _ENTRY, follow=False)
    if manifests.digest_of(described.get("made_of")) != entry.name:
        raise StoreError(f"{entry / _ENTRY}: expected what {entry.name} is a digest of, found something else")
    return described


def _put_names(result: Result, folder: Path) -> None:
    try:
        result.put_names(folder)
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        found = printable(f"{type(error).__name__}: {error}")
        raise StoreError(f"expected a folder to write names into, found another ({found})") from None


def _appears(temporary: Path, entry: Path) -> bool:
    """Move a finished entry to its place; returns whether that was free."""
    try:
        temporary.rename(entry)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        return False
    return True


def _check_room(folder: Path, files: Mapping[str, Sequence[Any]]) -> None:
    free, wanted = shutil.disk_usage(folder).free, sum(size for size, _ in files.values())
    if wanted > free:
        found = f"the entry takes {wanted / 1e6:.1f} MB, and {free / 1e6:.1f} MB are free"
        raise OSError(errno.ENOSPC, found, str(folder))


def _copy(source: Path, below: str, target: Path, files: Mapping[str, Sequence[Any]]) -> None:
    """Copy the content of files, without modes and times; those that are missing show when the copy is verified.

    Args:
        below: the folder in `source` that their names start from, with a slash at its end; "" for `source`.

    Raises:
        StoreError: one of them is a link or no file, or two are one file where they are copied to.
    """
    for name, (size, _) in files.items():
        file = target / name
        file.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError), manifests.open_inside(source, below + name) as stream:
            try:
                copy = file.open("xb")
            except FileExistsError:
                raise StoreError(
                    f"{printable(file)}: expected one file of that name, found two whose names differ in case or form"
                ) from None
            with copy:
                # No more than it should be: a file may grow while it is read.
                left = size + 1
                while left and (piece := stream.read(min(left, _PIECE))):
                    copy.write(piece)
                    left -= len(piece)


def _is_whole(entry: Path) -> bool:
    """Whether the entry itself is whole, so that the disk of the copy caused the trouble."""
    try:
        manifests.verify_content(entry / _CONTENT, _description(entry), entry / _ENTRY)
    except (StoreError, OSError):
        return False
    return not (entry / _CONTENT).is_symlink()


def _lacks_description(entry: Path) -> bool:
    try:
        (entry / _ENTRY).lstat()
    except FileNotFoundError:
        return entry.is_dir()
    return False


def _discard(entry: Path) -> None:
    """Take an entry out of the way, at once, and remove it; whoever is copying it finds that files are missing."""
    with suppress(OSError), files.temporary_folder(entry) as aside:
        entry.rename(aside / "old")
