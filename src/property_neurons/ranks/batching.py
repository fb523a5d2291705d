"""Batches of utterances of similar length, so that a model reads little padding."""

from collections.abc import Sequence

from property_neurons.corpus.audio import SAMPLE_RATE

# With 3072 neurons the activations of one site fill 150 MB, and those of attention about as much a block.
_GPU_SECONDS = 240.0
# Utterances are sorted by length among so many, whose ranks wait in memory to be written in order.
_POOL = 512


def seconds_at_once(setting: float | None, device: str) -> float | None:
    """The seconds of speech in a batch, or None for one utterance at a time.

    Args:
        setting: `ranks.batch_seconds` of the config; None = as the device likes it, 0 = one utterance at a time.
        device: "cpu", where single utterances are faster, or "cuda".
    """
    if setting is None:
        return None if device == "cpu" else _GPU_SECONDS
    return setting or None


def plan_batches(n_samples: Sequence[int], seconds: float | None, window: int | None = None) -> list[list[int]]:
    """Divide utterances into batches, by index: the longest first among each 512 consecutive ones.

    Args:
        n_samples: of each utterance, at 16 kHz.
        seconds: the most that a batch holds, padding included, unless one utterance alone is longer; None = one
            utterance a batch, in order.
        window: samples of the window to which the model fills each piece of an utterance up (Whisper).
    """
    if seconds is None:
        return [[index] for index in range(len(n_samples))]
    batches: list[list[int]] = []
    for first in range(0, len(n_samples), _POOL):
        pool = range(first, min(first + _POOL, len(n_samples)))
        room = 0
        for index in sorted(pool, key=lambda index: -n_samples[index]):
            if room == 0:
                # As many as the longest, which comes first, leaves room for.
                padded = n_samples[index] if window is None else -(-n_samples[index] // window) * window
                room = max(1, int(seconds * SAMPLE_RATE) // max(1, padded))
                batches.append([])
            batches[-1].append(index)
            room -= 1
    return batches
