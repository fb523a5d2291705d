"""A few files of a corpus, spread over its folders, found without listing all of them."""

import os
from collections.abc import Sequence
from pathlib import Path

_DEEPEST = 12


def sampled_files(folder: str | Path, endings: Sequence[str], count: int) -> list[Path]:
    """At most `count` files below a folder whose names end in one of `endings`; the same ones each time.

    Folders and files are taken at even distances from their sorted names, so that few folders are opened however many
    there are. Links are followed; names that start with a dot are not data. A folder that cannot be opened has none.
    """
    return sorted(_sampled(Path(folder), tuple(endings), count, ()))


def _sampled(folder: Path, endings: tuple[str, ...], count: int, above: tuple[str, ...]) -> list[Path]:
    real = os.path.realpath(folder)
    if count <= 0 or real in above or len(above) >= _DEEPEST:
        return []
    try:
        with os.scandir(folder) as scanned:
            entries = sorted((entry for entry in scanned if entry.name[0] != "."), key=lambda entry: entry.name)
    except OSError:
        return []
    folders = [entry.name for entry in entries if _is_folder(entry)]
    there = set(folders)
    files = [entry.name for entry in entries if entry.name not in there and entry.name.lower().endswith(endings)]
    found = [folder / name for name in evenly(files, count)]
    chosen = evenly(folders, count - len(found))
    # What a folder lacks of its share, the next ones make up for.
    for position, name in enumerate(chosen):
        share = -(-(count - len(found)) // (len(chosen) - position))
        found += _sampled(folder / name, endings, share, (*above, real))
    return found


def evenly(names: Sequence[str], count: int) -> list[str]:
    """At most `count` of some names, at even distances."""
    if count <= 0:
        return []
    if len(names) <= count:
        return list(names)
    return [names[(2 * index + 1) * len(names) // (2 * count)] for index in range(count)]


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False
