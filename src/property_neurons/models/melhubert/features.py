"""MelHuBERT's input: Kaldi log-Mel filterbanks, normalised by global statistics, two frames side by side for 20 ms."""

from collections.abc import Sequence
from dataclasses import dataclass

import kaldi_native_fbank
import numpy as np

from property_neurons.errors import ModelError
from property_neurons.models.backend import transformers
from property_neurons.models.melhubert.configuration import FRAMES_OF_10_MS

SAMPLING_RATE = 16_000
WINDOW = 400
HOP = 160


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


class MelHubertFeatureExtractor(transformers.SequenceFeatureExtractor):
    """From waveforms to the input of a MelHuBERT model; holds the global statistics that the model was trained with.

    Args:
        mean, std: of each log-Mel bin, [num_mel_bins]; None = 0 and 1 (a model that was never trained).
        frame_ms: 20 or 10, as the model's config says.
    """

    model_input_names = ["input_features", "attention_mask"]  # noqa: RUF012 - transformers' own form

    def __init__(
        self,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        frame_ms: int = 20,
        num_mel_bins: int = 40,
        sampling_rate: int = SAMPLING_RATE,
        feature_size: int | None = None,
        padding_value: float = 0.0,
        **kwargs,
    ):
        if frame_ms not in FRAMES_OF_10_MS:
            raise ModelError(f"frame_ms: expected 10 or 20, found {frame_ms}; correct preprocessor_config.json")
        if sampling_rate != SAMPLING_RATE:
            raise ModelError(
                f"sampling_rate: expected {SAMPLING_RATE} Hz, found {sampling_rate} Hz; "
                "correct preprocessor_config.json"
            )
        super().__init__(
            feature_size=num_mel_bins * FRAMES_OF_10_MS[frame_ms],
            sampling_rate=sampling_rate,
            padding_value=padding_value,
            **kwargs,
        )
        self.frame_ms = frame_ms
        self.num_mel_bins = num_mel_bins
        self.mean = [0.0] * num_mel_bins if mean is None else [float(value) for value in mean]
        self.std = [1.0] * num_mel_bins if std is None else [float(value) for value in std]
        if len(self.mean) != num_mel_bins:
            raise ModelError(
                f"log-Mel statistics: expected {num_mel_bins} bins, found {len(self.mean)}; "
                "use the statistics the model was trained with"
            )
        _ = self.statistics  # Refuses values that cannot be statistics.

    def __call__(
        self,
        raw_speech: np.ndarray | Sequence[np.ndarray],
        sampling_rate: int | None = None,
        padding: bool | str = True,
        return_attention_mask: bool = True,
        return_tensors: str | None = None,
    ) -> "transformers.BatchFeature":
        """One waveform, float32 [samples] in [-1, 1], or several, to the model's input, padded to the longest.

        Returns:
            input_features [utterances, frames, feature_size]; attention_mask [utterances, frames], 0 in padding

        Raises:
            ModelError: another sampling rate than 16 kHz, or an utterance without a frame.
        """
        if sampling_rate not in (None, self.sampling_rate):
            raise ModelError(f"expected {self.sampling_rate} Hz, found {sampling_rate} Hz; resample the waveform")
        several = not (isinstance(raw_speech, np.ndarray) and raw_speech.ndim == 1)
        waveforms = raw_speech if several else [raw_speech]
        features = [self.features(np.asarray(waveform, np.float32)) for waveform in waveforms]
        return self.pad(
            transformers.BatchFeature({"input_features": features}),
            padding=padding,
            return_attention_mask=return_attention_mask,
            return_tensors=return_tensors,
        )

    def features(self, waveform: np.ndarray) -> np.ndarray:
        """Model input of one waveform: float32 [frames, feature_size]."""
        return stack_frames(self.statistics.normalise(log_mel(waveform, self.num_mel_bins)), self.frame_ms)

    @property
    def statistics(self) -> LogMelStatistics:
        """The log-Mel statistics that input is normalised by."""
        return LogMelStatistics(np.asarray(self.mean), np.asarray(self.std))
