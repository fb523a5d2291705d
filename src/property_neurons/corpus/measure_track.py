"""Measuring a track: one number for each 20 ms frame of a shard, from its audio or from its labels and F0.

A frame covers [20 i, 20 (i + 1)) ms; what Praat measures is taken at its middle.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from property_neurons.corpus.audio import SAMPLE_RATE
from property_neurons.corpus.frame_store import FrameShard, open_frames
from property_neurons.corpus.frame_values import FrameValues, write_values
from property_neurons.corpus.recordings import read_recording, recordings_of
from property_neurons.corpus.tracks import Track
from property_neurons.errors import CorpusError
from property_neurons.progress import progress

_FRAME = 320
_SECONDS = _FRAME / SAMPLE_RATE
# Power of one step of 16 bits, -90 dB: below is digital silence.
_LEAST_POWER = 2.0**-30
_LEAST_SILENCE = 5
_SLOPE_FRAMES = 5
_RATE_SECONDS = 0.5
# Praat's advice for voices of men and of women.
_CEILING_HZ = {"M": 5000.0, "F": 5500.0}
_PRAAT_FLOOR_HZ = 75.0
_NO_PERIOD_DB = -200.0


def write_track(
    path: str | Path, *, track: Track, frame_store: str | Path, shard_list: pd.DataFrame, root: str
) -> None:
    """Measure a track of a shard's frames and write it as a store of values.

    Args:
        path: the .zarr to write.
        shard_list: of the frame store, as `shards.read_shard_list` gives it.
        root: the folder the audio paths of the shard list start from.

    Raises:
        AudioError: the audio is not what the corpus was scanned with.
        CorpusError: the shard has no F0 to take a slope of.
    """
    frames = open_frames(frame_store)
    if track == "f0_slope" and frames.pitch in ("none", "bins"):
        raise CorpusError(
            f"{frames.name}: expected F0 to take the slope of, found {frames.pitch}; choose pitch.method yaapt, praat "
            "or pyin for this corpus"
        )
    recordings = {recording.utterance: recording for recording in recordings_of(shard_list, root)}
    measured = [np.empty(0, np.float32)]
    for index, utterance in enumerate(progress(frames.utterances, what=track, unit="utt")):
        if track in _OF_LABELS:
            values = _OF_LABELS[track](frames, index)
        else:
            values = _OF_AUDIO[track](read_recording(recordings[utterance]), frames, index)
        measured.append(values.astype(np.float32))
    write_values(path, frames.utterances, frames.offset, FrameValues(number=np.concatenate(measured)))


def frame_power(waveform: np.ndarray, n_frames: int) -> np.ndarray:
    """The mean square of each frame's samples: float64 [n_frames]. Samples past the end count as 0."""
    padded = np.zeros(n_frames * _FRAME)
    padded[: min(len(waveform), len(padded))] = waveform[: len(padded)]
    return np.square(padded).reshape(n_frames, _FRAME).mean(axis=1)


def energy(waveform: np.ndarray, n_frames: int) -> np.ndarray:
    """The power of each frame in dB of full scale, -90 dB for digital silence: float64 [n_frames]."""
    return 10 * np.log10(np.maximum(frame_power(waveform, n_frames), _LEAST_POWER))


def signal_to_noise(power: np.ndarray, speech: np.ndarray) -> float:
    """10 log10((S - N) / N) dB: S the mean power of the frames of speech, N that of silence.

    NaN where fewer than five frames are silence, or speech is no louder than these.

    Args:
        power: float64 [frames]. speech: bool [frames].
    """
    if (~speech).sum() < _LEAST_SILENCE or not speech.any():
        return float("nan")
    noise = max(float(power[~speech].mean()), _LEAST_POWER)
    signal = float(power[speech].mean()) - noise
    return 10 * np.log10(signal / noise) if signal > 0 else float("nan")


def slope(f0: np.ndarray) -> np.ndarray:
    """The slope of F0 in semitones per second, by least squares over five frames: float64 [frames].

    NaN where one of the five has no F0.
    """
    semitones = 12 * np.log2(f0.astype(np.float64))
    around = np.lib.stride_tricks.sliding_window_view(np.pad(semitones, 2, constant_values=np.nan), _SLOPE_FRAMES)
    steps = np.arange(_SLOPE_FRAMES) - 2
    return around @ steps / ((steps**2).sum() * _SECONDS)


def phones_per_second(middles: np.ndarray, speech: np.ndarray) -> np.ndarray:
    """Speaking rate of each frame: float64 [frames]. The number of phones whose middle lies within half a second of the
    frame's, divided by the time that phones take there.

    Args:
        middles: seconds [phones], ascending. speech: bool [frames].
    """
    centre = (np.arange(len(speech)) + 0.5) * _SECONDS
    phones = np.searchsorted(middles, centre + _RATE_SECONDS, side="right") - np.searchsorted(
        middles, centre - _RATE_SECONDS
    )
    reach = round(_RATE_SECONDS / _SECONDS)
    spoken = np.concatenate([[0], np.cumsum(speech)])
    first = np.maximum(np.arange(len(speech)) - reach, 0)
    last = np.minimum(np.arange(len(speech)) + reach + 1, len(speech))
    with np.errstate(invalid="ignore", divide="ignore"):
        return phones / ((spoken[last] - spoken[first]) * _SECONDS)


def formant(waveform: np.ndarray, number: int, ceiling_hz: float, times: np.ndarray) -> np.ndarray:
    """Praat's formant `number` (Burg, five formants up to the ceiling) at some times, Hz: float64 [times]."""
    import parselmouth

    found = parselmouth.Sound(waveform.astype(np.float64), SAMPLE_RATE).to_formant_burg(
        time_step=_SECONDS / 2, max_number_of_formants=5, maximum_formant=ceiling_hz
    )
    return np.array([found.get_value_at_time(number, time) for time in times], dtype=np.float64)


def harmonics_to_noise(waveform: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Praat's harmonics-to-noise ratio (cross-correlation) at some times, dB: float64 [times].

    On a straight line between the two of Praat's own points around a time, 10 ms apart. NaN where one of the two has no
    period, and in a waveform shorter than the two periods of the floor that Praat compares.
    """
    import parselmouth

    if len(waveform) < 2 / _PRAAT_FLOOR_HZ * SAMPLE_RATE:
        return np.full(len(times), np.nan)
    found = parselmouth.Sound(waveform.astype(np.float64), SAMPLE_RATE).to_harmonicity_cc(
        time_step=_SECONDS / 2, minimum_pitch=_PRAAT_FLOOR_HZ
    )
    # Praat writes -200 dB where there is no period: neither a level nor something to interpolate with.
    decibels = np.where(found.values[0] <= _NO_PERIOD_DB, np.nan, found.values[0])
    return np.interp(times, found.xs(), decibels, left=np.nan, right=np.nan)


def _span(frames: FrameShard, index: int) -> slice:
    return slice(int(frames.offset[index]), int(frames.offset[index + 1]))


def _middles(frames: FrameShard, index: int) -> np.ndarray:
    return (np.arange(frames.offset[index + 1] - frames.offset[index]) + 0.5) * _SECONDS


def _f0(frames: FrameShard, index: int) -> np.ndarray:
    track = frames.pitch_values[frames.pitch_offset[index] : frames.pitch_offset[index + 1]]
    fitted = np.full(frames.offset[index + 1] - frames.offset[index], np.nan)
    fitted[: min(len(track), len(fitted))] = track[: len(fitted)]
    return fitted


def _rate(frames: FrameShard, index: int) -> np.ndarray:
    span = _span(frames, index)
    phone = frames.label[span] < len(frames.inventory.phones)
    if not phone.any():
        # Speech without an alignment.
        return np.full(len(phone), np.nan)
    segments = frames.segment[span][phone]
    own = np.unique(segments[segments >= 0])
    middles = (frames.segment_start[own] + frames.segment_end[own]) / 2e6
    return phones_per_second(np.sort(middles), phone)


def _position(frames: FrameShard, index: int) -> np.ndarray:
    """From 0, where the first phone begins, to 1, where the last one ends."""
    speech = np.flatnonzero(frames.of_speech[_span(frames, index)])
    places = np.arange(frames.offset[index + 1] - frames.offset[index])
    if not len(speech):
        return np.full(len(places), np.nan)
    position = (places - speech[0] + 0.5) / (speech[-1] - speech[0] + 1)
    return np.where((position > 0) & (position < 1), position, np.nan)


def _snr(waveform: np.ndarray, frames: FrameShard, index: int) -> np.ndarray:
    speech = frames.of_speech[_span(frames, index)]
    return np.full(len(speech), signal_to_noise(frame_power(waveform, len(speech)), speech))


def _formant(number: int) -> Callable[[np.ndarray, FrameShard, int], np.ndarray]:
    def measure(waveform: np.ndarray, frames: FrameShard, index: int) -> np.ndarray:
        ceiling = _CEILING_HZ.get(frames.columns["gender"][index], _CEILING_HZ["F"])
        return formant(waveform, number, ceiling, _middles(frames, index))

    return measure


_OF_LABELS: dict[str, Callable[[FrameShard, int], np.ndarray]] = {
    "f0_slope": lambda frames, index: slope(_f0(frames, index)),
    "speaking_rate": _rate,
    "utterance_position": _position,
}
_OF_AUDIO: dict[str, Callable[[np.ndarray, FrameShard, int], np.ndarray]] = {
    "energy": lambda waveform, frames, index: energy(waveform, len(_middles(frames, index))),
    "snr": _snr,
    "f1": _formant(1),
    "f2": _formant(2),
    "harmonicity": lambda waveform, frames, index: harmonics_to_noise(waveform, _middles(frames, index)),
}
