"""One progress bar for the whole project, quick on a terminal, a line every ten seconds in a log; and durations."""

import sys
from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")


def progress(items: Iterable[T], *, total: int | None = None, what: str, unit: str = "it") -> Iterable[T]:
    """Iterate over `items` under a progress bar labelled `what`."""
    interval = 0.2 if sys.stderr.isatty() else 10.0
    return tqdm(items, total=total, desc=what, unit=unit, mininterval=interval, dynamic_ncols=True, file=sys.stderr)


def progress_bar(*, total: int, what: str, unit: str = "it", initial: int = 0) -> tqdm:
    """A bar that its owner moves on, for work that is no loop of ours."""
    interval = 0.2 if sys.stderr.isatty() else 10.0
    return tqdm(
        desc=what, total=total, initial=initial, unit=unit, mininterval=interval, dynamic_ncols=True, file=sys.stderr
    )


def duration(seconds: float) -> str:
    """A length of time as it is printed, two digits or more: "12 s", "18 min", "5.4 h", "961 h"."""
    if seconds < 59.5:
        return f"{seconds:.{0 if seconds >= 9.95 or not seconds else 1}f} s"
    if seconds < 59.5 * 60:
        return f"{seconds / 60:.{0 if seconds >= 9.95 * 60 else 1}f} min"
    return f"{seconds / 3600:,.{0 if seconds >= 99.5 * 3600 else 1}f} h"
