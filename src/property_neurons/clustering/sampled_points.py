"""The points that clusters are fitted on: of utterances drawn from a corpus."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from property_neurons.clustering.points import Represent, Utterance, points_of, utterances_of
from property_neurons.clustering.vocabulary import Of
from property_neurons.codebooks.sample import draw_utterances
from property_neurons.corpus.frame_store import FrameShard
from property_neurons.corpus.recordings import Recording

_FRAMES_PER_HOUR = 180_000


@dataclass(frozen=True)
class SampledPoints:
    """Points, as `codebooks.sample.write_points` takes them.

    points: float32 [points, width], of one utterance after another, or of one speaker.
    most: no more points than this come.
    speakers: whose they are, one each, where speakers are clustered.
    """

    points: Iterator[np.ndarray]
    most: int
    speakers: tuple[str, ...] = ()


def sample_points(
    shards: Sequence[FrameShard],
    recordings: Sequence[Sequence[Recording]],
    represent: Represent,
    *,
    of: Of,
    hours: float,
    seed: int,
) -> SampledPoints:
    """The points of utterances drawn from all shards, in the order of their ids.

    Args:
        recordings: of each shard.
        hours: draw until there is so much speech; of speakers, one utterance of each in turn, and at least one.
        seed: of the draw.

    Raises:
        AudioError, ModelError, StoreError: as of `points.points_of`.
    """
    drawn = _draw(shards, recordings, of=of, hours=hours, seed=seed)
    if of != "speakers":
        most = sum(int(one.of_speech.sum()) for one in drawn) if of == "frames" else len(drawn)
        return SampledPoints((points for _, _, points in points_of(drawn, represent, of)), most)
    means = _means_of_speakers(drawn, represent)
    return SampledPoints((mean[np.newaxis] for mean in means.values()), len(means), tuple(means))


def _draw(
    shards: Sequence[FrameShard], recordings: Sequence[Sequence[Recording]], *, of: Of, hours: float, seed: int
) -> list[Utterance]:
    known = {one.name: one for pair in zip(shards, recordings, strict=True) for one in utterances_of(*pair)}
    drawn = draw_utterances(
        {name: len(one.of_speech) for name, one in known.items()},
        most=hours * _FRAMES_PER_HOUR,
        seed=seed,
        speakers={name: one.speaker for name, one in known.items()} if of == "speakers" else None,
    )
    return [known[name] for name in sorted(drawn)]


def _means_of_speakers(drawn: Sequence[Utterance], represent: Represent) -> dict[str, np.ndarray]:
    """The mean of all drawn frames of each speaker who has one, float32 [width], in the order of their names."""
    sums: dict[str, np.ndarray] = {}
    n_frames: dict[str, int] = {}
    for utterance, own, points in points_of(drawn, represent, "speakers"):
        if len(points):
            name = utterance.speaker
            sums[name] = sums.get(name, 0) + points[0].astype(np.float64) * own.sum()
            n_frames[name] = n_frames.get(name, 0) + int(own.sum())
    return {name: (sums[name] / n_frames[name]).astype(np.float32) for name in sorted(sums)}
