"""Training that survives a kill: complete checkpoints, and the newest one that belongs to this training.

transformers' Trainer writes a checkpoint file by file. A marker, written last, says that the
checkpoint is complete, which training (data, settings, code) it belongs to, and what its files hold.
"""

import logging
import re
import shutil
import sys
from pathlib import Path

import torch

from property_neurons.errors import StoreError
from property_neurons.models.backend import transformers
from property_neurons.stores.files import set_aside
from property_neurons.stores.manifests import describe_files, read_manifest, verify_files, write_manifest

log = logging.getLogger(__name__)

_MARKER = "complete.json"
# With the date that `set_aside` gives a name, too: one that was moved back.
_NAME = re.compile(r"checkpoint-(\d+)(-\d{8}-\d{6}(-\d+)?)?")


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
    """The newest complete checkpoint of this training below `work`.

    Checkpoints of another training, and damaged ones, are moved to `.old` beside `work`, and a message says so.
    Unfinished ones are removed.

    Args:
        work: the Trainer's output folder; need not exist.
        identity: of the training; checkpoints of another training are not used.
    """
    work = Path(work)
    mine: dict[int, Path] = {}
    others = []
    for folder in sorted(work.glob("checkpoint-*")):
        step = _NAME.fullmatch(folder.name)
        own = step and folder.with_name(f"checkpoint-{step[1]}")
        if own != folder:
            if own is None or own.exists():
                log.warning("%s: expected the name of a checkpoint that is not there yet; left alone", folder)
                continue
            folder = folder.rename(own)
        marker = folder / _MARKER
        if not marker.is_file():
            print(f"{folder}: was never finished; removed", file=sys.stderr)
            shutil.rmtree(folder)
            continue
        try:
            if read_manifest(marker).get("training") != identity:
                others.append(folder)
                continue
            verify_files(folder, marker)
        except StoreError as error:
            found = str(error).partition(";")[0]
            aside = _set_aside(folder, work)
            log.warning(
                "%s. Training goes on from the checkpoint before, or from the start; it is now %s.", found, aside
            )
            continue
        mine[int(step[1])] = folder
    # What belongs to checkpoints (the best state so far) goes with them.
    for folder in others if mine else others and [work]:
        log.warning(
            "%s: of a training with other settings, data or code; moved to %s. To go on from it, undo that change and "
            "move it back; delete it if you do not need it",
            folder,
            set_aside(work) if folder == work else _set_aside(folder, work),
        )
    return mine[max(mine)] if mine else None


def _set_aside(folder: Path, work: Path) -> Path:
    return set_aside(folder, work.with_name(".old") / work.name.removeprefix("."))
