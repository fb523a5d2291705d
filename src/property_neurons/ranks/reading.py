"""Reading some utterances with a model at once, and ranking what it hands over, on the device that it runs on."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from property_neurons.corpus.audio import SAMPLE_RATE
from property_neurons.corpus.recordings import Recording, naming
from property_neurons.errors import CountingError, ModelError
from property_neurons.ranks.sites import Site, check_rows
from property_neurons.ranks.topk import rank_on_device

log = logging.getLogger(__name__)


class _EncoderSite(Protocol):
    layer: int
    name: str
    width: int


class Encoder(Protocol):
    """The interface of a model to read; `models.loading.SpeechEncoder` has it."""

    sites: Sequence[_EncoderSite]
    window_samples: int | None

    def n_frames(self, n_samples: int) -> int: ...

    def rows_of_frames(self, n_samples: int) -> np.ndarray: ...

    def windows(self, waveform: np.ndarray) -> Sequence[Any]: ...

    def read_windows(self, windows: Sequence[Any], consumer: Callable[[int, Tensor], None]) -> None: ...


@dataclass(frozen=True)
class Utterance:
    """An utterance to rank: its place in the store, the frames to store, and the model's input."""

    index: int
    recording: Recording
    frames: np.ndarray
    windows: Sequence[Any]


# The ids of each utterance, by its place: for each site uint16 [stored frames, k]; and for each site ties, int64 [k].
Ranked = tuple[dict[int, list[np.ndarray]], list[np.ndarray]]


class Reader:
    """Reads some utterances at once, and ranks what the model hands over."""

    def __init__(self, encoder: Encoder, sites: Sequence[Site], kept: Sequence[int], batch_seconds: float | None):
        self._encoder = encoder
        self._sites = sites
        self._kept = kept
        self._at_once = 1
        if batch_seconds is not None:
            window = encoder.window_samples
            self._at_once = max(1, int(batch_seconds * SAMPLE_RATE) // window) if window else None

    def read(self, utterances: Sequence[Utterance]) -> Callable[[], list[Ranked]]:
        """Start reading some utterances, fewer at once if memory is short; returns a function that waits for ranks.

        Raises:
            CountingError, ModelError: naming the faulty utterance, which is found by reading halves again.
        """
        one = utterances[0]
        try:
            if len(utterances) > 1:
                return self._read_together(utterances)
            with naming(one.recording.utterance):
                return self._read_together(utterances)
        except torch.OutOfMemoryError as error:
            if len(utterances) == 1:
                raise ModelError(
                    f"utterance {one.recording.utterance}: the device has too little memory for its "
                    f"{one.recording.n_samples / SAMPLE_RATE:.0f} s ({str(error).splitlines()[0]}); use a "
                    "larger one, set device: cpu, or leave the utterance out"
                ) from None
            log.warning(
                "too little memory for %d utterances at once; half of them are read. Lower ranks.batch_seconds.",
                len(utterances),
            )
        except (CountingError, ModelError):
            if len(utterances) == 1:
                raise
        middle = len(utterances) // 2
        halves = [self.read(utterances[:middle]), self.read(utterances[middle:])]
        return lambda: [ranked for half in halves for ranked in half()]

    def _read_together(self, utterances: Sequence[Utterance]) -> Callable[[], list[Ranked]]:
        rows, n_rows = [], 0
        for one in utterances:
            own = self._encoder.rows_of_frames(one.recording.n_samples)
            rows.append(own[one.frames] + n_rows)
            n_rows += int(own[-1]) + 1
        consumer = _Consumer(self._sites, self._kept, np.concatenate(rows))
        windows = [window for one in utterances for window in one.windows]
        at_once = self._at_once or len(windows)
        for first in range(0, len(windows), at_once):
            self._encoder.read_windows(windows[first : first + at_once], consumer)
        consumer.check_complete(n_rows)
        fetch = consumer.ranked()
        ends = np.cumsum([len(one.frames) for one in utterances])[:-1]

        def ranked() -> list[Ranked]:
            ids, ties = fetch()
            parts = zip(*(np.split(site_ids, ends) for site_ids in ids), strict=True)
            own = {one.index: list(part) for one, part in zip(utterances, parts, strict=True)}
            return [(own or {one.index: [] for one in utterances}, ties)]

        return ranked


class _Consumer:
    """Ranks the activations of some utterances, piece by piece; the ranks stay on the device until `ranked`.

    kept: for each site the number of neurons to keep.
    rows: int64 [stored frames], ascending, the model's row of each.
    """

    def __init__(self, sites: Sequence[Site], kept: Sequence[int], rows: np.ndarray):
        self._sites = sites
        self._kept = kept
        self._rows = rows
        self._received = [0] * len(sites)
        self._ranked: list[list[tuple[Tensor, Tensor]]] = [[] for _ in sites]
        self._chosen: tuple[int, int, Tensor | None] = (0, 0, None)

    def __call__(self, site: int, activations: Tensor) -> None:
        first = self._received[site]
        self._received[site] = end = first + len(activations)
        if (first, end) != self._chosen[:2]:
            # All sites come in the same pieces: what is chosen goes to the device once.
            stored = slice(*np.searchsorted(self._rows, (first, end)))
            rows = self._rows[stored] - first
            every = np.array_equal(rows, np.arange(len(activations)))
            self._chosen = first, end, None if every else torch.from_numpy(rows).to(activations.device)
        rows = self._chosen[2]
        if rows is not None and not len(rows):
            return
        # Indexing copies; most models give a row per frame, and then there is nothing to choose.
        chosen = activations if rows is None else activations[rows]
        try:
            self._ranked[site].append(rank_on_device(chosen, self._kept[site]))
        except CountingError as error:
            raise CountingError(f"layer {self._sites[site].layer} (site {self._sites[site].name}): {error}") from None

    def check_complete(self, n_rows: int) -> None:
        for site, received in zip(self._sites, self._received, strict=True):
            check_rows(site, n_rows, received)

    def ranked(self) -> Callable[[], tuple[list[np.ndarray], list[np.ndarray]]]:
        """Send all ranks to the CPU in one copy; a function that waits for it.

        Returns:
            for each site ids, uint16 [stored frames, k], and ties, int64 [k]
        """
        device = self._ranked[0][0][0].device if self._ranked and self._ranked[0] else torch.device("cpu")
        nothing = [(torch.empty((0, k), dtype=torch.int16), torch.zeros(k, dtype=torch.int64)) for k in self._kept]
        per_site = [
            [(ids.to(device), ties.to(device)), *own] for (ids, ties), own in zip(nothing, self._ranked, strict=True)
        ]
        ids = [torch.cat([piece for piece, _ in own]) for own in per_site]
        ties = [torch.stack([counted for _, counted in own]).sum(dim=0) for own in per_site]
        # Ties come first, where their eight bytes each lie as numpy wants them.
        parts = [*ties, *ids]
        bits = [part.view(torch.int16).flatten() for part in parts]
        fetch = _to_cpu(torch.cat(bits)) if bits else lambda: np.empty(0, np.int16)

        def ranked() -> tuple[list[np.ndarray], list[np.ndarray]]:
            found = np.split(fetch(), np.cumsum([len(part) for part in bits])[:-1])
            return (
                [own.view(np.uint16).reshape(part.shape) for own, part in zip(found[len(ties) :], ids, strict=True)],
                [own.view(np.int64) for own in found[: len(ties)]],
            )

        return ranked


def _to_cpu(values: Tensor) -> Callable[[], np.ndarray]:
    """Copy a tensor to the CPU while the device goes on; a function that waits for it."""
    if values.device.type != "cuda":
        return values.cpu().numpy
    there = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
    there.copy_(values, non_blocking=True)
    done = torch.cuda.Event()
    done.record()

    def fetch() -> np.ndarray:
        done.synchronize()
        return there.numpy()

    return fetch
