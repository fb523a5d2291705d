"""Errors whose message is meant for the person at the keyboard.

Every message names the thing (utterance, layer, key), what was expected, what was found, and ends
with what to do. The workflow prints the message alone and keeps the traceback in the rule's log.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

_NAMED = 5


def some_of(names: Sequence[str]) -> str:
    """Many names in one message: the first five, and how many more there are: "a, b, c, d, e and 3 more"."""
    rest = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def printable(text: object, *, keep: str = "") -> str:
    """Text from outside, such as a file name, as it can be shown: what moves a cursor or hides is escaped ("\\x1b").

    A name that is not UTF-8, which Python holds as surrogates, is escaped too: what this returns can always be written.

    Args:
        keep: characters that stay as they are.
    """
    return "".join(
        letter if letter.isprintable() or letter in keep else letter.encode("unicode_escape").decode("ascii")
        for letter in str(text)
    )


def printable_lines(text: object) -> str:
    """As `printable`, of a message that has lines of its own: what a terminal is given, whatever it quotes."""
    return printable(text, keep="\n\t")


class PropertyNeuronsError(Exception):
    """Base of every error this library raises on purpose."""


@contextmanager
def message_alone() -> Iterator[None]:
    """End a command with status 1 and the message of its error, without a traceback.

    Raises:
        SystemExit: an error of this library, or of the system: a file that cannot be read, or written to.
    """
    try:
        yield
    except PropertyNeuronsError as error:
        sys.exit(printable_lines(error))
    except OSError as error:
        name, reason = printable(error.filename or "a file"), error.strerror or printable(error)
        sys.exit(f"{name}: {reason}; see that it can be read, or written to")


class ConfigError(PropertyNeuronsError):
    """The configuration contradicts itself or names something unknown."""


class CorpusError(PropertyNeuronsError):
    """A corpus, or something in it, cannot be used."""


class AudioError(CorpusError):
    """An audio file cannot be read as the corpus promises."""


class AlignmentError(CorpusError):
    """A forced alignment cannot be read or contradicts itself."""


class ModelError(PropertyNeuronsError):
    """A model cannot be loaded, or is of a class whose neurons are not known."""


class StoreError(PropertyNeuronsError):
    """A stored artefact is missing, damaged, or does not belong to the others."""


class CodeChangedError(PropertyNeuronsError):
    """The library's code is not the one that a job was planned with."""


class CountingError(PropertyNeuronsError):
    """Ranks, frames and settings do not fit together."""


class JobError(PropertyNeuronsError):
    """A job could not end its work: a process of it was killed, or something that it needs of the machine is absent."""


class TaskError(PropertyNeuronsError):
    """A task cannot be set up or scored as asked."""


class DivergedError(ModelError, TaskError):
    """A training came to something that is not finite."""
