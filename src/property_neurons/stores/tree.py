"""Listing a user's folder: links are followed, names that start with a dot are not data."""

import os
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Tree:
    """The files below a folder.

    files: sorted. They include links that lead nowhere, so that their reader names them.
    not_read: sorted, with the reason: folders that cannot be opened, and links that lead nowhere.
    read_once: sorted, with the other path: folders that are read under another path, or that lie above.
    """

    files: tuple[Path, ...]
    not_read: tuple[tuple[Path, str], ...]
    read_once: tuple[tuple[Path, Path], ...]

    def ending(self, endings: Collection[str]) -> list[Path]:
        """The files whose names end in one of `endings`, which are in lower case, whatever the case of the names."""
        return [path for path in self.files if path.name.lower().endswith(tuple(endings))]


def walk(root: str | Path) -> Tree:
    """Everything below `root`: each folder once, by its own path rather than by a link.

    Where `root` does not exist there are no files, and `not_read` has `root`.
    """
    root = Path(root)
    files: list[Path] = []
    not_read: list[tuple[Path, str]] = []
    read_once: list[tuple[Path, Path]] = []
    seen = {}
    for folder in (*root.absolute().parents, *root.resolve().parents):
        with suppress(OSError):
            seen[_identity(folder)] = folder
    folders, links = [root], []
    while folders or links:
        # Links last: what lies below the root itself keeps its own path.
        folder = folders.pop() if folders else links.pop()
        try:
            identity = _identity(folder)
            if identity in seen:
                read_once.append((folder, seen[identity]))
                continue
            seen[identity] = folder
            with os.scandir(folder) as scanned:
                entries = sorted(scanned, key=lambda entry: entry.name, reverse=True)
        except OSError as error:
            not_read.append((folder, f"a folder that cannot be looked into ({error.strerror})"))
            continue
        for entry in entries:
            if entry.name.startswith("."):
                continue
            path = folder / entry.name
            try:
                if entry.is_dir():
                    (links if entry.is_symlink() else folders).append(path)
                elif entry.is_file():
                    files.append(path)
                elif entry.is_symlink():
                    files.append(path)
                    not_read.append((path, f"a link to {path.readlink()}, where nothing is"))
            except OSError as error:
                not_read.append((path, f"a link that cannot be followed ({error.strerror})"))
    return Tree(tuple(sorted(files)), tuple(sorted(not_read)), tuple(sorted(read_once)))


def _identity(folder: Path) -> tuple[int, int]:
    info = folder.stat()
    return info.st_dev, info.st_ino
