"""Writing to the log and the screen: without control characters, and without errors of its own."""

import logging
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from property_neurons.errors import printable, printable_lines

# With this tqdm goes up to a bar above another.
_UP = "\x1b[A"


class Log:
    """The file of a rule's log. A job does not end because its log cannot be written; `trouble` says why it could not.

    Raises:
        OSError: the file cannot be made.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("w", buffering=1, encoding="utf-8", errors="backslashreplace")
        self.trouble: OSError | None = None

    def write(self, text: str) -> int:
        try:
            return self._file.write(text)
        except OSError as error:
            self.trouble = error
            return len(text)

    def flush(self) -> None:
        try:
            self._file.flush()
        except OSError as error:
            self.trouble = error

    def fileno(self) -> int:
        return self._file.fileno()

    def close(self) -> None:
        # What could not be written is tried once more, and fails again.
        try:
            self._file.close()
        except OSError as error:
            self.trouble = error


class Tee:
    """A stream that writes to the log, and to the terminal as well where there is one (for progress bars)."""

    def __init__(self, log: Log, terminal: TextIO) -> None:
        self._log, self._terminal = log, terminal

    def write(self, text: str) -> int:
        # A bar redraws itself over a carriage return; in the log each state is a line of its own.
        shown = [printable(piece, keep="\n\t\r") for piece in text.split(_UP)]
        self._log.write("".join(shown).replace("\r", "\n"))
        if self._terminal.isatty():
            say(self._terminal, _UP.join(shown), escape=False)
        return len(text)

    def flush(self) -> None:
        self._log.flush()
        with suppress(OSError):
            self._terminal.flush()

    def isatty(self) -> bool:
        return self._terminal.isatty()

    def fileno(self) -> int:
        return self._log.fileno()


def say(screen: TextIO, text: str, *, escape: bool = True) -> None:
    """Write to the screen, even if it was closed (`snakemake | head`)."""
    with suppress(OSError):
        screen.write(printable_lines(text) if escape else text)
        screen.flush()


class Lines(logging.Formatter):
    """Messages without control characters.

    Args:
        timed: begin with the time; the further lines of a message are then indented, so that a name with a line in it
            is taken for no message of its own.
    """

    def __init__(self, *, timed: bool) -> None:
        super().__init__("%(asctime)s %(message)s" if timed else "%(message)s", datefmt="%H:%M:%S")
        self._timed = timed

    def format(self, record: logging.LogRecord) -> str:
        text = printable_lines(super().format(record))
        return text.replace("\n", "\n         ") if self._timed else text
