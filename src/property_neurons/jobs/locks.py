"""A lock: only one process at a time works in the folder of a job's unfinished work.

By fcntl and not by `filelock`, which keeps to itself the descriptor that child processes must inherit, does not say who
has the lock, and fails where the file system knows locks but its server does not (ENOLCK).
"""

import errno
import fcntl
import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from property_neurons.errors import StoreError, printable

log = logging.getLogger(__name__)

_PATIENCE = 15.0  # seconds
# Lustre without -o flock, NFS without its lock service, FUSE and 9p that know no flock.
_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOTTY, errno.EPROTONOSUPPORT})
# NFS says EACCES of a lock that another has.
_HELD = frozenset({errno.EAGAIN, errno.EACCES, errno.EDEADLK})


@contextmanager
def sole_process(work: str | Path) -> Iterator[int]:
    """Lock `work`, the folder in which a job keeps its unfinished work, for this process until the block ends.

    Yields the descriptor that holds the lock. The system releases the lock when this process, and every process that
    inherited the descriptor, has ended, also by a kill. A file system without locks gives none, and a warning says so.

    Raises:
        StoreError: another process has it: a job that outlived its workflow, or a second workflow; or the file system
            fails.
    """
    work = Path(work)
    path = work.with_name(f"{work.name}.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path, work) as lock:
        lock.truncate(0)
        lock.write(f"process {os.getpid()} on {socket.gethostname()}")
        lock.flush()
        try:
            yield lock.fileno()
        finally:
            # The work is done; that a server has gone is no reason to lose it.
            with suppress(OSError):
                path.unlink()


def _locked(path: Path, work: Path) -> IO[str]:
    """The lock file, open and locked."""
    # What a killed process has started ends some seconds after it.
    deadline = time.monotonic() + _PATIENCE
    while True:
        lock = path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _NO_LOCKS:
                log.warning(
                    "%s: the file system knows no locks (%s): see that no second workflow works there",
                    work,
                    error.strerror,
                )
                return lock
            owner = _owner(lock) if error.errno in _HELD else None
            lock.close()
            if time.monotonic() < deadline:
                time.sleep(0.2)
                continue
            if owner is None:
                raise StoreError(
                    f"{printable(path)}: expected to lock it, found {error.strerror}; see that its file system is "
                    "well, and run again"
                ) from None
            raise StoreError(
                f"{printable(work)}: expected no other process at work there, found {owner}; wait until it has ended, "
                "or stop it (what it has done so far is kept), and run again"
            ) from None
        # Whoever had it before may have removed it in between.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(lock.fileno()), path.stat()):
                return lock
        lock.close()


def _owner(lock: IO[str]) -> str:
    with suppress(OSError):
        lock.seek(0)
        return printable(lock.read(200)) or "another process"
    return "another process"
