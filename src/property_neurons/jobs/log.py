"""What all workflow jobs do: short messages on the screen, everything in the rule's log, digests of what is made."""

import errno
import logging
import re
import shutil
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from property_neurons.errors import PropertyNeuronsError
from property_neurons.stores.manifests import check_digest, forget_digest, record_digest

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
# Rust's libraries (safetensors) tell the number in words only; torch tells that it could not write and not why.
_NO_ROOM_IN_WORDS = re.compile(
    rf"os error ({'|'.join(map(str, sorted(_NO_ROOM)))})\b|PytorchStreamWriter failed writing"
)


class _Tee:
    """A stream that writes to the log, and to the terminal as well where there is one (for progress bars)."""

    def __init__(self, log, terminal) -> None:
        self._log, self._terminal = log, terminal

    def write(self, text: str) -> int:
        # A bar redraws itself over a carriage return; in the log each state is a line of its own.
        self._log.write(text.replace("\r", "\n"))
        if self._terminal.isatty():
            self._terminal.write(text)
        return len(text)

    def flush(self) -> None:
        self._log.flush()
        self._terminal.flush()

    def isatty(self) -> bool:
        return self._terminal.isatty()

    def fileno(self) -> int:
        return self._log.fileno()


@contextmanager
def job_log(
    path: str | Path, inputs: Iterable[str | Path] = (), outputs: Iterable[str | Path] = ()
) -> Iterator[logging.Logger]:
    """Run a job's work: its messages go to the screen and to the log at `path`, the rest to the log alone.

    Args:
        inputs: files that are held, before the work, against the digests that the jobs that made them wrote down;
            folders are left to whoever opens them, by their manifests.
        outputs: files whose digests are written down after the work; folders and manifests need none.

    An error of this library is shown as its message, a full disk as what it is; any other error as its last line
    and the place of the log, which holds the traceback. Either way the job ends with exit status 1.
    """
    screen = sys.stderr
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    log = path.open("w", buffering=1)
    made = [Path(output) for output in outputs]
    try:
        logger = logging.getLogger("property_neurons")
        logger.setLevel(logging.INFO)
        to_log, to_screen = logging.StreamHandler(log), logging.StreamHandler(screen)
        to_log.setFormatter(logging.Formatter("%(asctime)s %(message)s", datefmt="%H:%M:%S"))
        to_screen.setFormatter(logging.Formatter("%(message)s"))
        logger.handlers = [to_log, to_screen]
        logger.propagate = False
        logging.captureWarnings(True)
        logging.getLogger("py.warnings").handlers = [to_log]
        sys.stderr = _Tee(log, screen)
        try:
            for file in made:
                forget_digest(file)
            for file in inputs:
                check_digest(file)
            yield logger
            for file in made:
                if file.is_file() and not file.name.endswith(".manifest.json"):
                    record_digest(file)
        except PropertyNeuronsError as error:
            _note(log)
            screen.write(f"\n{error}\n(log: {path})\n")
            sys.exit(1)
        except Exception as error:
            _note(log)
            screen.write(f"\n{_explanation(error, path, made[0].parent if made else path.parent)}\n")
            sys.exit(1)
        finally:
            sys.stderr = screen
            logging.captureWarnings(False)
            logger.handlers = []
    finally:
        # On a full disk closing fails too; the screen has said so.
        with suppress(OSError):
            log.close()


def _note(log: TextIO) -> None:
    with suppress(OSError):
        log.write(traceback.format_exc())


def _explanation(error: Exception, path: Path, folder: Path) -> str:
    """What to say of an error that is not of ours; `folder`: of what the job was to make."""
    if getattr(error, "errno", None) in _NO_ROOM or _NO_ROOM_IN_WORDS.search(str(error)):
        there = next(parent for parent in (folder, *folder.absolute().parents) if parent.is_dir())
        usage = shutil.disk_usage(there)
        return (
            f"There is no room to write in {folder}: {error} (free there now: {usage.free / 1e6:.1f} MB of "
            f"{usage.total / 1e6:.1f}; what was half-written has been removed)\n"
            "Free space, or raise the quota or limit, and run again: what is finished is kept, nothing half-written is."
        )
    return f"unexpected {type(error).__name__}: {error}\nThe traceback is in {path}; please report it."
