"""The list of a corpus's utterances, before any of its files is read.

Each layout (LibriSpeech, VoxCeleb1, a table, a folder) has a reader that gives this one list; `scan` does the rest.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from property_neurons.corpus.report import Trouble


@dataclass(frozen=True)
class Listed:
    """One utterance, as its layout lists it.

    audio: its audio files, relative to the root of the corpus, or absolute; more than one are a trouble.
    speaker: "" where it is not known, which is a trouble.
    gender: "M", "F" or another word; "" where it is not known.
    columns: what else is known, by the names of `Listing.types`: text, a number, or None where it is missing.
    troubles: what is wrong so far. The scan looks no further at an utterance with an unusable name.
    """

    utterance: str
    audio: tuple[str, ...]
    speaker: str
    gender: str = ""
    transcript: str = ""
    columns: Mapping[str, str | float | None] = field(default_factory=dict)
    troubles: tuple[Trouble, ...] = ()


@dataclass(frozen=True)
class Listing:
    """All utterances of one subset, sorted by id.

    types: the other columns: "str" or "float64".
    not_read, read_once: (path or "", trouble) of paths that could not be read, and of paths that were reached twice.
    ignored: (code, detail) of files that the corpus does not list; they do no harm.
    """

    root: Path
    utterances: tuple[Listed, ...]
    types: Mapping[str, str] = field(default_factory=dict)
    not_read: tuple[tuple[str, Trouble], ...] = ()
    read_once: tuple[tuple[str, Trouble], ...] = ()
    ignored: tuple[tuple[str, str], ...] = ()


def repeated_audio(paths: Collection[Path]) -> list[Trouble]:
    """The trouble of an utterance whose id belongs to several audio files."""
    if len(paths) <= 1:
        return []
    detail = f"expected one audio file of this id, found {', '.join(map(str, paths))}; remove all but one"
    return [Trouble("duplicate_utterance", detail)]
