"""The log-Mel frames of one shard, read at random by training."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from property_neurons.errors import StoreError
from property_neurons.models.log_mel import LogMelStatistics
from property_neurons.stores import files, manifests
from property_neurons.stores.outside import read_array

FRAMES = "frames.npy"


@dataclass(frozen=True)
class LogMelShard:
    """Log-Mel frames of 10 ms, not normalised, of a shard's utterances.

    utterances, speakers: their ids, and who speaks each.
    offset: int64 [utterances + 1], first frame of each.
    frames: float32 [frames, bins], mapped from disk.
    """

    utterances: tuple[str, ...]
    speakers: tuple[str, ...]
    offset: np.ndarray
    frames: np.ndarray


def open_log_mel(manifest: str | Path, *, checked: bool = False) -> LogMelShard:
    """Open what `write_log_mel` wrote, by its manifest `x/shard.manifest.json` beside the folder `x/shard`.

    Args:
        checked: another process holds the files against their digests, which reads them in full.

    Raises:
        StoreError: a file is absent or altered, or the parts do not fit together.
    """
    manifest = Path(manifest)
    folder = manifests.described_folder(manifest)
    if not checked:
        manifests.verify_files(folder, manifest)
    shard = LogMelShard(
        utterances=tuple(files.read_json(folder / "utterances.json")),
        speakers=tuple(files.read_json(folder / "speakers.json")),
        offset=read_array(folder / "offset.npy"),
        frames=read_array(folder / FRAMES, mapped=True),
    )
    if len(shard.offset) != len(shard.utterances) + 1 or shard.offset[-1] != len(shard.frames):
        raise StoreError(
            f"{folder}: expected frames of {len(shard.utterances)} utterances, found {len(shard.offset) - 1} with "
            f"{len(shard.frames)} frames; delete it and run again"
        )
    return shard


def write_statistics(path: str | Path, statistics: LogMelStatistics) -> None:
    """Write statistics as JSON {mean, std}."""
    files.write_json(path, {"mean": statistics.mean.tolist(), "std": statistics.std.tolist()})


def read_statistics(path: str | Path) -> LogMelStatistics:
    """Read what `write_statistics` wrote.

    Raises:
        StoreError: the file is absent or no JSON.
    """
    content = files.read_json(path)
    return LogMelStatistics(np.asarray(content["mean"]), np.asarray(content["std"]))
