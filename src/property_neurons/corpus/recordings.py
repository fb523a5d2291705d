"""Utterances to read, and their waveforms, decoded ahead of the model that reads them."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from property_neurons.corpus import audio
from property_neurons.errors import AudioError, CountingError, ModelError

# Decoding runs beside the model, in so many threads, at most so many utterances ahead of it.
DECODERS = 2
_DECODED_AHEAD = 8


@dataclass(frozen=True)
class Recording:
    """An utterance to read: its id, its audio file, and its samples at 16 kHz as the corpus scan found them."""

    utterance: str
    audio: Path
    n_samples: int


def decode(recordings: Sequence[Recording], decoders: int = DECODERS) -> Iterator[np.ndarray]:
    """The waveforms in order, float32 [samples], 16 kHz, decoded ahead of their use by so many threads.

    Raises:
        AudioError: an utterance cannot be decoded, or is not as long as the scan found it; the message names it.
    """
    to_come = iter(recordings)
    with ThreadPoolExecutor(decoders, thread_name_prefix="decode") as pool:
        pending: deque[tuple[Recording, Future[np.ndarray]]] = deque()

        def submit(count: int) -> None:
            pending.extend((item, pool.submit(audio.read_audio, item.audio)) for item in islice(to_come, count))

        try:
            submit(max(decoders, _DECODED_AHEAD))
            while pending:
                recording, future = pending.popleft()
                with naming(recording.utterance):
                    waveform = future.result()
                    if len(waveform) != recording.n_samples:
                        raise AudioError(
                            f"{recording.audio}: expected {recording.n_samples} samples (by the scan), found "
                            f"{len(waveform)}; the file has changed: re-run the scan of the corpus"
                        )
                submit(1)
                yield waveform
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


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
