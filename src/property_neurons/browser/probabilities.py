"""From stored ranks: how often neurons are active in each phone and around its onset, with intervals over speakers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from property_neurons.corpus.frame_store import FrameShard
from property_neurons.counting.join import rank_rows
from property_neurons.counting.runs import runs
from property_neurons.counting.sampling import Sampling, sample_frames
from property_neurons.ranks.store import RankStore

LAGS = np.arange(-5, 6)
"""Frames of 20 ms before (negative) and after the onset of a phone."""
_MOST_CLUSTERS = 60


@dataclass(frozen=True)
class Frames:
    """What is counted of one shard: rows of its rank store, each with its cell, by ascending cell.

    row, cell: int64 [counted], the cell is cluster * phones + phone; the phones are those of the corpus.
    onset_row, onset_cell: int64 [onsets and lags], the cell is phone * lags + lag.
    """

    row: np.ndarray
    cell: np.ndarray
    onset_row: np.ndarray
    onset_cell: np.ndarray


def clusters_of(speakers: Sequence[str]) -> dict[str, int]:
    """The cluster of each speaker: the speaker alone or, of more than 60 speakers, together with every 60th other."""
    return {name: index % _MOST_CLUSTERS for index, name in enumerate(sorted(set(speakers)))}


def counted_frames(frames: FrameShard, ranks: RankStore, sampling: Sampling, clusters: dict[str, int]) -> Frames:
    """The sampled frames of phones in kept utterances, and the frames around each phone's onset.

    Raises:
        CountingError: the stores do not belong together, or ranks of middle frames alone were kept.
    """
    n_phones = len(frames.inventory.phones)
    sample = sample_frames(frames, sampling)
    row = rank_rows(ranks, frames, sample.position)
    label = frames.label[sample.position].astype(np.int64)
    cluster = np.array([clusters.get(name, 0) for name in frames.columns["speaker"]])
    utterance = np.searchsorted(frames.offset, sample.position, side="right") - 1
    counted = (row >= 0) & (label < n_phones)
    cell = cluster[utterance] * n_phones + label

    start, _ = runs(frames.label, frames.segment, frames.offset, equal_neighbours="separate", last_run="keep")
    own = np.searchsorted(frames.offset, start, side="right") - 1
    phone = frames.label[start].astype(np.int64)
    chosen = frames.kept[own] & (phone < n_phones)
    start, own, phone = start[chosen], own[chosen], phone[chosen]
    around = start[:, np.newaxis] + LAGS
    inside = (around >= frames.offset[own][:, np.newaxis]) & (around < frames.offset[own + 1][:, np.newaxis])
    onset_cell = (phone[:, np.newaxis] * len(LAGS) + np.arange(len(LAGS)))[inside]
    onset_row = rank_rows(ranks, frames, around[inside])
    there = onset_row >= 0
    return Frames(*_by_cell(row[counted], cell[counted]), *_by_cell(onset_row[there], onset_cell[there]))


def _by_cell(row: np.ndarray, cell: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(cell, kind="stable")
    return row[order], cell[order]


def intervals(counts: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A probability over all speakers, with its 95 % interval over them.

    The estimate is a ratio of sums over clusters; its variance is the linearised one of cluster samples (Cochran 1977,
    equation 6.9), the interval Student's with one degree less than there are clusters with frames. Ends are cut at 0
    and 1. Where no frame is active, or each, clusters show no variance: the interval is that of Clopper and Pearson
    (1934), as if frames were independent, so rather too narrow. Of one cluster nothing is known: it has no interval.

    Args:
        counts: int64 [clusters, ...], active frames. n: int64, broadcast to it, frames.

    Returns:
        estimate, low, high: float64 [...], NaN where there is no frame; low, high also where one cluster has all
    """
    counts, n = np.asarray(counts, np.float64), np.broadcast_to(n, counts.shape).astype(np.float64)
    total = n.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        estimate = counts.sum(axis=0) / total
        clusters = (n > 0).sum(axis=0)
        square = ((counts - estimate * n) ** 2).sum(axis=0)
        error = np.sqrt(square * clusters / (clusters - 1)) / total
        half = error * student.ppf(0.975, np.maximum(clusters - 1, 1))
        low, high = np.maximum(estimate - half, 0), np.minimum(estimate + half, 1)
        farthest = 0.025 ** (1 / total)
    low = np.where(estimate == 1, farthest, low)
    high = np.where(estimate == 0, 1 - farthest, high)
    alone = clusters < 2
    return estimate, np.where(alone, np.nan, low), np.where(alone, np.nan, high)
