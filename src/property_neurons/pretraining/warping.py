"""Vocal tract length perturbation: the frequency axis of log-Mel frames stretched, as another speaker's would be.

Jaitly and Hinton, "Vocal Tract Length Perturbation (VTLP) improves speech recognition" (2013). With few speakers to
train on, each crop is heard as one of many.
"""

import numpy as np

from property_neurons.models.log_mel import SAMPLING_RATE

_LOWEST_HZ = 20.0


def draw_warp(strength: float, rng: np.random.Generator) -> float:
    """A factor, log-uniform between 1 / (1 + strength) and 1 + strength."""
    return float((1 + strength) ** rng.uniform(-1, 1))


def warp_frequencies(frames: np.ndarray, factor: float) -> np.ndarray:
    """Each bin takes the value found at `factor` times its centre frequency, linear between the bins around it.

    Args:
        frames: log-Mel frames, not normalised, float32 [frames, bins], of Kaldi's filterbank from 20 Hz to 8 kHz.
        factor: above 1 what was high comes lower, as from a longer vocal tract; outside the outermost bins their
            values are taken.

    Returns:
        float32 [frames, bins]
    """
    bins = np.arange(frames.shape[1])
    edges = _mel(np.array([_LOWEST_HZ, SAMPLING_RATE / 2]))
    step = (edges[1] - edges[0]) / (len(bins) + 1)
    centres = edges[0] + step * (bins + 1)
    places = (_mel(_hertz(centres) * factor) - centres[0]) / step
    places = np.clip(places, 0, len(bins) - 1)
    lower = np.minimum(places.astype(np.int64), max(0, len(bins) - 2))
    share = (places - lower).astype(np.float32)
    upper = np.minimum(lower + 1, len(bins) - 1)
    return frames[:, lower] * (1 - share) + frames[:, upper] * share


def _mel(hertz: np.ndarray) -> np.ndarray:
    return 1127.0 * np.log1p(hertz / 700.0)


def _hertz(mel: np.ndarray) -> np.ndarray:
    return 700.0 * np.expm1(mel / 1127.0)
