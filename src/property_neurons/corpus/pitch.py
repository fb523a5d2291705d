"""F0 tracks of 16 kHz speech, one value per 20 ms label cell: YAAPT as in the paper, Praat, or pYIN.

Frame i of every track belongs to label cell i, [20i, 20(i+1)) ms. Tracks start at t = 0 and are never padded: YAAPT's
often lacks the last cell, because its 35 ms window must fit. docs/pitch.md compares the methods.
"""

import contextlib
import warnings
from collections.abc import Iterator
from typing import Literal, get_args

import numpy as np

from property_neurons.corpus.audio import SAMPLE_RATE
from property_neurons.errors import AudioError, ConfigError, CorpusError

Method = Literal["yaapt", "praat", "pyin"]

FRAME_SAMPLES = 320
# What all three methods can search. YAAPT's 35 ms and pYIN's 64 ms windows bound the floor, YAAPT's band-pass
# (50-1500 Hz) the ceiling; and where the spectrum shows it nothing, YAAPT assumes 150 Hz, and stops with an error if
# that lies outside the range.
LOWEST_FLOOR_HZ, HIGHEST_FLOOR_HZ = 40.0, 150.0
HIGHEST_CEILING_HZ = 1500.0

_YAAPT_WINDOW = 560
# With fewer frames pYAAPT cannot start its spectral track, and stops with an IndexError.
_YAAPT_LEAST_FRAMES = 4
_PYIN_WINDOW = 1024


def frame_count(method: Method, n_samples: int) -> int:
    """Frames in the track of a clip: YAAPT ceil((N - 560) / 320), the others floor(N / 320), the whole label cells.

    Raises:
        ConfigError: no such method.
    """
    _check_method(method)
    if method == "yaapt":
        return max(0, -(-(n_samples - _YAAPT_WINDOW) // FRAME_SAMPLES))
    return n_samples // FRAME_SAMPLES


def estimate_f0(waveform: np.ndarray, method: Method, floor_hz: float = 71.0, ceiling_hz: float = 800.0) -> np.ndarray:
    """The F0 track of one utterance.

    A constant clip (digital silence) has a track of NaN, and so has a clip in which the method finds nothing to
    follow. A clip shorter than one frame has an empty track.

    Args:
        waveform: float [samples] in [-1, 1], 16 kHz, mono.
        floor_hz, ceiling_hz: range searched; within 40-1500 Hz and around 150 Hz.

    Returns:
        float32 Hz [frame_count(method, samples)], NaN where unvoiced

    Raises:
        AudioError: the waveform is not one row of finite floats.
        ConfigError: no such method, or a range that the methods cannot search.
        CorpusError: the installed tracker makes another number of frames than the one this was written for.
    """
    n_frames = frame_count(method, np.size(waveform))
    _check_range(floor_hz, ceiling_hz)
    waveform = _checked_waveform(waveform)
    if n_frames == 0 or waveform.min() == waveform.max():
        return np.full(n_frames, np.nan, dtype=np.float32)
    track = {"yaapt": _yaapt, "praat": _praat, "pyin": _pyin}[method]
    f0 = track(waveform, n_frames, floor_hz, ceiling_hz).astype(np.float32)
    if len(f0) != n_frames:
        raise CorpusError(
            f"{method} gave {len(f0)} frames for {len(waveform)} samples, expected {n_frames}; "
            "the installed version of its package works differently: install the one in requirements.lock"
        )
    f0[~(f0 > 0)] = np.nan
    return f0


def _yaapt(waveform: np.ndarray, n_frames: int, floor_hz: float, ceiling_hz: float) -> np.ndarray:
    from amfm_decompy import basic_tools, pYAAPT

    if n_frames < _YAAPT_LEAST_FRAMES:
        return np.zeros(n_frames)
    with _quiet():
        pitch = pYAAPT.yaapt(
            basic_tools.SignalObj(waveform, SAMPLE_RATE),
            f0_min=floor_hz,
            f0_max=ceiling_hz,
            frame_length=1000 * _YAAPT_WINDOW / SAMPLE_RATE,
            frame_space=1000 * FRAME_SAMPLES / SAMPLE_RATE,
        )
    f0 = pitch.samp_values
    # Where no frame has a candidate (noise, a click), the mean that scales YAAPT's transition costs is NaN, and NaN
    # costs leave the first two frames "voiced" and no other, whatever the audio.
    return f0 if (f0[2:] > 0).any() else np.zeros(n_frames)


def _praat(waveform: np.ndarray, n_frames: int, floor_hz: float, ceiling_hz: float) -> np.ndarray:
    import parselmouth

    # Praat's window is three periods of the floor, and Praat centres as many frames as fit on the middle of the sound.
    half_window = int(np.ceil(1.5 * SAMPLE_RATE / floor_hz)) + 1
    sound = parselmouth.Sound(_centre_on_cells(waveform, n_frames, half_window), SAMPLE_RATE)
    pitch = sound.to_pitch_ac(time_step=FRAME_SAMPLES / SAMPLE_RATE, pitch_floor=floor_hz, pitch_ceiling=ceiling_hz)
    return pitch.selected_array["frequency"]


def _pyin(waveform: np.ndarray, n_frames: int, floor_hz: float, ceiling_hz: float) -> np.ndarray:
    import librosa

    f0, _, _ = librosa.pyin(
        _centre_on_cells(waveform, n_frames, _PYIN_WINDOW // 2),
        fmin=floor_hz,
        fmax=ceiling_hz,
        sr=SAMPLE_RATE,
        frame_length=_PYIN_WINDOW,
        hop_length=FRAME_SAMPLES,
        center=False,
    )
    return f0


def _centre_on_cells(waveform: np.ndarray, n_frames: int, half_window: int) -> np.ndarray:
    """The clip between zeros, so that windows of 2 * half_window samples every 20 ms lie on the centres of the cells.

    Returns:
        float64 [2 * half_window + 320 * (n_frames - 1)]
    """
    padded = np.zeros(2 * half_window + FRAME_SAMPLES * (n_frames - 1))
    start = half_window - FRAME_SAMPLES // 2
    stop = min(len(padded), start + len(waveform))
    padded[start:stop] = waveform[: stop - start]
    return padded


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """pYAAPT divides by the energy of silent frames and averages empty lists as a matter of course, and says so."""
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        warnings.filterwarnings("ignore", message="Mean of empty slice|Degrees of freedom|kernel_size exceeds")
        warnings.filterwarnings("ignore", message="invalid value encountered|divide by zero encountered")
        yield


def _checked_waveform(waveform: np.ndarray) -> np.ndarray:
    waveform = np.asarray(waveform)
    if waveform.ndim != 1 or waveform.dtype.kind != "f":
        raise AudioError(
            f"expected a waveform of floats [samples] in [-1, 1], found {waveform.dtype} {list(waveform.shape)}; "
            "mix the channels down and divide integers by their full scale"
        )
    if not np.isfinite(waveform).all():
        first = int(np.argmin(np.isfinite(waveform)))
        raise AudioError(f"expected finite samples, found {waveform[first]} at sample {first}; decode the file again")
    # YAAPT in single precision moves some frames; in double it repeats the authors' bins exactly.
    return waveform.astype(np.float64)


def _check_method(method: str) -> None:
    if method not in get_args(Method):
        raise ConfigError(f"unknown F0 method {method!r}: expected one of {', '.join(get_args(Method))}")


def _check_range(floor_hz: float, ceiling_hz: float) -> None:
    if not LOWEST_FLOOR_HZ <= floor_hz <= HIGHEST_FLOOR_HZ < ceiling_hz <= HIGHEST_CEILING_HZ:
        raise ConfigError(
            f"F0 range {floor_hz:g}-{ceiling_hz:g} Hz: expected a floor of {LOWEST_FLOOR_HZ:g}-{HIGHEST_FLOOR_HZ:g} Hz "
            f"and a ceiling above {HIGHEST_FLOOR_HZ:g} and up to {HIGHEST_CEILING_HZ:g} Hz; the paper's range is "
            "71-800 Hz"
        )
