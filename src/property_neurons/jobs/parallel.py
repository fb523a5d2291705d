"""Work in other processes: over utterances, with results in the order of the input, and by a program."""

import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from typing import Any, TypeVar

from property_neurons.errors import JobError, printable

Item = TypeVar("Item")
Result = TypeVar("Result")

_CHUNK = 16
_PATIENCE = 10.0  # seconds; Slurm waits for 30 before it kills
_function: Callable | None = None


def map_in_processes(function: Callable[[Item], Result], items: Sequence[Item], workers: int) -> Iterator[Result]:
    """Yield function(item) for each item, in order, computed by `workers` processes (1: in this one).

    Raises:
        JobError: a process was killed, or ended without a word.
    """
    if workers <= 1:
        yield from map(function, items)
        return
    # fork: a spawned process would run the calling script again, and workflow scripts have no __main__ guard.
    # It also hands over what the function holds (all labels of a corpus, say) without copying it.
    with ProcessPoolExecutor(workers, get_context("fork"), initializer=_install, initargs=(function,)) as pool:
        chunks = [items[start : start + _CHUNK] for start in range(0, len(items), _CHUNK)]
        waiting, processes, done = deque(), [], 0
        try:
            # Not by pool.map: it cancels what waits when it is interrupted, on which the pool's thread stumbles (3.11).
            for chunk in chunks:
                waiting.append(pool.submit(_call, chunk))
                processes = list(pool._processes.values())
            while waiting:
                yield from waiting.popleft().result()
                done += 1
        except BrokenProcessPool:
            at_work = [item for chunk in chunks[done : done + workers] for item in chunk]
            raise JobError(
                f"expected {workers} processes to end their work, found that one {_end(processes)} at work on one of "
                f"{len(at_work)} items from {_shown(at_work[0])} to {_shown(at_work[-1])}. Give the job more memory or "
                "fewer threads (--set-threads, --set-resources) and run again; if it ends there again, look at these "
                "files"
            ) from None
        except Exception:
            pool.shutdown(cancel_futures=True)
            raise
        except BaseException:
            # Whoever stops the job does not wait for what its processes are at.
            for process in processes:
                process.kill()
            raise


@contextmanager
def script_not_run_by_processes() -> Iterator[None]:
    """Keep processes that are spawned in the block from running the workflow script.

    A spawned process (data workers; macOS, Python 3.14) first imports the file of the main module, and workflow scripts
    have no __main__ guard. Its task comes from the library, by name.
    """
    main = vars(sys.modules["__main__"])
    kept = {name: main.pop(name) for name in ("__file__", "__spec__") if name in main}
    main["__spec__"] = None
    try:
        yield
    finally:
        main |= kept


def run_to_the_end(command: Sequence[str], **options: Any) -> int:
    """Run a program; returns its exit status. An interrupt asks the program and its children to end.

    Args:
        options: of `subprocess.Popen`.
    """
    with subprocess.Popen(command, **options) as program:
        try:
            return program.wait()
        except BaseException:
            program.terminate()
            with suppress(subprocess.TimeoutExpired):
                program.wait(_PATIENCE)
            program.kill()
            raise


def _end(processes: Sequence) -> str:
    """How the first of the processes ended; the pool itself ends the others, by SIGTERM."""
    for process in processes:
        process.join(1)
    signals = {-process.exitcode for process in processes if (process.exitcode or 0) < 0} - {signal.SIGTERM}
    if signal.SIGKILL in signals:
        return "was killed (as happens where memory runs out)"
    return f"crashed ({signal.Signals(min(signals)).name})" if signals else "ended"


def _shown(item: object) -> str:
    return printable(item[0] if isinstance(item, tuple) else item)


def _install(function: Callable) -> None:
    global _function
    _function = function
    # Ctrl-C is sent to all processes; the one that started these ends them, and says so once.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _call(items: Sequence[Item]) -> list[Result]:
    return [_function(item) for item in items]
