"""The points that clusters are fitted on: of utterances sampled from a corpus, stored for the job that fits."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from property_neurons.clustering.codebook import Codebook, fit_codebook
from property_neurons.clustering.vocabulary import Of
from property_neurons.corpus.frame_store import FrameShard
from property_neurons.corpus.recordings import Recording
from property_neurons.stores.zarr import add_array, new_store, open_store

_FRAMES_PER_HOUR = 180_000
PointsOfShard = Callable[[FrameShard, Sequence[Recording]], Iterable[tuple[int, np.ndarray, np.ndarray]]]
"""`points.points_of` but for what is represented, and how."""


@dataclass(frozen=True)
class SampledPoints:
    """The points of utterances, in the order of their ids.

    points: float32 [points, width]. offset: int64 [utterances + 1], first point of each.
    n_frames: int64 [utterances], how many frames its points are made of.
    speakers: of each utterance.
    """

    points: np.ndarray
    offset: np.ndarray
    n_frames: np.ndarray
    speakers: tuple[str, ...]

    def fit(self, of: Of, *, clusters: int, seed: int, standardise: bool) -> Codebook:
        """Mini-batch k-means of the points; of speakers, of the mean of all their frames. As of `fit_codebook`."""
        settings = {"clusters": clusters, "seed": seed, "standardise": standardise}
        if of != "speakers":
            return fit_codebook(np.split(self.points, self.offset[1:-1]) if len(self.points) else [], **settings)
        speakers, means = self._of_speakers()
        codebook = fit_codebook([means] if speakers else [], **settings)
        found = dict(zip(speakers, codebook.nearest(means).tolist(), strict=True))
        return Codebook(codebook.centroids, codebook.mean, codebook.scale, found)

    def _of_speakers(self) -> tuple[list[str], np.ndarray]:
        """The speakers that have a point, sorted, and the means of their frames: float32 [speakers, width]."""
        spoken = np.diff(self.offset) > 0
        names, number = np.unique(np.array(self.speakers, dtype=object)[spoken].astype(str), return_inverse=True)
        sums = np.zeros((len(names), self.points.shape[1]))
        weight = self.n_frames[spoken].astype(np.float64)
        np.add.at(sums, number, self.points * weight[:, np.newaxis])
        return names.tolist(), (sums / np.bincount(number, weight)[:, np.newaxis]).astype(np.float32)


def draw_utterances(shards: Iterable[FrameShard], *, of: Of, hours: float, seed: int) -> list[set[str]]:
    """Sample utterances until they hold so much speech: the ids of each shard.

    For clusters of speakers, one utterance of each in turn, and at least one. The sample does not depend on the shards.
    """
    shards = list(shards)
    known = {
        frames.utterances[place]: (number, int(np.diff(frames.offset)[place]), frames.columns["speaker"][place])
        for number, frames in enumerate(shards)
        for place in np.flatnonzero(frames.kept)
    }
    names = sorted(known)
    order = [names[index] for index in np.random.default_rng(seed).permutation(len(names))]
    turns: dict[str, int] = {}
    if of == "speakers":
        taken: dict[str, int] = {}
        for name in order:
            speaker = known[name][2]
            turns[name] = taken[speaker] = taken.get(speaker, -1) + 1
        order.sort(key=turns.__getitem__)
    drawn: list[set[str]] = [set() for _ in shards]
    left = hours * _FRAMES_PER_HOUR
    for name in order:
        if left <= 0 and turns.get(name, 1):
            break
        number, length, _ = known[name]
        drawn[number].add(name)
        left -= length
    return drawn


def sample_points(
    shards: Sequence[FrameShard],
    recordings: Sequence[Sequence[Recording]],
    points_of_shard: PointsOfShard,
    *,
    of: Of,
    hours: float,
    seed: int,
) -> SampledPoints:
    """The points of utterances sampled from all shards; arguments as of `draw_utterances`."""
    found: dict[str, tuple[np.ndarray, int, str]] = {}
    drawn_utterances = draw_utterances(shards, of=of, hours=hours, seed=seed)
    for frames, listed, drawn in zip(shards, recordings, drawn_utterances, strict=True):
        chosen = [one for one in listed if one.utterance in drawn]
        for place, own, points in points_of_shard(frames, chosen):
            found[frames.utterances[place]] = points, int(own.sum()), frames.columns["speaker"][place]
    # In an order of their own, so that shards make no difference.
    ordered = [found[name] for name in sorted(found)]
    points = [own for own, _, _ in ordered]
    return SampledPoints(
        np.concatenate([own for own in points if len(own)] or [np.empty((0, 1), np.float32)]),
        np.cumsum([0, *map(len, points)]),
        np.array([n_frames for _, n_frames, _ in ordered], np.int64),
        tuple(speaker for _, _, speaker in ordered),
    )


def write_points(path: str | Path, sampled: SampledPoints) -> None:
    """Write points as a .zarr."""
    with new_store(path) as store:
        store.attrs["speakers"] = list(sampled.speakers)
        add_array(store, "points", sampled.points)
        add_array(store, "offset", sampled.offset.astype(np.int64))
        add_array(store, "n_frames", sampled.n_frames)


def open_points(path: str | Path) -> SampledPoints:
    """Read what `write_points` wrote.

    Raises:
        StoreError: the store is damaged.
    """
    store = open_store(path)
    arrays = (store[name][:] for name in ("points", "offset", "n_frames"))
    return SampledPoints(*arrays, tuple(store.attrs["speakers"]))
