"""From F0 tracks to low, middle and high: the cuts, values equal to a cut, and the fit to the labels (section 1)."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from property_neurons.corpus.frame_store import FrameShard
from property_neurons.errors import CountingError, some_of

log = logging.getLogger(__name__)

UNVOICED = -1
PitchCuts = Literal["tertiles", "percentiles_33_66"] | tuple[float, float]
Within = Literal["corpus", "speaker"]
AtLowerCut = Literal["lower_bin", "omit"]
F0Padding = Literal["end", "front"]

_PERCENTILES = {"tertiles": (100 / 3, 200 / 3), "percentiles_33_66": (33.0, 66.0)}


def find_cuts(
    shards: Iterable[FrameShard], pitch_cuts: PitchCuts, at_lower_cut: AtLowerCut = "lower_bin"
) -> tuple[float, float] | None:
    """The two cuts in Hz, as F0 is stored (float32); None for a corpus that comes with pitch bins.

    Args:
        pitch_cuts: percentiles of all voiced F0 of the kept utterances, or two values in Hz.
        at_lower_cut: "omit" is warned of where no frame is at the cut; see `bin_track`.

    Raises:
        CountingError: a shard has no pitch, some shards have F0 and others bins, no frame is voiced, or no F0 lies
            in a range between the cuts.
    """
    voiced, from_bins, from_f0 = [], [], []
    for shard in shards:
        if shard.pitch == "none":
            raise CountingError(f"{shard.name}: expected F0, found none; choose a pitch method for this corpus")
        (from_bins if shard.pitch == "bins" else from_f0).append(shard.name)
        if shard.pitch != "bins":
            f0 = shard.pitch_values[np.repeat(shard.kept, np.diff(shard.pitch_offset))]
            voiced.append(f0[~np.isnan(f0)])
    if from_bins and from_f0:
        raise CountingError(
            f"expected F0 in all shards or pitch bins in all, found F0 in {from_f0[0]} and bins in {from_bins[0]}; "
            "use one pitch method for the whole corpus"
        )
    if from_bins:
        return None
    values = np.concatenate([np.empty(0, np.float32), *voiced])
    del voiced
    return _cuts(values, pitch_cuts, at_lower_cut, from_f0)


def find_relative_cuts(
    shards: Iterable[FrameShard], pitch_cuts: PitchCuts, at_lower_cut: AtLowerCut = "lower_bin"
) -> tuple[tuple[float, float], dict[str, float]]:
    """The two cuts in semitones from the speaker's median, and that median of each speaker with voiced frames, in Hz.

    Args:
        pitch_cuts: percentiles of all voiced F0 of the kept utterances, each in semitones from the median of all voiced
            F0 of its speaker's kept utterances; or two values in semitones.

    Raises:
        CountingError: a shard has no F0 (bins say nothing about the speaker's median), no frame is voiced, or no F0
            lies in a range between the cuts.
    """
    of_speaker, names = defaultdict(list), []
    for shard in shards:
        if shard.pitch in ("none", "bins"):
            raise CountingError(
                f"{shard.name}: expected F0 to relate to each speaker's median, found {shard.pitch}; choose "
                "pitch.method yaapt, praat or pyin for this corpus"
            )
        names.append(shard.name)
        for index in np.flatnonzero(shard.kept):
            track = shard.pitch_values[shard.pitch_offset[index] : shard.pitch_offset[index + 1]]
            of_speaker[shard.columns["speaker"][index]].append(track[~np.isnan(track)])
    f0 = {speaker: np.concatenate(tracks) for speaker, tracks in of_speaker.items()}
    medians = {speaker: float(np.median(values)) for speaker, values in f0.items() if values.size}
    relative = [_semitones(f0[speaker], median) for speaker, median in medians.items()]
    return _cuts(np.concatenate([np.empty(0, np.float32), *relative]), pitch_cuts, at_lower_cut, names), medians


def in_semitones(frames: FrameShard, medians: Mapping[str, float]) -> FrameShard:
    """A shard whose F0 is in semitones from its speakers' medians (Hz); NaN for speakers without one."""
    of_utterance = np.array([medians.get(speaker, np.nan) for speaker in frames.columns["speaker"]])
    of_value = np.repeat(of_utterance, np.diff(frames.pitch_offset))
    return replace(frames, pitch_values=_semitones(frames.pitch_values, of_value))


def _semitones(f0: np.ndarray, reference: float | np.ndarray) -> np.ndarray:
    return (12 * np.log2(f0 / np.asarray(reference, dtype=np.float64))).astype(np.float32)


def _cuts(
    values: np.ndarray, pitch_cuts: PitchCuts, at_lower_cut: AtLowerCut, names: Sequence[str]
) -> tuple[float, float]:
    if not values.size:
        raise CountingError(
            f"{some_of(names)}: expected voiced frames to cut pitch by, found none; is there speech in the audio?"
        )
    named = isinstance(pitch_cuts, str)
    cuts = [_percentile(values, percent) for percent in _PERCENTILES[pitch_cuts]] if named else pitch_cuts
    low, high = _as_stored(cuts, values)
    if not low < high:
        raise CountingError(
            f"{some_of(names)}: expected two cuts of F0, the lower first, found {low:.9g} and {high:.9g} Hz (F0 is "
            "stored in single precision), so that no frame would be in the middle range; give two values in Hz in "
            "analysis.pitch_cuts"
        )
    held = {"low": values <= low, "middle": (values > low) & (values <= high), "high": values > high}
    if empty := [name for name, here in held.items() if not here.any()]:
        raise CountingError(
            f"{some_of(names)}: expected F0 in every range between the cuts {low:.9g} and {high:.9g}, found none in "
            f"{some_of(empty)} ({values.min():.9g} to {values.max():.9g}); give other cuts"
        )
    if at_lower_cut == "omit" and not (values == low).any():
        log.warning(
            "%s: analysis.at_lower_cut: omit leaves out the frames whose F0 equals the lower cut, %.9g; no "
            "frame's F0 does, so that it changes nothing. Set at_lower_cut: lower_bin, or give the cut that the "
            "frames were cut by in analysis.pitch_cuts.",
            some_of(names),
            low,
        )
    return float(low), float(high)


def _as_stored(cuts: Sequence[float], f0: np.ndarray) -> np.ndarray:
    """The two cuts in the precision of a track: 16000 / 120 is 133.3333..., and stored F0 is 133.33332825."""
    return np.asarray(cuts, dtype=f0.dtype if f0.dtype.kind == "f" else np.float64)


def _percentile(values: np.ndarray, percent: float) -> float:
    """What `np.percentile` gives of the values as float64, without a copy of them; their order changes.

    The F0 of a thousand hours is the largest thing that counting holds. In the precision of the stored track, numpy
    would interpolate in it too.
    """
    place = (len(values) - 1) * (percent / 100)
    below = int(place)
    above = min(below + 1, len(values) - 1)
    values.partition((below, above))
    neighbours = values[[below, above]].astype(np.float64)
    return float(np.quantile(neighbours, place - below))


def pitch_ranges(f0: np.ndarray, cuts: tuple[float, float]) -> np.ndarray:
    """The range of each F0 value: 0 up to the lower cut, 1 above it up to the upper cut, 2 above; -1 unvoiced.

    A value equal to a cut falls in the range below it. For the upper cut the authors' bins say the same: where
    YAAPT gives their upper cut exactly, their bin is the middle one. Frames are counted and errors are scored by this
    one function, in the precision of the track: a cut that is compared in double never equals a value in single.

    Args:
        f0: float [values] Hz, NaN unvoiced.

    Returns:
        int8 [values]
    """
    low, high = _as_stored(cuts, f0)
    return np.where(np.isnan(f0), UNVOICED, (f0 > low).astype(np.int8) + (f0 > high)).astype(np.int8)


def bin_track(f0: np.ndarray, cuts: tuple[float, float], at_lower_cut: AtLowerCut) -> np.ndarray:
    """Pitch bins of one F0 track; see `pitch_ranges`.

    Args:
        f0: float [values] Hz, NaN unvoiced.
        at_lower_cut: "omit" leaves frames at the lower cut out of the track, so that all later ones move one
            earlier, as in the authors' code.

    Returns:
        int8 [values], or fewer where frames at the lower cut are left out
    """
    if at_lower_cut == "omit":
        f0 = f0[f0 != _as_stored(cuts, f0)[0]]
    return pitch_ranges(f0, cuts)


def fit_to_labels(bins: np.ndarray, n_labels: int, f0_padding: F0Padding) -> np.ndarray:
    """A track of exactly `n_labels` bins: a shorter one is padded with unvoiced, a longer one loses its end."""
    missing = n_labels - len(bins)
    if missing <= 0:
        return bins[:n_labels]
    return np.pad(bins, (missing, 0) if f0_padding == "front" else (0, missing), constant_values=UNVOICED)


def frame_pitch_bins(
    frames: FrameShard, cuts: tuple[float, float] | None, *, at_lower_cut: AtLowerCut, f0_padding: F0Padding
) -> np.ndarray:
    """The pitch bin of every frame of a shard: int8 [frames], -1 unvoiced.

    Args:
        cuts: from `find_cuts`; None for a shard that comes with bins.
    """
    bins = np.full(len(frames.label), UNVOICED, dtype=np.int8)
    for index in np.flatnonzero(frames.kept):
        track = frames.pitch_values[frames.pitch_offset[index] : frames.pitch_offset[index + 1]]
        if cuts is not None:
            track = bin_track(track, cuts, at_lower_cut)
        start, end = frames.offset[index], frames.offset[index + 1]
        bins[start:end] = fit_to_labels(track, int(end - start), f0_padding)
    return bins
