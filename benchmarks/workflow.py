"""What the benchmarks of the workflow share: running Snakemake, and what it used itself."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_BYTECODE = tempfile.TemporaryDirectory(prefix="bytecode-")


@dataclass(frozen=True)
class Run:
    """What a call of Snakemake printed and used: seconds of the wall clock and of the CPU, MB held at most at a time.

    The CPU's are those of the call and of its jobs. The memory is that of the call, or of the process that starts it if
    that holds more: a benchmark that states it starts from a small process.
    """

    output: str
    wall: float
    cpu: float
    peak: float


def run_snakemake(folder: Path, arguments: Sequence[str]) -> Run:
    """Run Snakemake on this project's Snakefile in `folder`.

    Byte code is kept between calls, as Python does unless it is told otherwise, so that nothing is compiled twice.

    Raises:
        RuntimeError: Snakemake failed.
    """
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")])),
        "PYTHONPYCACHEPREFIX": os.environ.get("PYTHONPYCACHEPREFIX") or _BYTECODE.name,
        "OMP_NUM_THREADS": "1",
    }
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile"), "-d", str(folder), *arguments]
    start = time.monotonic()
    process = subprocess.Popen(
        command, env=environment, encoding="utf-8", errors="replace", stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)}: expected success, found:\n{output[-4000:]}")
    return Run(output, time.monotonic() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
