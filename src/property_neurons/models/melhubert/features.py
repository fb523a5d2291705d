"""MelHuBERT's input: Kaldi log-Mel filterbanks, normalised by global statistics, two frames side by side for 20 ms."""

from collections.abc import Sequence

import numpy as np

from property_neurons.errors import ModelError
from property_neurons.models.backend import transformers
from property_neurons.models.log_mel import FRAMES_OF_10_MS, SAMPLING_RATE, LogMelStatistics, log_mel, stack_frames


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
