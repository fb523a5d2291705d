"""What k-means is fitted on: utterances drawn at random, and the points that represent them, in memory or stored."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from property_neurons.stores import files, manifests
from property_neurons.stores.outside import read_array

_POINTS, _INDEX = "points.npy", "index.json"


def draw_utterances(
    frames: Mapping[str, int], *, most: float, seed: int, speakers: Mapping[str, str] | None = None
) -> list[str]:
    """Draw utterances until they have so many frames; how they lie in shards makes no difference.

    Args:
        frames: of each utterance.
        most: frames; the last utterance may go beyond.
        seed: of the draw.
        speakers: of each utterance, to draw one of each speaker in turn, and at least one.
    """
    names = sorted(frames)
    order = [names[index] for index in np.random.default_rng(seed).permutation(len(names))]
    turn = dict.fromkeys(names, 1)
    if speakers is not None:
        taken: Counter[str] = Counter()
        for name in order:
            turn[name] = taken[speakers[name]]
            taken[speakers[name]] += 1
        order.sort(key=turn.__getitem__)
    drawn, left = [], most
    for name in order:
        if left <= 0 and turn[name]:
            break
        drawn.append(name)
        left -= frames[name]
    return drawn


def gather(
    points: Iterable[np.ndarray],
    most: int,
    new_array: Callable[[tuple[int, int]], np.ndarray] = lambda shape: np.empty(shape, np.float32),
) -> np.ndarray:
    """Join points: float32 [points, width].

    Args:
        points: float32 [points, width] of each utterance, taken one after another.
        most: no more points than this come.
        new_array: float32 of a shape; it is allocated once, as the largest thing in memory.
    """
    joined, count = None, 0
    for own in points:
        if joined is None:
            joined = new_array((most, own.shape[1]))
        joined[count : count + len(own)] = own
        count += len(own)
    return new_array((0, 1)) if joined is None else joined[:count]


def write_points(folder: str | Path, points: Iterable[np.ndarray], most: int, speakers: Sequence[str] = ()) -> None:
    """Store points, with a manifest beside the folder, or nothing.

    Memory: the points of one utterance. Space: 4 bytes x width x `most`.

    Args:
        points, most: as of `gather`.
        speakers: whose the points are, one each, where speakers are clustered.
    """
    with manifests.new_described_folder(folder) as temporary:
        joined = gather(points, most, lambda shape: files.new_mapped_array(temporary / _POINTS, np.float32, shape))
        files.write_json(temporary / _INDEX, {"points": len(joined), "speakers": list(speakers)})


def open_points(manifest: str | Path) -> tuple[np.ndarray, list[str]]:
    """What `write_points` stored: the points, float32 [points, width], mapped into memory, and the speakers.

    Raises:
        StoreError: it is absent or damaged.
    """
    folder = manifests.described_folder(manifest)
    manifests.verify_files(folder, manifest)
    index = files.read_json(folder / _INDEX)
    return read_array(folder / _POINTS, mapped=True)[: index["points"]], index["speakers"]
