"""Training that survives a kill: whole checkpoints, and the newest one that belongs to this very training.

transformers' Trainer writes a checkpoint file by file. A marker, written last, tells a whole one from a torso, says
which training (data, settings, code) it belongs to, and what its files hold.
"""

import logging
import re
import shutil
import sys
from pathlib import Path

import torch

from property_neurons.errors import StoreError
from property_neurons.models.backend import transformers
from property_neurons.stores.manifests import describe_files, read_manifest, verify_files, write_manifest

log = logging.getLogger(__name__)

_MARKER = "complete.json"
_NAME = re.compile(r"checkpoint-(\d+)$")


class MarkComplete(transformers.TrainerCallback):
    """Marks every checkpoint that was written to the end with the identity of the training."""

    def __init__(self, identity: str):
        self._identity = identity

    def on_save(self, args, state, control, **kwargs):
        # Every process writes a file of its own (its random state).
        if torch.distributed.is_initialized():
            torch.distributed.barrier()
        if state.is_world_process_zero:
            folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            (folder / _MARKER).unlink(missing_ok=True)
            said = {"training": self._identity, "step": state.global_step}
            write_manifest(folder / _MARKER, said | describe_files(folder))


def resume_point(work: str | Path, identity: str) -> Path | None:
    """The newest whole checkpoint of this training below `work`; torsos, damaged and others' ones are removed.

    Args:
        work: the Trainer's output folder; need not exist.
        identity: of the training; a checkpoint of another one is of no use to it.
    """
    found: dict[int, Path] = {}
    for folder in Path(work).glob("checkpoint-*"):
        match = _NAME.search(folder.name)
        if match and _belongs(folder, identity):
            found[int(match[1])] = folder
        else:
            shutil.rmtree(folder)
    return found[max(found)] if found else None


def _belongs(folder: Path, identity: str) -> bool:
    """Whether a checkpoint is whole and of this training; if not, it has been said why."""
    marker = folder / _MARKER
    if not marker.is_file():
        print(f"{folder}: was never finished; removed", file=sys.stderr)
        return False
    try:
        if read_manifest(marker).get("training") != identity:
            print(f"{folder}: of other settings, data or code; removed", file=sys.stderr)
            return False
        verify_files(folder, marker)
    except StoreError as error:
        found = str(error).partition(";")[0]
        log.warning("%s. This checkpoint is removed; training goes on from the one before, or from the start.", found)
        return False
    return True
