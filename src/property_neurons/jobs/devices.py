"""Where the model of a job runs: on the GPUs that the job asked for, or on the CPU.

Slurm gives each of its jobs GPUs of its own. On one machine, and within one allocation of Slurm, all jobs of the
workflow see all GPUs. There a job locks GPUs that no other job has. The lock disappears with the job, however the job
ends.
"""

import fcntl
import json
import os
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from property_neurons.corpus.recordings import DECODERS
from property_neurons.errors import JobError, ModelError, printable

# Open files hold the locks until the process ends.
_held: list[Any] = []

_SECONDS = 120
# In a process of its own: one that has started CUDA sees the same GPUs ever after, whatever CUDA_VISIBLE_DEVICES says.
# A number, and a GPU's own name for itself, which two jobs that name it differently share; or why it cannot be used.
_ASK = """
import json, torch
found, why = {}, ""
try:
    torch.cuda.init()
    numbers = range(torch.cuda.device_count())
except Exception as error:
    numbers, why = (), str(error)
for number in numbers:
    try:
        (torch.ones(1, device=f"cuda:{number}") + 1).item()
        found[number] = str(torch.cuda.get_device_properties(number).uuid)
    except Exception as error:
        why = str(error)
print(json.dumps([found, why.strip().split(chr(10))[0]]))
"""


def asked_gpus(resources: Mapping[str, Any]) -> int:
    """How many GPUs a job asked for: `gpu=2`, or Slurm's `gres="gpu:2"` or "gpu:a100:2"."""
    for gres in str(resources.get("gres") or "").split(","):
        name, *rest = gres.split(":")
        if name == "gpu":
            return int(rest[-1]) if rest and rest[-1].isdigit() else 1
    return int(resources.get("gpu") or 0)


def job_device(setting: str, resources: Mapping[str, Any]) -> str:
    """The device of a job, "cpu" or "cuda", with its GPUs alone visible to it.

    Args:
        setting: of the config: "auto" (GPUs where there are any), "cuda" or "cpu".
        resources: of the job; one that asks for no GPU runs on the CPU.

    Raises:
        ModelError: there are fewer GPUs than were asked for, or torch cannot use them.
        JobError: GPUs cannot be locked.
    """
    asked = asked_gpus(resources)
    if setting == "cpu" or not asked:
        return "cpu"
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    found, why = _usable_gpus()
    if setting == "auto" and not found and not named:
        if why and Path("/proc/driver/nvidia/version").exists():
            print(f"there is an NVIDIA driver, but no GPU that torch can use ({why}): run on the CPU", file=sys.stderr)
        return "cpu"
    if len(found) < asked:
        # Falling back to the CPU where a GPU was given would waste it, and mix results of two kinds of machines.
        raise ModelError(
            f"expected {asked} GPU(s), found {len(found)} that can be used (CUDA_VISIBLE_DEVICES={named!r}"
            f"{'; ' * bool(why)}{printable(why)}); for fewer, install a torch that is built for this driver's CUDA "
            "(with --sdm conda: device: cuda), or set device: cpu"
        )
    visible = named.split(",") if named else [str(number) for number in range(max(found) + 1)]
    gpus = {visible[number].strip(): name for number, name in found.items()}
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(_take(gpus, asked))
    return "cuda"


def decoders(device: str, resources: Mapping[str, Any]) -> int:
    """Threads that decode audio and compute features ahead of a model.

    With a GPU: as many as the job has cores (`cpus_per_task`, which a scheduler grants), else 8 if the machine has as
    many. On the CPU: `recordings.DECODERS`.
    """
    if device == "cpu":
        return DECODERS
    if asked := int(resources.get("cpus_per_task") or 0):
        return asked
    return max(DECODERS, min(8, cores()))


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 2


def _usable_gpus() -> tuple[dict[int, str], str]:
    """The UUID of every GPU that torch can use, by its number among the visible ones; and why others cannot be used."""
    import torch

    if torch.version.cuda is None and torch.version.hip is None:
        return {}, f"torch {torch.__version__} is built for CPUs"
    try:
        asked = subprocess.run(
            [sys.executable, "-c", _ASK],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_SECONDS,
            check=True,
        ).stdout
        found, why = json.loads(asked.strip().splitlines()[-1])
    except subprocess.TimeoutExpired:
        return {}, f"CUDA had not started after {_SECONDS} s"
    except (subprocess.CalledProcessError, IndexError, ValueError) as error:
        return {}, f"CUDA ended the process that started it: {error}"
    return {int(number): name for number, name in found.items()}, why


def _take(gpus: Mapping[str, str], wanted: int) -> list[str]:
    """Lock so many GPUs, all at once or none, waiting for other jobs of the user, or of the allocation, to end.

    gpus: each as CUDA_VISIBLE_DEVICES names it, and what no other GPU is called.
    """
    owner = f"{os.getuid()}-{os.environ.get('SLURM_JOB_ID', 'local')}"
    folder = Path(tempfile.gettempdir()) / f"property-neurons-gpus-{owner}"
    folder.mkdir(mode=0o700, exist_ok=True)
    there = folder.lstat()
    if not stat.S_ISDIR(there.st_mode) or there.st_uid != os.getuid():
        # Everyone can make a folder of that name in /tmp, or a link to one of this user's.
        raise JobError(f"{folder}: expected a folder of this user, found another's; remove it, or set TMPDIR")
    waiting = False
    while True:
        taken = {}
        for gpu, name in gpus.items():
            lock = (folder / name.replace("/", "_")).open("w", encoding="utf-8")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.close()
                continue
            except OSError as error:
                raise JobError(
                    f"{folder}: expected to lock a GPU there, found {error.strerror}; set TMPDIR to a local disk"
                ) from None
            taken[gpu] = lock
            if len(taken) == wanted:
                _held.extend(taken.values())
                return list(taken)
        for lock in taken.values():
            lock.close()
        if not waiting:
            print(f"waiting for {wanted} of {len(gpus)} GPU(s)", file=sys.stderr)
            waiting = True
        time.sleep(1)
