"""Joining the rank stores of shards with their frame stores, by utterance and frame."""

from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from property_neurons.corpus.frame_store import FrameShard
from property_neurons.corpus.frame_values import FrameFiles, open_frame_files
from property_neurons.counting.sampling import Sampling
from property_neurons.errors import CountingError
from property_neurons.ranks.sites import FRAMES_OFF, active_neurons
from property_neurons.ranks.store import RankStore, open_ranks


def open_shards(
    shards: Sequence[tuple[str | Path, str | Path | FrameFiles]],
    property_name: str,
    sampling: Sampling,
    lambda_: float,
    keep: Collection[tuple[str, str]] | None,
) -> tuple[list[RankStore], list[int]]:
    """The rank stores of shards that can be counted together, and tau for each site.

    Args:
        shards: (rank store, frame store) of each shard.
        keep: the (subset, utterance) pairs to count; None for all.

    Raises:
        CountingError: the stores do not belong together, tau exceeds the ranks kept, the ranks are of other frames
            than the rule samples, an utterance is missing or occurs twice.
        StoreError: a store is damaged.
    """
    if not shards:
        raise CountingError(f"property {property_name}: expected shards to count, found none")
    ranks = [open_ranks(rank_store) for rank_store, _ in shards]
    tau = _common_tau(ranks, lambda_)
    _check_frame_rule(ranks, sampling)
    _check_utterances([frame_store for _, frame_store in shards], keep)
    return ranks, tau


def rank_rows(ranks: RankStore, frames: FrameShard, position: np.ndarray) -> np.ndarray:
    """The row of the rank store that holds each wanted frame, -1 where the model gave none.

    A model may give up to two frames fewer than there are labels (the last), or up to two more; nothing else may be
    missing. Alignments may end a frame before or after HuBERT's last frame, and Whisper and Wav2Vec2-BERT too.

    Args:
        position: int64 [wanted], indices into the shard's frames, of kept utterances.

    Returns:
        int64 [wanted]

    Raises:
        CountingError: the stores hold other utterances or another order, lengths differ by more than two frames,
            or a wanted frame was not stored.
    """
    _check_same_utterances(ranks, frames)
    n_labels, ranked = np.diff(frames.offset), ranks.frame
    _check_lengths(ranks, ranked, frames, n_labels)
    span = int(max(n_labels.max(initial=0), ranked.max(initial=0))) + 1
    stored = np.repeat(np.arange(len(ranks.utterances)), np.diff(ranks.offset)) * span + ranked
    utterance = np.searchsorted(frames.offset, position, side="right") - 1
    frame = position - frames.offset[utterance]
    wanted = utterance * span + frame
    row = np.searchsorted(stored, wanted)
    found = np.zeros(len(wanted), dtype=bool)
    inside = row < len(stored)
    found[inside] = stored[row[inside]] == wanted[inside]
    lost = ~found & (frame < n_labels[utterance] - FRAMES_OFF)
    if lost.any():
        first = int(np.argmax(lost))
        raise CountingError(
            f"{ranks.name}: utterance {frames.utterances[utterance[first]]}, frame {frame[first]}: expected its ranks, "
            f"found none (and {int(lost.sum()) - 1} more in this shard); these ranks were stored for "
            f"{ranks.frames!r} frames: rank again, with ranks.frames: all"
        )
    return np.where(found, row, -1)


def _check_same_utterances(ranks: RankStore, frames: FrameShard) -> None:
    if ranks.utterances == frames.utterances:
        return
    remedy = "the two stores come from different versions of the corpus: rank again"
    missing = sorted(set(frames.utterances) - set(ranks.utterances))
    extra = sorted(set(ranks.utterances) - set(frames.utterances))
    if missing or extra:
        raise CountingError(
            f"{ranks.name} and {frames.name}: expected the same utterances, found {len(missing)} without ranks "
            f"({', '.join(missing[:3])}) and {len(extra)} without labels ({', '.join(extra[:3])}); {remedy}"
        )
    raise CountingError(
        f"{ranks.name} and {frames.name}: expected the same utterances in the same order, found "
        + next(f"{a} beside {b}" for a, b in zip(ranks.utterances, frames.utterances, strict=False) if a != b)
        + f"; {remedy}"
    )


def _check_lengths(ranks: RankStore, ranked: np.ndarray, frames: FrameShard, n_labels: np.ndarray) -> None:
    stored = np.diff(ranks.offset)
    last = np.full(len(stored), -1, dtype=np.int64)
    last[stored > 0] = ranked[ranks.offset[1:][stored > 0] - 1]
    too_long = last + 1 > n_labels + FRAMES_OFF
    too_short = (stored < n_labels - FRAMES_OFF) if ranks.frames == "all" else np.zeros(len(stored), dtype=bool)
    wrong = (too_long | too_short) & frames.kept
    if wrong.any():
        first = int(np.argmax(wrong))
        raise CountingError(
            f"{ranks.name}: utterance {frames.utterances[first]}: expected {n_labels[first]} frames (its labels), give "
            f"or take two, found {last[first] + 1}; the audio and the alignment do not belong together, or the "
            f"model does not make 50 frames a second ({int(wrong.sum())} such utterances in this shard)"
        )


def _common_tau(ranks: Sequence[RankStore], lambda_: float) -> list[int]:
    first = ranks[0]
    for other in ranks[1:]:
        if (other.model, other.sites) != (first.model, first.sites):
            raise CountingError(
                f"expected ranks of one model, found {first.model} ({len(first.sites)} sites) in {first.name} and "
                f"{other.model} ({len(other.sites)} sites) in {other.name}; count each model by itself"
            )
    tau = [active_neurons(lambda_, site.width) for site in first.sites]
    for shard in ranks:
        for site, wanted, kept in zip(shard.sites, tau, shard.k, strict=True):
            if wanted > kept:
                raise CountingError(
                    f"{shard.name}: lambda {lambda_} makes {wanted} of {site.width} neurons active at site "
                    f"{site.name}, the ranks kept are {kept}; raise ranks.lambda_max (the model runs again) "
                    "or lower lambda"
                )
    return tau


def _check_frame_rule(ranks: Sequence[RankStore], sampling: Sampling) -> None:
    for shard in ranks:
        if sampling.frames == "every" and shard.frames != "all":
            raise CountingError(
                f"{shard.name}: counting every frame needs ranks of all frames, found {shard.frames!r}; "
                "set ranks.frames: all (the model runs again), or analysis.frames: segment_mid"
            )


def _check_utterances(
    frame_stores: Sequence[str | Path | FrameFiles], keep: Collection[tuple[str, str]] | None
) -> None:
    found: Counter[tuple[str, str]] = Counter()
    for store in frame_stores:
        shard = open_frame_files(store, keep)
        found.update((shard.columns["subset"][index], shard.utterances[index]) for index in np.flatnonzero(shard.kept))
    occurrences = Counter(utterance for _, utterance in found.elements())
    twice = sorted(utterance for utterance, times in occurrences.items() if times > 1)
    if twice:
        raise CountingError(
            f"expected each utterance once, found {len(twice)} more than once ({', '.join(twice[:3])}); "
            "leave the duplicates out of the utterances to keep"
        )
    missing = sorted(set(keep) - set(found)) if keep is not None else []
    if missing:
        raise CountingError(
            f"expected the shards to hold every utterance to keep, found {len(missing)} missing "
            f"({', '.join(' '.join(pair) for pair in missing[:3])}); count all shards of the corpus"
        )
