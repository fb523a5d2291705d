"""The files of each utterance below a folder, and the paths that could not be read."""

import unicodedata
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from property_neurons.corpus.audio import AUDIO_SUFFIXES
from property_neurons.corpus.report import Trouble
from property_neurons.errors import CorpusError, printable, some_of
from property_neurons.stores.outside import composed
from property_neurons.stores.tree import Tree, walk

_EXAMPLES = 3


@dataclass(frozen=True)
class UtteranceFiles:
    """The files of each utterance below a folder.

    paths: {utterance: its files}; more than one where different files bear its name.
    not_read: paths below the folder that could not be read, each with its trouble.
    read_once: the same of paths that are reached twice: nothing is lost.
    """

    paths: dict[str, list[Path]]
    not_read: list[tuple[str, Trouble]]
    read_once: list[tuple[str, Trouble]]

    def reasons(self) -> str:
        """The unread paths, for a message that nothing was found: ", but a: ..., b: ..."."""
        return f", but {some_of([f'{name}: {trouble.detail}' for name, trouble in self.not_read])}" * bool(
            self.not_read
        )


def utterance_of(path: Path) -> str:
    """The utterance that a file is named after: its name without the ending."""
    return composed(path.stem)


def find_utterance_files(
    folder: Path, endings: Collection[str], name: Callable[[Path], str] = utterance_of
) -> UtteranceFiles:
    """The files below a folder whose names end in one of `endings`, by utterance.

    Args:
        folder: must exist; links below it are followed.
        endings: in lower case, such as ".flac".
        name: from a file to its utterance.
    """
    tree = walk(folder)
    files = tree.ending(endings)
    paths, read_once = defaultdict(list), []
    for path in files:
        earlier = next((other for other in paths[name(path)] if other.resolve() == path.resolve()), None)
        if earlier is None:
            paths[name(path)].append(path)
        else:
            read_once.append((path, earlier))
    return UtteranceFiles(dict(paths), not_read(tree, folder, files), once(folder, [*tree.read_once, *read_once]))


def not_read(tree: Tree, folder: Path, taken: Collection[Path]) -> list[tuple[str, Trouble]]:
    """Paths below a folder that could not be read, each with its trouble.

    Args:
        taken: files that have a reader, which names what is wrong with them.
    """
    known = set(taken)
    return [
        (path.relative_to(folder).as_posix(), _not_read(reason)) for path, reason in tree.not_read if path not in known
    ]


def once(folder: Path, found: Iterable[tuple[Path, Path]]) -> list[tuple[str, Trouble]]:
    """Paths below a folder that are reached twice, each with what says so."""
    return [(path.relative_to(folder).as_posix(), _read_once(other)) for path, other in found]


def other_audio(paths: Sequence[str], code: str, listed_by: str) -> tuple[tuple[str, str], ...]:
    """The one row about audio that a corpus does not list: (code, detail); none where there is none."""
    if not paths:
        return ()
    examples = ", ".join(paths[:_EXAMPLES]) + (", ..." if len(paths) > _EXAMPLES else "")
    detail = f"expected only audio that {listed_by}, found {len(paths)} other files ({examples}); nothing need be done"
    return ((code, detail),)


def files_below(folder: Path, remedy: str, name: Callable[[Path], str] = utterance_of) -> UtteranceFiles:
    """The audio below a folder of the corpus, by utterance.

    Args:
        remedy: what to do, beside checking the config, where there is none.
        name: from a file to its utterance.

    Raises:
        CorpusError: no such folder, or no audio below it.
    """
    if not folder.is_dir():
        raise CorpusError(f"{folder}: expected a folder of the corpus, found none; check the paths in the config")
    found = find_utterance_files(folder, AUDIO_SUFFIXES, name)
    if not found.paths:
        raise CorpusError(
            f"{folder}: expected audio ({', '.join(sorted(AUDIO_SUFFIXES))}) below it, found none{found.reasons()}; "
            f"check the paths in the config, or {remedy}"
        )
    return found


def relative_paths(paths: Iterable[Path], root: Path) -> tuple[str, ...]:
    """Paths as tables hold them: below `root`, with slashes."""
    return tuple(path.relative_to(root).as_posix() for path in paths)


def name_troubles(utterance: str, paths: Collection[Path], root: Path) -> list[Trouble]:
    """Whether an id, and its files' paths below `root`, can be written into tables."""
    return unusable_name(utterance, *relative_paths(paths, root))


def unusable_name(*names: str) -> list[Trouble]:
    """Whether names can be written into tables: UTF-8, no control characters."""
    for name in names:
        if not name.isprintable() and {"Cc", "Cs"} & set(map(unicodedata.category, name)):
            detail = f"expected a name in UTF-8 without control characters, found {printable(name)}; rename it"
            return [Trouble("unusable_name", detail)]
    return []


def _not_read(reason: str) -> Trouble:
    detail = f"expected files, folders, and links that lead to some, found {reason}; mend it or remove it"
    return Trouble("not_read", detail)


def _read_once(other: Path) -> Trouble:
    return Trouble("read_once", f"expected each file on one way, found {other} on another; nothing need be done")
