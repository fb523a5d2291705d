"""What the benchmarks of the workflow share: running Snakemake, and what its processes used."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_USAGE = Path(__file__).resolve().parent / "job_usage"
_BYTECODE = tempfile.TemporaryDirectory(prefix="bytecode-")


@dataclass(frozen=True)
class Usage:
    """What one process used: CPU seconds (user and system), wall seconds, bytes held at most at a time.

    program: file name of what it ran; Snakemake calls a script `tmp....NAME.py`.
    """

    program: str
    cpu: float
    wall: float
    peak: int


@dataclass(frozen=True)
class Run:
    """What a call of Snakemake printed, what itself used, and the processes of its jobs in the order they ended."""

    output: str
    planner: Usage
    jobs: list[Usage]


def run_snakemake(folder: Path, arguments: Sequence[str]) -> Run:
    """Run Snakemake on this project's Snakefile in `folder`.

    Byte code is kept between calls, as Python does unless it is told otherwise, so that nothing is compiled twice.

    Raises:
        RuntimeError: Snakemake failed.
    """
    with tempfile.TemporaryDirectory() as temporary:
        file = Path(temporary) / "usage.jsonl"
        paths = [str(_USAGE), str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]
        environment = os.environ | {
            "JOB_USAGE": str(file),
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            "PYTHONPYCACHEPREFIX": os.environ.get("PYTHONPYCACHEPREFIX") or _BYTECODE.name,
            "OMP_NUM_THREADS": "1",
        }
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        command = [sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile"), "-d", str(folder), *arguments]
        done = subprocess.run(
            command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: expected success, found:\n{done.stdout[-4000:]}")
        lines = [json.loads(line) for line in file.read_text().splitlines()]
    # The last to end is the one that was started here; those between it and the scripts are its jobs' own Snakemakes.
    *jobs, planner = lines
    scripts = [line for line in jobs if line["program"].startswith("tmp")]
    return Run(
        done.stdout,
        Usage("snakemake", planner["own_cpu"], planner["wall"], planner["peak"]),
        [Usage(line["program"].split(".")[1], line["cpu"], line["wall"], line["peak"]) for line in scripts],
    )
