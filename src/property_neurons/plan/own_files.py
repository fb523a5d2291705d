"""The state of files that the workflow reads and does not make.

Snakemake runs a rule again where an input is newer than what was made of it. A file of another content may be older: a
backup that was put back, another version unpacked with its times. So rules have the state of such files among params.
"""

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

_READ = 1 << 20
"""Bytes up to which a file is read; of a larger one, size and time of change stand for its content."""


def states(paths: Iterable[str]) -> list[str]:
    """A text for each file that changes with its content; "absent" for one that cannot be read."""
    return [_state(path) for path in paths]


def _state(path: str) -> str:
    try:
        found = Path(path).stat()
    except OSError:
        return "absent"
    return _described(path, found.st_size, found.st_mtime_ns)


# Rules ask again for each of their jobs.
@lru_cache(maxsize=4096)
def _described(path: str, size: int, changed: int) -> str:
    if size > _READ:
        return f"{size} bytes, changed {changed}"
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError:
        return "absent"
