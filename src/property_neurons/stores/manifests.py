"""Reading that notices damage, by manifests of folders and digests of files.

A manifest lies beside its folder (`0.zarr` -> `0.manifest.json`), with size and digest of every file in the folder and
a checksum of the manifest itself. Rules depend on the manifest, so a touched folder re-runs nothing and a changed value
re-runs what it must. Readers first check the folder against its manifest: a missing chunk is an error, never a zero.
Files without a manifest (tables, mostly) have a digest beside them (`x.tsv` -> `.x.tsv.digest`). Every job writes the
digests of its outputs and checks those of its inputs.
"""

import errno
import hashlib
import json
import os
import re
import stat
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from property_neurons.errors import StoreError, printable
from property_neurons.stores.files import atomic_path, new_folder, write_json
from property_neurons.stores.outside import decoded, parse_json

# Of 700,000 files; the manifest of the largest alignments (LibriSpeech's train-other-500) takes 13 MB.
_LARGEST = 2**26
_DIGEST = re.compile(r"[0-9a-f]{32}")


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
    """The entry of a manifest for `files` in `directory` (by default all): sizes, digests, one digest of all.

    Raises:
        StoreError: a name cannot be written into a manifest, or something in the directory is neither file nor folder.
    """
    directory = Path(directory)
    chosen = sorted(_files_in(directory) if files is None else files)
    names = [file.relative_to(directory).as_posix() for file in chosen]
    for name in names:
        if found := _unfit_name(name):
            raise StoreError(f"{printable(directory)}: expected names of files, found {found}; rename the file")
    entries = {name: describe_file(file) for name, file in zip(names, chosen, strict=True)}
    return {"digest": digest_of(entries), "files": entries}


def describe_file(file: Path) -> list[int | str]:
    """[size in bytes, digest] of a file, as a manifest has them."""
    with file.open("rb") as stream:
        return [os.fstat(stream.fileno()).st_size, _digest(stream)]


def _files_in(directory: Path) -> Iterator[Path]:
    for path in directory.rglob("*"):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise StoreError(f"{printable(path)}: expected a file or folder, found {_what_is_at(path)}; remove it")
        if path.is_file():
            yield path


@contextmanager
def new_described_folder(
    folder: str | Path,
    manifest: str | Path | None = None,
    *,
    noted: Mapping[str, Any] | None = None,
    replace: bool = True,
) -> Iterator[Path]:
    """Yield an empty folder; it becomes `folder`, and its manifest is written, when the block ends well.

    The manifest of a replaced folder is removed first, so that a manifest never describes another folder.

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
    """Write a manifest, {digest, files, further notes}, with a checksum of all of it.

    Args:
        content: of `describe_files`, and what else readers need to know.
    """
    write_json(manifest, content | {"checksum": _checksum(content)})


def read_manifest(manifest: str | Path, *, follow: bool = True) -> dict[str, Any]:
    """Read a manifest: {digest, files, further notes}. Manifests older than checksums have none.

    The names of its files are relative and stay within the folder.

    Args:
        follow: read the manifest where it is a link itself.

    Raises:
        StoreError: it is absent, no manifest, or not as it was written.
    """
    shown = printable(manifest)
    if Path(manifest).is_dir():
        beside = Path(f"{manifest}".removesuffix(".zarr") + ".manifest.json")
        remedy = (
            f"give {printable(beside)}, which lies beside it"
            if beside.exists()
            else "give the manifest that the workflow writes: of a model results/models/NAME.manifest.json"
        )
        raise StoreError(f"{shown}: expected a manifest, found a folder; {remedy}")
    try:
        content = parse_json(decoded(_manifest_bytes(Path(manifest), follow=follow), manifest))
        found = _unfit(content)
    except FileNotFoundError:
        raise StoreError(f"{shown}: expected a manifest, found nothing; run the rule that makes it") from None
    except OSError as error:
        raise StoreError(
            f"{shown}: expected a manifest, found {error.strerror}; make it readable, and run again"
        ) from None
    except ValueError as error:
        found = str(error)
    except RecursionError:
        found = "lists or objects nested too deep"
    if found:
        raise StoreError(f"{shown}: expected a manifest as it was written, found {found}; {_remedy(manifest)}")
    content.pop("checksum", None)
    return content


def _manifest_bytes(manifest: Path, *, follow: bool) -> bytes:
    with _opened(manifest, follow=follow) as stream:
        raw = stream.read(_LARGEST + 1)
    if len(raw) > _LARGEST:
        raise ValueError(f"more than {_LARGEST >> 20} MiB")
    return raw


def _unfit(content: Any) -> str | None:
    """Why this is not an intact manifest; None where it is one."""
    if not isinstance(content, dict) or not isinstance(content.get("files"), dict):
        return "no manifest"
    for name, entry in content["files"].items():
        if found := _unfit_name(name) or _unfit_entry(name, entry):
            return found
    folders = {name[:end] for name in content["files"] for end in _ends_of_folders(name)}
    if both := sorted(folders & content["files"].keys()):
        return f"{printable(repr(both[0]))} as a file and as a folder"
    if content.get("digest") != digest_of(content["files"]):
        return "entries of another digest"
    checksum = _checksum({key: value for key, value in content.items() if key != "checksum"})
    return None if content.get("checksum", checksum) in (None, checksum) else "values of another checksum"


def _unfit_name(name: str) -> str | None:
    """Why a name cannot be that of a file below the described folder; None where it can."""
    if any(part in ("", ".", "..") for part in name.split("/")):
        found = "that leads elsewhere"
    elif "\\" in name:
        found = "with a backslash"
    elif any(unicodedata.category(letter) in ("Cc", "Cs") for letter in name):
        found = "with characters that are no text"
    else:
        return None
    return f"the name {printable(repr(name))} {found}"


def _unfit_entry(name: str, entry: Any) -> str | None:
    match entry:
        case [int(size), str(digest)] if not isinstance(size, bool) and 0 <= size < 2**63 and _DIGEST.fullmatch(digest):
            return None
    return f"something else than [bytes, digest] of {printable(name)}"


def _ends_of_folders(name: str) -> Iterator[int]:
    return (place for place, letter in enumerate(name) if letter == "/")


def verify_files(directory: str | Path, manifest: str | Path, *, only: Collection[str] | None = None) -> dict[str, Any]:
    """Check every file in `directory`, or those named `only`, against `manifest`; returns the manifest.

    Raises:
        StoreError: the directory or the manifest is absent, or a file in it is missing, altered, or a link; the
            manifest has none of these names.
    """
    content = read_manifest(manifest)
    files = content["files"] if only is None else {name: content["files"].get(name) for name in only}
    if None in files.values():
        raise StoreError(
            f"{printable(manifest)}: expected {', '.join(only)} among its files, found "
            f"{', '.join(map(printable, content['files'])) or 'none'}; {_remedy(manifest)}"
        )
    verify_content(directory, content | {"files": files}, manifest)
    return content


def verify_content(directory: str | Path, content: Mapping[str, Any], manifest: str | Path) -> None:
    """As `verify_files`, with the content of a manifest that was read before; `manifest` is its name for messages.

    Raises:
        StoreError: the directory is absent, or a file in it is missing, altered, or a link.
    """
    directory, shown, remedy = Path(directory), printable(directory), _remedy(manifest)
    if not directory.is_dir():
        raise StoreError(f"{shown}: expected a folder (its manifest is there), found nothing; {remedy}")
    for name, (size, digest) in content["files"].items():
        try:
            with open_inside(directory, name) as stream:
                found = os.fstat(stream.fileno()).st_size
                if found != size:
                    raise StoreError(f"{shown}: {printable(name)} should be {size} bytes, found {found}; {remedy}")
                if _digest(stream) != digest:
                    raise StoreError(f"{shown}: the content of {printable(name)} is not what was written; {remedy}")
        except FileNotFoundError:
            raise StoreError(f"{shown}: {printable(name)} is missing; {remedy}") from None


def open_inside(directory: str | Path, name: str) -> IO[bytes]:
    """Open a file for reading by its name below a folder, safely even if others replace it at this moment.

    Raises:
        FileNotFoundError: the file does not exist.
        StoreError: the file, or a folder between `directory` and the file, is a link; or it is not a file.
    """
    directory = Path(directory)
    *folders, last = name.split("/")
    place = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for depth, folder in enumerate(folders, 1):
            try:
                inner = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=place)
            except NotADirectoryError:
                raise _no_file(directory.joinpath(*folders[:depth]), "a folder") from None
            os.close(place)
            place = inner
        return _opened(Path(last), folder=place, shown=directory / name, follow=False)
    finally:
        os.close(place)


def _opened(file: Path, *, folder: int | None = None, shown: Path | None = None, follow: bool) -> IO[bytes]:
    """A file, open for reading. Nothing else is opened, because a pipe could block and a device could do anything."""
    there = os.stat(file, dir_fd=folder, follow_symlinks=follow)
    if not stat.S_ISREG(there.st_mode):
        raise _no_file(shown or file, "a file")
    flags = os.O_RDONLY | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW)
    try:
        stream = os.fdopen(os.open(file, flags, dir_fd=folder), "rb")
    except OSError as error:
        if follow or error.errno != errno.ELOOP:
            raise
        raise _no_file(shown or file, "a file") from None
    if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
        stream.close()
        raise _no_file(shown or file, "a file")
    return stream


def _no_file(path: Path, expected: str) -> StoreError:
    return StoreError(
        f"{printable(path)}: expected {expected}, found {_what_is_at(path)}; put the file itself in its place, or make "
        "it anew"
    )


def _what_is_at(path: Path) -> str:
    kinds = {stat.S_IFLNK: "a link", stat.S_IFREG: "a file", stat.S_IFDIR: "a folder"}
    try:
        return kinds.get(stat.S_IFMT(path.lstat().st_mode), "a pipe, socket or device")
    except OSError as error:
        return str(error.strerror)


def verify_described(files: Iterable[str | Path]) -> None:
    """Check the folder beside each manifest among `files` (`x.manifest.json` -> `x`), as `verify_files` does.

    Raises:
        StoreError: a folder is absent, or a file in it is missing or altered.
    """
    for file in files:
        if str(file).endswith(".manifest.json"):
            verify_files(described_folder(file), file)


def record_digest(path: str | Path) -> None:
    """Write the digest of a finished file beside it: `x.tsv` -> `.x.tsv.digest`."""
    path = Path(path)
    with atomic_path(_digest_path(path)) as temporary:
        size, digest = describe_file(path)
        temporary.write_text(f"{size} {digest}\n", encoding="utf-8")


def forget_digest(path: str | Path) -> None:
    """Remove the digest of `record_digest`, before the file is written again."""
    _digest_path(Path(path)).unlink(missing_ok=True)


def has_digest(path: str | Path) -> bool:
    """Whether a file is there, with a digest that was written when it was finished."""
    return Path(path).is_file() and _digest_path(Path(path)).is_file()


def check_digest(path: str | Path) -> None:
    """Check a file against its digest of `record_digest`; a file without one, such as a user's own, passes.

    Raises:
        StoreError: the file was altered.
    """
    path = Path(path)
    if not has_digest(path):
        return
    record = _digest_path(path)
    size, _, digest = record.read_text(errors="replace", encoding="utf-8").strip().partition(" ")
    found = str(path.stat().st_size)
    if found != size:
        found = f"{found} bytes"
    elif describe_file(path)[1] != digest:
        found = "another content of that size"
    else:
        return
    raise StoreError(
        f"{printable(path)}: expected the {printable(size)} bytes that were written, found {found}; delete it and run "
        f"again: it is then made anew (if you changed it on purpose, delete {printable(record)} instead)"
    )


def _remedy(manifest: str | Path) -> str:
    return f"delete {printable(manifest)} and run again: what it describes is then made anew"


def _digest_path(path: Path) -> Path:
    return path.with_name(f".{path.name}.digest")


def _checksum(content: dict[str, Any]) -> str:
    # As it is once written and read again, where tuples are lists.
    return digest_of(json.loads(json.dumps(content)))


def _digest(stream: IO[bytes]) -> str:
    return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
