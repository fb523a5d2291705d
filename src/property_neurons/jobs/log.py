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
from typing import Any, TextIO

from property_neurons.errors import CodeChangedError, PropertyNeuronsError
from property_neurons.jobs.fingerprint import check_code
from property_neurons.jobs.kept import keep, set_kept_aside
from property_neurons.stores.files import set_all_aside
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
def job_log(job: Any, *, took_hours: bool = False) -> Iterator[logging.Logger]:
    """Run a job's work: its messages go to the screen and to the rule's log, the rest to the log alone.

    Before the work, input files are held against the digests that the jobs that made them wrote down, and the code on
    disk against the fingerprint that the rule was planned with (`params.code`). After it, the code is held against that
    again (what was made meanwhile is set aside where it differs), and the digests of output files are written down.
    Folders are left to whoever opens them, by their manifests.

    An error of this library is shown as its message, a full disk as what it is; any other error as its last line
    and the place of the log, which holds the traceback. Either way the job ends with exit status 1.

    Args:
        job: the `snakemake` object of a script; or what has such `log`, `input`, `output` and `params`.
        took_hours: what an earlier run made is kept beside what is made anew; see `jobs.kept`.
    """
    screen = sys.stderr
    path = Path(job.log[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    log = path.open("w", buffering=1, encoding="utf-8", errors="backslashreplace")
    made = [Path(output) for output in job.output]
    made_whole = False
    code = job.params.get("code")
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
            for file in job.input:
                check_digest(file)
            if code:
                check_code(code)
            if took_hours:
                set_kept_aside(made, logger)
            yield logger
            made_whole = True
            if code:
                check_code(code)
            for file in made:
                if file.is_file() and not file.name.endswith(".manifest.json"):
                    record_digest(file)
            if took_hours:
                keep(made, logger)
        except PropertyNeuronsError as error:
            _note(log)
            screen.write(f"\n{error}\n")
            if made_whole or isinstance(error, CodeChangedError):
                screen.write(_set_aside(made))
            screen.write(f"(log: {path})\n")
            sys.exit(1)
        except Exception as error:
            _note(log)
            screen.write(f"\n{_explanation(error, path, made[0].parent if made else path.parent)}\n")
            if made_whole:
                screen.write(_set_aside(made))
            sys.exit(1)
        finally:
            sys.stderr = screen
            logging.captureWarnings(False)
            logger.handlers = []
    finally:
        # On a full disk closing fails too; the screen has said so.
        with suppress(OSError):
            log.close()


def _set_aside(made: Iterable[Path]) -> str:
    """Set aside what was made where its code may have changed meanwhile, or what followed failed.

    No later job takes it for that of the plan, and Snakemake, which deletes what a failed job has made, does not find
    it.
    """
    there, lines = [path for path in made if path.exists()], []
    with suppress(OSError):
        lines = [f"{path} was set aside: {aside}\n" for path, aside in zip(there, set_all_aside(there), strict=True)]
    return "".join([*lines, "What was set aside may be good; look at it, or delete it.\n"] if lines else [])


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
