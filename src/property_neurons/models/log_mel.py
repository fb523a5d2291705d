"""Kaldi log-Mel filterbanks, normalised by global statistics, two frames side by side for 20 ms."""

from dataclasses import dataclass

import kaldi_native_fbank
import numpy as np

from property_neurons.errors import ModelError

SAMPLING_RATE = 16_000
WINDOW = 400
HOP = 160
FRAMES_OF_10_MS = {10: 1, 20: 2}
"""How many log-Mel frames of 10 ms a model takes in side by side, by its frame length in ms."""


def n_log_mel_frames(n_samples: int) -> int:
    """Frames of 25 ms every 10 ms that lie wholly within `n_samples` at 16 kHz."""
    return max(0, (n_samples - WINDOW) // HOP + 1)


def log_mel(waveform: np.ndarray, num_mel_bins: int = 40) -> np.ndarray:
    """Kaldi's log-Mel filterbank of a waveform * 2^15: Hamming, 25 ms / 10 ms, no dither, preemphasis 0.97, snip edges.

    Args:
        waveform: float32 [samples] in [-1, 1], 16 kHz.
        num_mel_bins: bins between 20 Hz and 8 kHz.

    Returns:
        float32 [frames, num_mel_bins]

    Raises:
        ModelError: the waveform is too short for a frame.
    """
    if len(waveform) < WINDOW:
        raise ModelError(f"expected at least {WINDOW} samples (25 ms), found {len(waveform)}; leave the utterance out")
    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.samp_freq = SAMPLING_RATE
    options.frame_opts.dither = 0.0
    options.frame_opts.window_type = "hamming"
    options.mel_opts.num_bins = num_mel_bins
    filterbank = kaldi_native_fbank.OnlineFbank(options)
    filterbank.accept_waveform(SAMPLING_RATE, np.asarray(waveform, np.float32) * np.float32(2**15))
    filterbank.input_finished()
    return np.stack([filterbank.get_frame(index) for index in range(filterbank.num_frames_ready)])


@dataclass(frozen=True)
class LogMelStatistics:
    """Global mean and standard deviation of each log-Mel bin, float64 [num_mel_bins]."""

    mean: np.ndarray
    std: np.ndarray

    def __post_init__(self) -> None:
        shapes = np.shape(self.mean), np.shape(self.std)
        if shapes[0] != shapes[1] or len(shapes[0]) != 1:
            raise ModelError(f"log-Mel statistics: expected mean and std [bins], found shapes {shapes}; correct them")
        if not np.isfinite(self.mean).all() or not np.isfinite(self.std).all() or (np.asarray(self.std) <= 0).any():
            raise ModelError("log-Mel statistics: expected finite means and positive deviations; measure them again")

    def normalise(self, features: np.ndarray) -> np.ndarray:
        """(features - mean) / std, float32 [..., num_mel_bins]."""
        return ((features - self.mean) / self.std).astype(np.float32)


def stack_frames(features: np.ndarray, frame_ms: int) -> np.ndarray:
    """Frames as the model takes them in: for 20 ms [even frames | odd frames], an odd last one completed by zeros.

    Args:
        features: normalised log-Mel frames, [frames of 10 ms, bins].
        frame_ms: 10 or 20.

    Returns:
        [frames, bins * frame_ms / 10]
    """
    together = FRAMES_OF_10_MS[frame_ms]
    missing = -len(features) % together
    padded = np.pad(features, ((0, missing), (0, 0)))
    return padded.reshape(len(padded) // together, together * features.shape[1])
