"""The frames that k-means is fitted on: those of randomly sampled utterances, in memory or stored."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from property_neurons.pretraining.log_mel_store import LogMelShard
from property_neurons.pretraining.represent import Represent
from property_neurons.progress import progress
from property_neurons.stores import files, manifests
from property_neurons.stores.outside import read_array

_FRAMES_PER_SECOND_OF_LOG_MEL = 100
_FRAMES, _INDEX = "frames.npy", "index.json"


def sample_frames(
    shards: Sequence[LogMelShard],
    represent: Represent,
    *,
    hours: float,
    seed: int,
    new_array: Callable[[tuple[int, int]], np.ndarray] = lambda shape: np.empty(shape, np.float32),
) -> np.ndarray:
    """The representation of whole, randomly sampled utterances.

    Args:
        shards: where the utterances are drawn from.
        hours: how much speech, at most.
        seed: of the draw.
        new_array: float32 of a shape; it is allocated once, as the largest thing in memory.

    Returns:
        float32 [frames, size]
    """
    # Utterances in the order of shards; `clustering.sampled_points.draw_utterances` has them in the order of ids. For
    # the same seed the two draw different utterances.
    rng = np.random.default_rng(seed)
    utterances = [(shard, index) for shard in shards for index in range(len(shard.utterances))]
    budget = hours * 3600 * _FRAMES_PER_SECOND_OF_LOG_MEL
    chosen, total = [], 0
    for position in rng.permutation(len(utterances)):
        shard, index = utterances[position]
        chosen.append(shard.frames[shard.offset[index] : shard.offset[index + 1]])
        total += len(chosen[-1])
        if total >= budget:
            break
    together = represent.frame_ms // 10
    ends = np.cumsum([0, *(-(-len(frames) // together) for frames in chosen)])
    sample = None
    for index, frames in enumerate(progress(chosen, total=len(chosen), what="frames to cluster", unit="utt")):
        values = represent(frames)
        if sample is None:
            sample = new_array((int(ends[-1]), values.shape[1]))
        sample[ends[index] : ends[index + 1]] = values
    return new_array((0, 1)) if sample is None else sample


def write_sample(
    folder: str | Path, shards: Sequence[LogMelShard], represent: Represent, *, hours: float, seed: int
) -> None:
    """Store what `sample_frames` gives, with a manifest beside the folder, or nothing.

    Memory: one utterance. Space: 4 bytes x size x frames.
    """
    with manifests.new_described_folder(folder) as temporary:
        sample = sample_frames(
            shards,
            represent,
            hours=hours,
            seed=seed,
            new_array=lambda shape: files.new_mapped_array(temporary / _FRAMES, np.float32, shape),
        )
        sample.flush()
        files.write_json(temporary / _INDEX, {"frame_ms": represent.frame_ms})


def open_sample(manifest: str | Path) -> tuple[np.ndarray, int]:
    """What `write_sample` stored: the frames, float32 [frames, size], mapped into memory, and their length in ms.

    Raises:
        StoreError: it is absent or damaged.
    """
    folder = manifests.described_folder(manifest)
    manifests.verify_files(folder, manifest)
    return read_array(folder / _FRAMES, mapped=True), files.read_json(folder / _INDEX)["frame_ms"]
