"""Python processes note what they used when they end: put this folder on PYTHONPATH and set JOB_USAGE to a file.

A line of JSON for each process that ran a program: its name, CPU seconds (user and system, with the processes it waited
for) and the largest memory it held at a time. VmHWM, because getrusage counts in what the process was forked from.
"""

import atexit
import json
import os
import resource
import sys
import time
from pathlib import Path

_START = time.monotonic()
_PROCESS = os.getpid()


def _note() -> None:
    if os.getpid() != _PROCESS:
        return  # a forked worker; the process that waits for it counts its seconds
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    status = Path("/proc/self/status")
    peak = own.ru_maxrss * 1024
    if status.is_file():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        peak = int(line.split()[1]) * 1024
    usage = {
        "program": Path(sys.argv[0]).name,
        "arguments": sys.argv[1:],
        "own_cpu": own.ru_utime + own.ru_stime,
        "cpu": own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime,
        "wall": time.monotonic() - _START,
        "peak": peak,
    }
    # One write of a short line is not torn apart by those of other processes.
    with Path(os.environ["JOB_USAGE"]).open("a") as file:
        file.write(json.dumps(usage) + "\n")


if "JOB_USAGE" in os.environ:
    atexit.register(_note)
