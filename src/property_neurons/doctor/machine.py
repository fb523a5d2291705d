"""Findings about the machine: GPUs, disk space, and the cache that working directories share."""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from property_neurons.cache.entries import KINDS
from property_neurons.config.root import Config
from property_neurons.doctor.disk import DiskUse, shown, still_to_write
from property_neurons.doctor.finding import Finding
from property_neurons.doctor.needs import Needs


def gpu_findings(config: Config, needed: Needs, on_cluster: bool) -> Iterator[Finding]:
    """Whether torch can use the GPUs that are asked for; on a cluster only nodes can tell how many there are.

    Asked for by `device: cuda`, and by `device: auto` on a cluster, whose jobs ask for GPUs: one that was given and
    cannot be used is an error there. Elsewhere `auto` is the CPU where there is no GPU.
    """
    if config.device == "cpu" or (config.device == "auto" and not on_cluster):
        return
    # Slow to import, and not needed where models run on the CPU.
    import torch

    about = "device"
    if torch.version.cuda is None:
        remedy = (
            "install a CUDA build of torch (envs/models-cuda.yaml, or pytorch.org), or set device: cpu and name a "
            "partition without GPUs in the profile"
        )
        asking = f"device: {config.device}" + (", and a profile whose jobs ask for GPUs," if on_cluster else "")
        found = f"torch {torch.__version__}, a CPU build"
        yield Finding(about, f"{asking} needs a torch built for CUDA", found, remedy)
        return
    if on_cluster:
        return
    if not torch.cuda.is_available():
        remedy = "run nvidia-smi to see why; on a login node give --profile, or set device: cpu"
        yield Finding(
            about, "device: cuda needs a GPU that torch can use", f"torch {torch.__version__}, no GPU", remedy
        )
        return
    for run, section in config.pretraining.items():
        if section.gpus > torch.cuda.device_count():
            yield Finding(
                f"pretraining.{run}.gpus",
                f"{section.gpus} GPUs",
                f"{torch.cuda.device_count()} on this machine",
                f"set gpus: {torch.cuda.device_count()}, or run where there are as many",
                fatal=run in needed.runs,
            )


def space_findings(config: Config, default: Sequence[DiskUse], everything: Sequence[DiskUse]) -> Iterator[Finding]:
    """Whether the results can be written, and the disk holds what is still to come; quotas cannot be seen."""
    folder = existing_part(config.results)
    if not _writable(folder):
        remedy = f"make {folder} writable, or set `results` to another folder"
        yield Finding("results", f"a folder at {config.results} to write in", f"{folder} is read-only", remedy)
        return
    free = shutil.disk_usage(folder).free
    remedy = f"free {{}} on the disk of {folder}, or set `results` to another one, or ranks.frames: segment_mid"
    if still_to_write(default) > free:
        expected = f"space for {shown(still_to_write(default))} still to be written for the default target"
        yield Finding("results", expected, f"{shown(free)} free", remedy.format(shown(still_to_write(default) - free)))
    elif still_to_write(everything) > free:
        expected = f"space for {shown(still_to_write(everything))} still to be written for all that is configured"
        lacking = shown(still_to_write(everything) - free)
        yield Finding("results", expected, f"{shown(free)} free", remedy.format(lacking), fatal=False)


def cache_findings(config: Config) -> Iterator[Finding]:
    """Whether the cache can be used; jobs go on without it."""
    if config.cache is None:
        return
    folder, expected = Path(config.cache), f"a folder at {config.cache} to take results from and publish them to"
    if not folder.is_dir():
        found = "a file" if folder.exists() else "nothing"
        yield Finding("cache", expected, found, f"mkdir -p {config.cache}, or correct `cache`", fatal=False)
        return
    for part in (folder, *(folder / kind for kind in KINDS if (folder / kind).is_dir())):
        if not _writable(part):
            remedy = f"make {part} writable, or leave it: results are taken, and none are published"
            yield Finding("cache", expected, f"{part} is read-only", remedy, fatal=False)


def existing_part(path: str) -> Path:
    """The deepest folder of a path that is there."""
    whole = Path(path).resolve()
    return next(folder for folder in (whole, *whole.parents) if folder.is_dir())


def _writable(folder: Path) -> bool:
    # Asking for permission would not see a read-only file system.
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
