"""Signals that end a job: the job first removes half-written files.

Without this, SIGTERM (Slurm at a job's time limit, `kill`) and SIGHUP (a terminal that was closed) end Python where it
stands, and temporary folders of gigabytes stay.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_WHY = {
    signal.SIGINT: "by Ctrl-C",
    signal.SIGTERM: "by a scheduler, at the job's time limit or because it was cancelled, or by `kill`",
    signal.SIGHUP: "because its terminal was closed; use tmux or nohup for long runs",
    signal.SIGXCPU: "because its CPU time is used up (`ulimit -t`)",
}


class Stopped(KeyboardInterrupt):
    """A signal was sent that ends the job."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = signal.Signals(number)

    @property
    def exit_status(self) -> int:
        """The exit status that a shell gives a program ended by a signal."""
        return 128 + self.number

    def __str__(self) -> str:
        return (
            f"stopped {_WHY[self.number]} ({self.number.name}). What was half-written has been removed; what is "
            "finished is kept, checkpoints too: run again to go on"
        )


@contextmanager
def signals_raised() -> Iterator[None]:
    """Raise `Stopped` in the block where a signal would end the process; signals that are ignored stay so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _WHY}
    for number, handler in before.items():
        if handler in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) in (_stop, signal.SIG_IGN):
                signal.signal(number, handler)


def _stop(number: int, frame: FrameType | None) -> None:
    # Once: removing what is half-written takes time, and whoever asks again asks for the same.
    for other in _WHY:
        signal.signal(other, signal.SIG_IGN)
    raise Stopped(number)
