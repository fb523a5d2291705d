"""One pass of a model over a shard's utterances, which keeps the ranks of its neurons."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from property_neurons.corpus.recordings import DECODERS, Recording, decode_into, naming
from property_neurons.errors import CountingError
from property_neurons.progress import progress
from property_neurons.ranks.batching import plan_batches
from property_neurons.ranks.reading import Encoder, Ranked, Reader, Utterance
from property_neurons.ranks.sites import FRAMES_OFF, Site, active_neurons
from property_neurons.ranks.store import new_ranks


def extract_ranks(
    encoder: Encoder,
    recordings: Iterable[Recording],
    store: str | Path,
    *,
    model: str,
    lambda_max: float,
    middle_frames: Mapping[str, np.ndarray] | None = None,
    decoders: int = DECODERS,
    batch_seconds: float | None = None,
) -> None:
    """Rank the neurons of every stored frame of a shard at every site, and write the rank store.

    Frames that share a row of the model (SEW) each store it: rows of the store, and so the ties counted in
    them, are frames. Memory: the activations of a batch, the ids of one chunk of the store, and where several
    utterances are read at once the ids of 512.

    Args:
        store: the rank store to write (.zarr).
        model: the model's name.
        lambda_max: share of a site's neurons that is kept.
        middle_frames: for each utterance the frames to store, ascending; None stores every frame. A frame may lie
            up to `FRAMES_OFF` past the model's last, as labels may: the model gives none for it, so none is stored.
        decoders: threads that decode, and compute features, ahead of the model; the result does not depend on it.
        batch_seconds: speech that is read at once, padding included; None = each window of each utterance alone. The
            result depends on it as far as the model's rounding does: see docs/gpu.md.

    Raises:
        AudioError: an utterance cannot be decoded, or is not as long as the scan found it.
        ModelError: the model cannot read an utterance, or the device has too little memory for it.
        CountingError: activations are not finite, or frames and rows do not fit together.
        All name the utterance.
    """
    recordings = list(recordings)
    sites = [Site(site.layer, site.name, site.width) for site in encoder.sites]
    frames = [_frames_to_store(encoder, recording, middle_frames) for recording in recordings]
    offset = np.cumsum([0, *map(len, frames)])
    kept = [active_neurons(lambda_max, site.width) for site in sites]
    ties = [np.zeros(k, np.int64) for k in kept]

    batches = plan_batches([one.n_samples for one in recordings], batch_seconds, encoder.window_samples)
    reader = Reader(encoder, sites, kept, batch_seconds)
    with new_ranks(
        store,
        model=model,
        utterances=[recording.utterance for recording in recordings],
        sites=sites,
        lambda_max=lambda_max,
        frames="all" if middle_frames is None else "segment_mid",
        offset=offset,
        frame=np.concatenate([np.empty(0, np.int32), *frames]),
        ties=ties,
    ) as writer:
        waiting: dict[int, list[np.ndarray]] = {}
        written = 0
        for ranked in _one_behind(_read(encoder, reader, recordings, frames, batches, decoders)):
            for ids, counted in ranked():
                waiting |= ids
                for site_ties, found in zip(ties, counted, strict=True):
                    site_ties += found
            while written in waiting:
                writer.append(waiting.pop(written))
                written += 1


def _read(
    encoder: Encoder,
    reader: Reader,
    recordings: Sequence[Recording],
    frames: Sequence[np.ndarray],
    batches: Sequence[Sequence[int]],
    decoders: int,
) -> Iterator[Callable[[], list[Ranked]]]:
    """Read the batches in turn; each gives a function that waits for its ranks."""
    ahead = 2 * max(map(len, batches), default=0)
    in_turn = [recordings[index] for batch in batches for index in batch]
    decoded = decode_into(encoder.windows, in_turn, decoders, ahead)
    come = iter(progress(decoded, total=len(in_turn), what="ranking", unit="utterance"))
    for batch in batches:
        yield reader.read([Utterance(index, recordings[index], frames[index], next(come)) for index in batch])
    # The bar ends with what it counts.
    next(come, None)


def _one_behind(functions: Iterator[Callable[[], Any]]) -> Iterator[Callable[[], Any]]:
    """Yield each item only after the next is made, so that the device works while the results of a batch are stored."""
    before = None
    for function in functions:
        if before is not None:
            yield before
        before = function
    if before is not None:
        yield before


def _frames_to_store(
    encoder: Encoder, recording: Recording, middle_frames: Mapping[str, np.ndarray] | None
) -> np.ndarray:
    with naming(recording.utterance):
        n_frames = encoder.n_frames(recording.n_samples)
    if middle_frames is None:
        return np.arange(n_frames, dtype=np.int32)
    if recording.utterance not in middle_frames:
        raise CountingError(
            f"utterance {recording.utterance}: expected its middle frames, found none; "
            "shard list and frame store differ: scan the corpus again"
        )
    wanted = np.asarray(middle_frames[recording.utterance], np.int32)
    last = n_frames - 1 + FRAMES_OFF
    if len(wanted) and (wanted[0] < 0 or wanted[-1] > last or (np.diff(wanted) <= 0).any()):
        raise CountingError(
            f"utterance {recording.utterance}: expected rising middle frames from 0 to {last} at most (the model "
            f"gives {n_frames} frames), found {len(wanted)} from {wanted.min()} to {wanted.max()}; "
            "audio and alignment do not belong together: scan the corpus again"
        )
    return wanted[wanted < n_frames]
