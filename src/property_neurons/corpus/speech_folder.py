"""Recordings in a folder whose paths say who speaks: the rows that a table would have.

    recordings: "{speaker}/{utterance}.wav"                  the Montreal Forced Aligner's layout
    recordings: "{part}/{dialect}/{gender:1}{name}/{sentence}.wav", speaker: "{gender}{name}"       TIMIT

Transcripts that are not there, or are no text, are empty.
"""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from property_neurons.corpus.file_patterns import filled_in, path_matcher
from property_neurons.corpus.report import Trouble
from property_neurons.corpus.utterance_files import AUDIO_SUFFIXES, not_read, once, other_audio
from property_neurons.errors import CorpusError, StoreError, printable
from property_neurons.stores.outside import as_on_disk, composed, read_text
from property_neurons.stores.tree import walk

NOT_MATCHED = "not_in_pattern"
"""Audio below the folder that the pattern does not match."""


@dataclass(frozen=True, eq=False)
class FolderRows:
    """What a folder holds: `rows` of its recordings, and the other fields of a `Listing`."""

    rows: pd.DataFrame
    not_read: tuple[tuple[str, Trouble], ...]
    read_once: tuple[tuple[str, Trouble], ...]
    ignored: tuple[tuple[str, str], ...]


def folder_rows(
    root: str | Path,
    recordings: str,
    *,
    speaker: str,
    utterance: str,
    alignment: str | None,
    transcript: str | None,
) -> FolderRows:
    """One row for each file below a folder that a pattern matches, as `own_tables.read_own_table` would give it.

    Args:
        root: the folder.
        recordings: a pattern (`file_patterns`) of paths below it; its fields become columns.
        speaker, utterance: of the fields, such as "{speaker}".
        alignment, transcript: paths of files, with fields, or None; a transcript that is not there is empty.

    Raises:
        CorpusError: no folder, or no file that the pattern matches.
    """
    root = Path(root)
    if not root.is_dir():
        raise CorpusError(f"{printable(root)}: expected a folder of recordings, found none; correct `root`")
    # A name that is not UTF-8 stands in no table: under another one the scan reports it.
    tree = walk(root)
    paths = [path.relative_to(root).as_posix().encode(errors="backslashreplace").decode() for path in tree.files]
    matcher, rows, taken, others = path_matcher(recordings), [], [], []
    for path, file in zip(paths, tree.files, strict=True):
        if (found := matcher.fullmatch(path)) is None:
            others += [path] if file.suffix.lower() in AUDIO_SUFFIXES else []
            continue
        taken.append(file)
        fields = {name: composed(value) for name, value in found.groupdict().items()}
        row = fields | {"utterance": filled_in(utterance, fields), "speaker": filled_in(speaker, fields), "audio": path}
        if alignment is not None:
            row["alignment"] = _of_any_case(filled_in(alignment, found.groupdict()))
        if transcript is not None:
            row["transcript"] = _words(Path(_of_any_case(filled_in(transcript, found.groupdict()))))
        rows.append(row)
    if not rows:
        there = f"{len(paths)} files, such as {printable(paths[0])}" if paths else "no file"
        raise CorpusError(
            f"{printable(root)}: expected recordings at {recordings}, found {there}; correct `recordings`"
        )
    table = pd.DataFrame(rows, dtype="str")
    return FolderRows(
        table.set_axis(table["audio"]),
        tuple(not_read(tree, root, taken)),
        tuple(once(root, tree.read_once)),
        other_audio(others, NOT_MATCHED, "`recordings` matches"),
    )


def _of_any_case(path: str) -> str:
    """The path; where no such file exists, the path with the ending in the other case: TIMIT has .PHN or .phn."""
    named = Path(path).absolute()
    others = (named.with_suffix(change(named.suffix)) for change in (str.lower, str.upper))
    forms = map(as_on_disk, (named, *others))
    return str(next((one for one in forms if one.exists()), named))


def _words(path: Path) -> str:
    try:
        return " ".join(read_text(path).split())
    except StoreError:
        return ""
