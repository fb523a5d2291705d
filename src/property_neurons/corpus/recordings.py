"""Utterances to read, and their waveforms, decoded ahead of the model that reads them."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd

from property_neurons.corpus import audio
from property_neurons.errors import AudioError, CountingError, ModelError

# Decoding runs beside the model, in so many threads, at most so many utterances ahead of it.
DECODERS = 2
_DECODED_AHEAD = 8

T = TypeVar("T")


@dataclass(frozen=True)
class Recording:
    """An utterance to read: its id, its audio file, and its samples at 16 kHz as the corpus scan found them."""

    utterance: str
    audio: Path
    n_samples: int


def recordings_of(utterances: pd.DataFrame, root: str | Path) -> list[Recording]:
    """The recordings of a table with utterance, audio (below `root`) and n_samples, in its order."""
    return [Recording(row.utterance, Path(root) / row.audio, row.n_samples) for row in utterances.itertuples()]


def read_recording(recording: Recording) -> np.ndarray:
    """The waveform of one utterance: float32 [samples], 16 kHz.

    Raises:
        AudioError: as `decode`.
    """
    with naming(recording.utterance):
        return _waveform(recording)


def decode(recordings: Sequence[Recording], decoders: int = DECODERS) -> Iterator[np.ndarray]:
    """The waveforms in order, float32 [samples], 16 kHz; `decoders` threads decode ahead of the reader.

    Raises:
        AudioError: an utterance cannot be decoded, or is not as long as the scan found it; the message names it.
    """
    return decode_into(lambda waveform: waveform, recordings, decoders)


def decode_into(
    use: Callable[[np.ndarray], T], recordings: Sequence[Recording], decoders: int = DECODERS, ahead: int = 0
) -> Iterator[T]:
    """As `decode`, but gives what `use` makes of each waveform, in the thread that decodes it.

    Args:
        use: takes float32 [samples]; called by several threads at once.
        ahead: so many utterances, if that is more than usual.
    """
    to_come = iter(recordings)
    with ThreadPoolExecutor(decoders, thread_name_prefix="decode") as pool:
        pending: deque[tuple[Recording, Future[T]]] = deque()

        def submit(count: int) -> None:
            pending.extend(
                (item, pool.submit(lambda item: use(_waveform(item)), item)) for item in islice(to_come, count)
            )

        try:
            submit(max(decoders, ahead, _DECODED_AHEAD))
            while pending:
                recording, future = pending.popleft()
                with naming(recording.utterance):
                    found = future.result()
                submit(1)
                yield found
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _waveform(recording: Recording) -> np.ndarray:
    waveform = audio.read_audio(recording.audio)
    if len(waveform) != recording.n_samples:
        raise AudioError(
            f"{recording.audio}: expected {recording.n_samples} samples (by the scan), found "
            f"{len(waveform)}; the file has changed: re-run the scan of the corpus"
        )
    return waveform


@contextmanager
def naming(utterance: str) -> Iterator[None]:
    """Put an utterance's name before the message of whatever goes wrong with it."""
    try:
        yield
    except AudioError as error:
        raise AudioError(f"utterance {utterance}: {error}") from error
    except ModelError as error:
        raise ModelError(f"utterance {utterance}: {error}") from error
    except CountingError as error:
        raise CountingError(f"utterance {utterance}: {error}") from error
