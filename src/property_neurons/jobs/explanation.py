"""Messages for errors from outside this library: of the disk, of memory, of the file system."""

import errno
import os
import re
import resource
import shutil
import sys
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from property_neurons.errors import printable

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
# Rust's libraries (safetensors) tell the number in words only; torch tells that it could not write and not why.
_NO_ROOM_IN_WORDS = re.compile(
    rf"os error ({'|'.join(map(str, sorted(_NO_ROOM)))})\b|PytorchStreamWriter failed writing"
)
_NO_MEMORY_IN_WORDS = re.compile(
    r"can't allocate memory|cannot allocate memory|std::bad_alloc|unable to allocate|out of memory|os error 12\b"
    r"|failed to map segment|can't start new thread",
    re.IGNORECASE,
)
_ELSEWHERE = "name another folder (`results` in the config)"
_CHANGED = "does someone else change files there, or a second workflow? See to that and run again"
_FAILED = "the file system fails; see that it is mounted and well (ask its administrator), and run again"
_REMEDIES = {
    errno.EACCES: f"make it readable and writable for this user, or {_ELSEWHERE}",
    errno.EPERM: f"make it readable and writable for this user, or {_ELSEWHERE}",
    errno.EROFS: f"make the file system writable, or {_ELSEWHERE}",
    errno.ENAMETOOLONG: "a name may have 255 bytes and a path 4096; choose shorter names, or a folder nearer to /",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "the machine has too many open files; run again when less runs on it",
    errno.EAGAIN: "raise the limit of processes (ulimit -u), or give the job fewer threads",
    **dict.fromkeys((errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY, errno.EBUSY), _CHANGED),
    **dict.fromkeys(
        (
            errno.ESTALE,
            errno.EIO,
            # macOS has no such number.
            getattr(errno, "EREMOTEIO", errno.EIO),
            errno.ETIMEDOUT,
            errno.ENOTCONN,
            errno.EHOSTDOWN,
            errno.EHOSTUNREACH,
        ),
        _FAILED,
    ),
}


def explanation(
    error: Exception, log: Path | None, made: Iterable[Path] = (), resources: Mapping[str, Any] | None = None
) -> str:
    """The message for an error, with what to do.

    Args:
        log: where the traceback is; None: nowhere.
        made: the files and folders that the job was to make.
        resources: that the job asked for.
    """
    number = getattr(error, "errno", None)
    where = getattr(error, "filename", None)
    traceback = f"\nThe traceback is in {printable(log)}" if log else ""
    if number in _NO_ROOM or _NO_ROOM_IN_WORDS.search(str(error)):
        return _no_room(error, [path.parent for path in [*made, log] if path])
    if isinstance(error, MemoryError) or number == errno.ENOMEM or _NO_MEMORY_IN_WORDS.search(str(error)):
        return _no_memory(error, resources or {})
    if number in _REMEDIES and isinstance(error, OSError):
        what = printable(os.fsdecode(where)) if isinstance(where, (str, bytes, os.PathLike)) else "a file or process"
        return f"{what}: {error.strerror}; {_REMEDIES[number]}{traceback}"
    return f"unexpected {type(error).__name__}: {error}{traceback}; please report it."


def _no_room(error: Exception, folders: list[Path]) -> str:
    named = getattr(error, "filename", None)
    if isinstance(named, (str, bytes, os.PathLike)) and Path(os.fsdecode(named)).is_absolute():
        folder = Path(os.fsdecode(named)).parent
    else:
        # The error does not say: of the folders that the job writes to, the one with the least room.
        folder = min([*folders, Path(tempfile.gettempdir())], key=lambda one: _usage(one).free)
    usage = _usage(folder)
    files = os.statvfs(_there(folder))
    none_left = "; no further file can be made there" if files.f_files and not files.f_favail else ""
    limit = _limit(resource.RLIMIT_FSIZE, "; files may have", "(ulimit -f)")
    return (
        f"There is no room to write in {printable(folder)}: {printable(error)} (free there now: "
        f"{usage.free / 1e6:.1f} MB of {usage.total / 1e6:.1f}{none_left}{limit}; what was half-written has been "
        "removed)\n"
        "Free space, or raise the quota or limit, and run again: what is finished is kept, nothing half-written is."
    )


def _no_memory(error: Exception, resources: Mapping[str, Any]) -> str:
    if "CUDA" in str(error):
        return (
            f"The GPU has not enough memory: {error}\n"
            "Give the job a GPU with more, let nothing else run on it, or choose a smaller batch_size, and run again."
        )
    # In KiB on Linux, in bytes on macOS.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    asked = resources.get("mem_mb")
    known = [
        f"the job has used up to {peak:,.0f} MB",
        f"asked for mem_mb={asked}" if asked is not None else "",
        _limit(resource.RLIMIT_AS, "may address", "(ulimit -v)"),
        _limit(resource.RLIMIT_NPROC, "its user may have", "processes (ulimit -u)", unit=1)
        if "new thread" in str(error)
        else "",
        _limit_of_group(),
    ]
    return (
        f"There is not enough memory: {str(error) or type(error).__name__} ({', '.join(filter(None, known))})\n"
        "Raise the limit, or let the job ask for more (--set-resources RULE:mem_mb=..., or in the profile; with "
        "--retries a cluster job asks for more each time), and run again: what is finished is kept."
    )


def _limit(kind: int, before: str, after: str, *, unit: float = 1e6) -> str:
    allowed, _ = resource.getrlimit(kind)
    if allowed == resource.RLIM_INFINITY:
        return ""
    return f"{before} {allowed / unit:,.0f}{' MB' if unit > 1 else ''} {after}"


def _limit_of_group() -> str:
    """The memory that a scheduler or container allows, as Linux's cgroups tell it."""
    for file in ("memory.max", "memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):
            allowed = int(Path("/sys/fs/cgroup", file).read_text(encoding="ascii"))
            if allowed < 2**60:
                return f"is allowed {allowed / 1e6:,.0f} MB by its container or scheduler"
    return ""


def _usage(folder: Path) -> Any:
    return shutil.disk_usage(_there(folder))


def _there(folder: Path) -> Path:
    return next(parent for parent in (folder, *folder.absolute().parents) if parent.is_dir())
