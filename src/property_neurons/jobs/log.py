"""The frame of every workflow job: short messages on the screen, everything in the rule's log, digests of outputs."""

import logging
import signal
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from property_neurons.errors import CodeChangedError, PropertyNeuronsError, printable, printable_lines
from property_neurons.jobs.explanation import explanation
from property_neurons.jobs.fingerprint import check_code
from property_neurons.jobs.kept import keep, set_kept_aside
from property_neurons.jobs.made_before import describe_kept, made_of, take_back
from property_neurons.jobs.parallel import script_not_run_by_processes
from property_neurons.jobs.stopping import Stopped, signals_raised
from property_neurons.jobs.streams import Lines, Log, Tee, say
from property_neurons.stores.files import set_all_aside
from property_neurons.stores.manifests import check_digest, forget_digest, record_digest


@contextmanager
def job_log(job: Any, *, took_hours: bool = False, again: bool = True) -> Iterator[logging.Logger]:
    """Run a job's work: its messages go to the screen and to the rule's log, the rest to the log alone.

    Before the work, input files are checked against the digests that their jobs recorded, and the code on disk against
    the fingerprint that the rule was planned with (`params.code`). After the work the code is checked again: if it has
    changed, outputs are set aside; else the digests of output files are recorded. Folders are checked by their
    manifests when they are opened.

    An error of this library is shown as its message; a full disk, too little memory and a failing file system as what
    they are; any other error as its last line and the place of the log, which holds the traceback. Either way the job
    ends with exit status 1. A signal ends it with a line, once what is half-written has been removed.

    Args:
        job: the `snakemake` object of a script; or what has such `log`, `input`, `output` and `params`.
        took_hours: what an earlier run made of the same is taken back, and the job ends well before its work
            (`jobs.made_before`); what it made of something else is kept beside what is made anew (`jobs.kept`).
        again: False makes it anew in any case, as where the job reads files that are none of its inputs.
    """
    screen = sys.stderr
    path = Path(job.log[0])
    made = [Path(output) for output in job.output]
    asked = getattr(job, "resources", None)
    made_whole = False
    code = job.params.get("code")
    try:
        log = Log(path)
    except OSError as error:
        say(screen, f"\nThe log cannot be made. {explanation(error, None, [path])}\n")
        sys.exit(1)
    try:
        logger = logging.getLogger("property_neurons")
        logger.setLevel(logging.INFO)
        to_log, to_screen = logging.StreamHandler(log), logging.StreamHandler(screen)
        to_log.setFormatter(Lines(timed=True))
        to_screen.setFormatter(Lines(timed=False))
        logger.handlers = [to_log, to_screen]
        logger.propagate = False
        logging.captureWarnings(True)
        logging.getLogger("py.warnings").handlers = [to_log]
        sys.stderr = Tee(log, screen)
        try:
            with signals_raised(), script_not_run_by_processes():
                for file in made:
                    forget_digest(file)
                for file in job.input:
                    check_digest(file)
                if code:
                    check_code(code)
                before = made_of(job) if took_hours and again else None
                if took_hours and take_back(made, before, logger):
                    _record(made)
                    sys.exit(0)
                if took_hours:
                    set_kept_aside(made, logger)
                yield logger
                made_whole = True
                if code:
                    check_code(code)
                _record(made)
                if took_hours and keep(made, logger):
                    try:
                        describe_kept(made, before)
                    except (OSError, PropertyNeuronsError) as error:
                        logger.warning("what is kept here cannot be described, and will not be taken back: %s", error)
        except PropertyNeuronsError as error:
            _note(log)
            say(screen, f"\n{error}\n")
            if made_whole or isinstance(error, CodeChangedError):
                say(screen, _set_aside(made))
            say(screen, f"(log: {path})\n")
            sys.exit(1)
        except KeyboardInterrupt as stopped:
            _note(log)
            stopped = stopped if isinstance(stopped, Stopped) else Stopped(signal.SIGINT)
            say(screen, f"\n{stopped}\n")
            sys.exit(stopped.exit_status)
        except Exception as error:
            _note(log)
            say(screen, f"\n{explanation(error, path, made, asked)}\n")
            if made_whole:
                say(screen, _set_aside(made))
            sys.exit(1)
        finally:
            sys.stderr = screen
            logging.captureWarnings(False)
            logger.handlers = []
    finally:
        log.close()
        if log.trouble:
            say(screen, f"The log is not whole. {explanation(log.trouble, None, [path])}\n")


def _record(made: Iterable[Path]) -> None:
    for file in made:
        if file.is_file() and not file.name.endswith(".manifest.json"):
            record_digest(file)


def _set_aside(made: Iterable[Path]) -> str:
    """Set outputs aside whose code may have changed meanwhile, or whose last checks failed.

    So no later job takes them for those of the plan, and Snakemake, which deletes the outputs of a failed job, does not
    find them.
    """
    there, lines = [path for path in made if path.exists()], []
    with suppress(OSError):
        lines = [
            f"{printable(path)} was set aside: {printable(aside)}\n"
            for path, aside in zip(there, set_all_aside(there), strict=True)
        ]
    return "".join([*lines, "What was set aside may be good; look at it, or delete it.\n"] if lines else [])


def _note(log: Log) -> None:
    # Where memory is short, the traceback may be too much.
    with suppress(MemoryError):
        log.write(printable_lines(traceback.format_exc()))
