"""One pass of a model over a shard's utterances, of which the ranks of its neurons are kept."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from torch import Tensor

from property_neurons.corpus.recordings import DECODERS, Recording, decode, naming
from property_neurons.errors import CountingError
from property_neurons.progress import progress
from property_neurons.ranks.sites import Site, active_neurons
from property_neurons.ranks.store import new_ranks
from property_neurons.ranks.topk import rank_neurons


class _EncoderSite(Protocol):
    layer: int
    name: str
    width: int


class Encoder(Protocol):
    """What is asked of a model; `models.loading.SpeechEncoder` has it."""

    sites: Sequence[_EncoderSite]

    def n_frames(self, n_samples: int) -> int: ...

    def rows_of_frames(self, n_samples: int) -> np.ndarray: ...

    def read(self, waveform: np.ndarray, consumer: Callable[[int, Tensor], None]) -> None: ...


def extract_ranks(
    encoder: Encoder,
    recordings: Iterable[Recording],
    store: str | Path,
    *,
    model: str,
    lambda_max: float,
    middle_frames: Mapping[str, np.ndarray] | None = None,
    decoders: int = DECODERS,
) -> None:
    """Rank the neurons of every stored frame of a shard at every site, and write the rank store.

    Frames that share a row of the model (SEW) each store it: rows of the store, and so the ties counted in
    them, are frames. Memory: one utterance's activations, and the ids of one chunk of the store.

    Args:
        store: the rank store to write (.zarr).
        model: the model's name.
        lambda_max: share of a site's neurons that is kept.
        middle_frames: for each utterance the frames to store, ascending; None stores every frame. A frame may lie
            one past the model's last, as labels may: the model gives none for it, so none is stored.
        decoders: threads that decode ahead of the model; the result does not depend on it.

    Raises:
        AudioError: an utterance cannot be decoded, or is not as long as the scan found it.
        ModelError: the model cannot read an utterance.
        CountingError: activations are not finite, or frames and rows do not fit together.
        All name the utterance.
    """
    recordings = list(recordings)
    sites = [Site(site.layer, site.name, site.width) for site in encoder.sites]
    frames = [_frames_to_store(encoder, recording, middle_frames) for recording in recordings]
    offset = np.cumsum([0, *map(len, frames)])
    kept = [active_neurons(lambda_max, site.width) for site in sites]
    ties = [np.zeros(k, np.int64) for k in kept]

    decoded = decode(recordings, decoders)
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
        for index, waveform in enumerate(progress(decoded, total=len(recordings), what="ranking", unit="utterance")):
            recording = recordings[index]
            ids = [np.empty((len(frames[index]), k), np.uint16) for k in kept]
            with naming(recording.utterance):
                rows = encoder.rows_of_frames(recording.n_samples)
                consumer = _Consumer(sites, rows[frames[index]], ids, ties)
                encoder.read(waveform, consumer)
                consumer.check_complete(rows[-1] + 1)
            writer.append(ids)


class _Consumer:
    """Ranks what the model hands over of one utterance, piece by piece, into `ids` and `ties` of each site.

    rows: int64 [stored frames], ascending, the model's row of each.
    ids: for each site uint16 [stored frames, k].
    """

    def __init__(self, sites: Sequence[Site], rows: np.ndarray, ids: list[np.ndarray], ties: list[np.ndarray]):
        self._sites = sites
        self._rows = rows
        self._ids = ids
        self._ties = ties
        self._received = [0] * len(sites)

    def __call__(self, site: int, activations: Tensor) -> None:
        first = self._received[site]
        self._received[site] = end = first + len(activations)
        stored = slice(*np.searchsorted(self._rows, (first, end)))
        rows = self._rows[stored] - first
        if not len(rows):
            return
        # Indexing copies; most models give a row per frame, and then there is nothing to choose.
        chosen = activations if np.array_equal(rows, np.arange(len(activations))) else activations[rows]
        try:
            ranked = rank_neurons(chosen, self._ids[site].shape[1])
        except CountingError as error:
            raise CountingError(f"layer {self._sites[site].layer} (site {self._sites[site].name}): {error}") from None
        self._ids[site][stored] = ranked.ids
        self._ties[site] += ranked.ties

    def check_complete(self, n_rows: int) -> None:
        for site, received in zip(self._sites, self._received, strict=True):
            if received != n_rows:
                raise CountingError(
                    f"layer {site.layer} (site {site.name}): expected {n_rows} rows of activations, found {received}; "
                    "the model's front end and its frame arithmetic disagree"
                )


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
    if len(wanted) and (wanted[0] < 0 or wanted[-1] > n_frames or (np.diff(wanted) <= 0).any()):
        raise CountingError(
            f"utterance {recording.utterance}: expected rising middle frames from 0 to {n_frames} at most (the model "
            f"gives {n_frames} frames), found {len(wanted)} from {wanted.min()} to {wanted.max()}; "
            "audio and alignment do not belong together: scan the corpus again"
        )
    return wanted[wanted < n_frames]
