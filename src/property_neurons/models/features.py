"""From a waveform to a model's input, and from 20 ms frames to the rows of its output.

Every utterance is read alone and unpadded: the group norm of base HuBERT and wav2vec 2.0 runs over time, padding
included, so that padding would change the neurons. Whisper alone is padded, to its fixed window, as it was trained.

Four front ends, with the same methods:
    RawWaveform: waveform, normalised or not, for models with a convolution stack (HuBERT and its kin).
    WhisperLogMel: log-Mel spectrogram in windows of 30 s.
    StackedLogMel: log-Mel frames of 10 ms in pairs (Wav2Vec2-BERT).
    MelHubertLogMel: log-Mel frames of 10 ms, normalised by the model's statistics, in pairs or one by one (MelHuBERT).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from property_neurons.errors import ModelError, printable
from property_neurons.models.backend import transformers
from property_neurons.models.folder import (
    SAMPLES_PER_FRAME,
    SAMPLING_RATE,
    ask_for_normalise,
    check_preprocessor,
    check_strides,
    depends_on_normalising,
    read_preprocessor,
)
from property_neurons.models.log_mel import WINDOW, n_log_mel_frames
from property_neurons.models.melhubert import MelHubertFeatureExtractor
from property_neurons.models.pruned import base_type


@dataclass(frozen=True)
class Window:
    """The input of one forward pass.

    values: model input, [1, ...], float32.
    rows: rows that the feed-forward networks will see.
    speech_rows: how many of these, from the first, hold speech and not padding.
    """

    values: torch.Tensor
    rows: int
    speech_rows: int

    def pin_memory(self) -> "Window":
        """The same window in pinned memory, for copies to a GPU while the CPU goes on; torch's loaders call this."""
        return replace(self, values=self.values.pin_memory())


class FrontEnd(Protocol):
    """What `SpeechEncoder` needs from a front end."""

    min_samples: int
    """Length of the shortest utterance that gives a row."""
    window_samples: int | None
    """Length of the windows into which an utterance is cut, the last one filled up; None where it stays whole."""
    normalised: bool | None
    """Whether the waveform gets zero mean and unit variance; None where the model takes log-Mel features."""
    extractor: "transformers.FeatureExtractionMixin"

    def n_frames(self, n_samples: int) -> int:
        """Number of 20 ms frames with a row of their own, or sharing one."""

    def rows_of_frames(self, n_samples: int) -> np.ndarray:
        """Row of each 20 ms frame, int64 [n_frames]."""

    def windows(self, waveform: np.ndarray) -> Iterator[Window]:
        """Cut a waveform, float32 [samples] at 16 kHz, into the model's inputs."""


class RawWaveform:
    """Front end of models that read the waveform through a convolution stack.

    A stack of HuBERT's kernels and strides gives floor((N - 80) / 320) frames for N samples. SEW then averages
    pairs of frames: two frames share a row, and an odd last frame, which is in no row, shares the last one.
    """

    window_samples = None

    def __init__(self, config, extractor):
        self.extractor = extractor
        self.normalised = extractor.do_normalize
        self._convolutions = list(zip(config.conv_kernel, config.conv_stride, strict=True))
        self._frames_per_row = getattr(config, "squeeze_factor", 1)
        self.min_samples = self._frames_per_row
        for kernel, stride in reversed(self._convolutions):
            self.min_samples = (self.min_samples - 1) * stride + kernel

    def n_frames(self, n_samples: int) -> int:
        """Number of 20 ms frames."""
        length = n_samples
        for kernel, stride in self._convolutions:
            length = (length - kernel) // stride + 1
        return length

    def rows_of_frames(self, n_samples: int) -> np.ndarray:
        """Row of each frame, int64 [n_frames]."""
        rows = np.arange(self.n_frames(n_samples)) // self._frames_per_row
        return np.minimum(rows, self._n_rows(n_samples) - 1)

    def windows(self, waveform: np.ndarray) -> Iterator[Window]:
        """One window: the whole utterance, [1, samples]."""
        values = self.extractor(waveform, sampling_rate=SAMPLING_RATE, return_tensors="pt").input_values
        rows = self._n_rows(len(waveform))
        yield Window(values, rows, rows)

    def _n_rows(self, n_samples: int) -> int:
        return self.n_frames(n_samples) // self._frames_per_row


class WhisperLogMel:
    """Front end of Whisper: log-Mel spectrograms of fixed windows (30 s), the last one padded with silence.

    The encoder always gives a full window of rows; the first ceil(samples / 320) of it are speech.
    """

    normalised = None
    min_samples = 1

    def __init__(self, config, extractor):
        self.extractor = extractor
        self._rows = config.max_source_positions
        self.window_samples = self._rows * SAMPLES_PER_FRAME
        if extractor.feature_size != config.num_mel_bins or extractor.hop_length * 2 != SAMPLES_PER_FRAME:
            raise ModelError(
                f"{config.model_type}: expected features of {config.num_mel_bins} Mel bins every 10 ms, found "
                f"{extractor.feature_size} bins every {extractor.hop_length} samples; correct preprocessor_config.json"
            )

    def n_frames(self, n_samples: int) -> int:
        """Number of 20 ms frames."""
        return math.ceil(n_samples / SAMPLES_PER_FRAME)

    def rows_of_frames(self, n_samples: int) -> np.ndarray:
        """Row of each frame, int64 [n_frames]: the windows' speech rows follow each other without a gap."""
        return np.arange(self.n_frames(n_samples))

    def windows(self, waveform: np.ndarray) -> Iterator[Window]:
        """Consecutive windows, [1, Mel bins, 2 * rows]."""
        for start in range(0, len(waveform), self.window_samples):
            piece = waveform[start : start + self.window_samples]
            features = self.extractor(
                piece, sampling_rate=SAMPLING_RATE, max_length=self.window_samples, return_tensors="pt"
            ).input_features
            yield Window(features, self._rows, self.n_frames(len(piece)))


class StackedLogMel:
    """Front end of Wav2Vec2-BERT: Kaldi-style log-Mel frames (25 ms every 10 ms), two of them side by side in a row.

    An odd last frame would be completed by padding that the model then has to mask; it is left out instead.
    """

    normalised = None
    window_samples = None

    _WINDOW = 400
    _HOP = 160

    def __init__(self, config, extractor):
        self.extractor = extractor
        self.min_samples = self._WINDOW + self._HOP
        if extractor.stride != 2 or extractor.num_mel_bins * 2 != config.feature_projection_input_dim:
            raise ModelError(
                f"{config.model_type}: expected {config.feature_projection_input_dim} features from two 10 ms frames, "
                f"found {extractor.stride} frames of {extractor.num_mel_bins} bins; correct preprocessor_config.json"
            )

    def n_frames(self, n_samples: int) -> int:
        """Number of 20 ms frames."""
        return ((n_samples - self._WINDOW) // self._HOP + 1) // 2

    def rows_of_frames(self, n_samples: int) -> np.ndarray:
        """Row of each frame, int64 [n_frames]."""
        return np.arange(self.n_frames(n_samples))

    def windows(self, waveform: np.ndarray) -> Iterator[Window]:
        """One window: the whole utterance, [1, frames, 2 * Mel bins]."""
        features = self.extractor(
            waveform, sampling_rate=SAMPLING_RATE, pad_to_multiple_of=None, return_tensors="pt"
        ).input_features
        rows = self.n_frames(len(waveform))
        yield Window(features, rows, rows)


class MelHubertLogMel:
    """Front end of MelHuBERT: normalised log-Mel frames (25 ms every 10 ms), two in a row (20 ms) or one (10 ms).

    An odd last frame of a 20 ms model is completed by zeros, as it was trained: floor((N - 80) / 320) rows for N
    samples. The 10 ms model gives two rows for each of these frames, the first of which is the frame's own.
    """

    normalised = None
    min_samples = WINDOW
    window_samples = None

    def __init__(self, config, extractor: MelHubertFeatureExtractor):
        self.extractor = extractor
        self._rows_per_frame = 20 // config.frame_ms
        expected = config.frame_ms, config.num_mel_bins
        found = extractor.frame_ms, extractor.num_mel_bins
        if expected != found:
            raise ModelError(
                f"{config.model_type}: expected, by config.json, frame_ms = {expected[0]} and num_mel_bins = "
                f"{expected[1]}, found {found[0]} and {found[1]}; correct preprocessor_config.json"
            )

    def n_frames(self, n_samples: int) -> int:
        """Number of 20 ms frames."""
        return math.ceil(n_log_mel_frames(n_samples) / 2)

    def rows_of_frames(self, n_samples: int) -> np.ndarray:
        """Row of each frame, int64 [n_frames]."""
        return np.arange(self.n_frames(n_samples)) * self._rows_per_frame

    def windows(self, waveform: np.ndarray) -> Iterator[Window]:
        """One window: the whole utterance, [1, rows, Mel bins of a row].

        The 10 ms model's last row is left out of the speech rows where no frame takes it.
        """
        features = self.extractor.features(waveform)
        yield Window(torch.from_numpy(features)[None], len(features), self.rows_of_frames(len(waveform))[-1] + 1)


def load_front_end(folder: Path, config, normalise: bool | None = None) -> FrontEnd:
    """Build the front end of the model in `folder`.

    Args:
        folder: local model folder; its preprocessor_config.json (or that part of processor_config.json) is followed
            where there is one. Where there is none, a waveform is left as it is if the model hardly depends on it
            (group norm in the convolutions); otherwise `normalise` has to say. A MelHuBERT must have one: the
            statistics in it belong to the model.
        config: the model's transformers config.
        normalise: whether the waveform gets zero mean and unit variance, whatever the folder says; None = as it says.

    Raises:
        ModelError: the model takes another sampling or frame rate; config.json and preprocessor_config.json differ; a
            MelHuBERT's statistics are missing; nothing says whether to normalise; `normalise` is set for a model that
            takes log-Mel features.
    """
    kind = base_type(config)
    if kind == "melhubert":
        front_end = MelHubertLogMel(config, _load_melhubert_extractor(folder))
    else:
        check_strides(folder, config.to_dict())
        fields = read_preprocessor(folder)
        if kind == "whisper":
            defaults = {"feature_size": config.num_mel_bins}
            extractor = _extractor(folder, fields, transformers.WhisperFeatureExtractor, **defaults)
            front_end = WhisperLogMel(config, extractor)
        elif kind == "wav2vec2-bert":
            front_end = StackedLogMel(config, _extractor(folder, fields, transformers.SeamlessM4TFeatureExtractor))
        else:
            if fields is None and normalise is None and depends_on_normalising(config.to_dict()):
                raise ask_for_normalise(folder)
            decided = {} if normalise is None else {"do_normalize": normalise}
            fields = {"do_normalize": False} | decided if fields is None else fields | decided
            front_end = RawWaveform(config, _extractor(folder, fields, transformers.Wav2Vec2FeatureExtractor))
    if normalise and front_end.normalised is None:
        raise ModelError(
            f"{printable(folder)}: normalise is set, but {config.model_type} takes log-Mel features, not a waveform; "
            "leave normalise unset for this model"
        )
    return front_end


def _extractor(folder: Path, fields: dict[str, Any] | None, extractor_class: type, **defaults: Any):
    fields = defaults if fields is None else fields
    where = f"{printable(folder)}, preprocessor_config.json"
    kind = fields.get("feature_extractor_type", extractor_class.__name__)
    if kind != extractor_class.__name__:
        raise ModelError(
            f"{where}, feature_extractor_type: expected {extractor_class.__name__}, which this model takes, found "
            f"{printable(kind)}; give the file that was saved with the model"
        )
    check_preprocessor(folder, fields)
    try:
        return extractor_class.from_dict(fields)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"{where}: expected the settings of a {extractor_class.__name__}, found: {error}; "
            "give the file that was saved with the model"
        ) from error


def _load_melhubert_extractor(folder: Path) -> MelHubertFeatureExtractor:
    file = folder / "preprocessor_config.json"
    remedy = "give the file that was saved with the model, or convert or train the model again"
    fields = read_preprocessor(folder)
    if fields is None:
        raise ModelError(f"{file}: expected the log-Mel statistics of the MelHuBERT, found no file; {remedy}")
    try:
        # Without them the extractor would take 0 and 1, the statistics of no trained model.
        absent = [name for name in ("mean", "std") if fields.get(name) is None]
        if absent:
            raise ValueError(f"no {' and no '.join(absent)}")
        return MelHubertFeatureExtractor.from_dict(fields)
    except (TypeError, ValueError, ModelError) as error:
        raise ModelError(f"{file}: expected MelHuBERT's log-Mel statistics, found: {error}; {remedy}") from error
