"""The probed frames: randomly sampled frames of phones, half of the speakers to fit on and half to measure on."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from property_neurons.corpus.frame_store import FrameShard, open_frames
from property_neurons.corpus.phones import PAPER_PHONES, Inventory
from property_neurons.corpus.recordings import Recording
from property_neurons.errors import CorpusError
from property_neurons.models.features import SAMPLES_PER_FRAME

# Frames are drawn from utterances that hold this many times as many, so that a large corpus is not read whole.
_FRAMES_TO_DRAW_FROM = 10

ShardFiles = tuple[Sequence[Recording], str | Path]
"""The recordings of a shard, and its frame store."""


@dataclass(frozen=True)
class ProbedUtterance:
    """An utterance and its sampled frames.

    fitted: whether its speaker is one to fit on, or else one to measure on.
    frame: int64 [sampled], 20 ms frames counted from its start, ascending.
    label: int8 [sampled], index into the phones of the corpus.
    """

    recording: Recording
    speaker: str
    fitted: bool
    frame: np.ndarray
    label: np.ndarray


@dataclass(frozen=True)
class FrameLabels:
    """Labels of each probed frame.

    label: index into the phones of the corpus, int8 [frames].
    phone_class: of the phone, str [frames]; "" where it has none.
    speaker: ids, str [frames].
    fitted: whether it is one to fit on, or else one to measure on; bool [frames].
    """

    label: np.ndarray
    phone_class: np.ndarray
    speaker: np.ndarray
    fitted: np.ndarray

    @classmethod
    def of_table(cls, table: pd.DataFrame) -> "FrameLabels":
        """From columns of these names."""
        return cls(
            table["label"].to_numpy(),
            table["phone_class"].to_numpy(dtype=str),
            table["speaker"].to_numpy(dtype=str),
            table["fitted"].to_numpy(dtype=bool),
        )


@dataclass(frozen=True)
class ProbedFrames:
    """The frames that are probed: those of some utterances, one after the other; and the phones of the corpus."""

    utterances: tuple[ProbedUtterance, ...]
    inventory: Inventory = PAPER_PHONES

    @cached_property
    def label(self) -> np.ndarray:
        """Index into the phones of the corpus, int8 [frames]."""
        return np.concatenate([utterance.label for utterance in self.utterances])

    @cached_property
    def phone_class(self) -> np.ndarray:
        """The class of each frame's phone, str [frames]; "" where it has none."""
        return np.array([self.inventory.class_of(phone) for phone in self.inventory.phones])[self.label]

    @cached_property
    def speaker(self) -> np.ndarray:
        """Speaker ids, str [frames]."""
        return np.repeat([utterance.speaker for utterance in self.utterances], self._lengths)

    @cached_property
    def fitted(self) -> np.ndarray:
        """Whether a frame is one to fit on, or else one to measure on; bool [frames]."""
        return np.repeat([utterance.fitted for utterance in self.utterances], self._lengths)

    def table(self) -> pd.DataFrame:
        """The columns of `FrameLabels`, a row for each frame."""
        return pd.DataFrame(
            {"label": self.label, "phone_class": self.phone_class, "speaker": self.speaker, "fitted": self.fitted}
        )

    @property
    def _lengths(self) -> list[int]:
        return [len(utterance.frame) for utterance in self.utterances]


@dataclass(frozen=True)
class _Candidate:
    shard: int
    index: int
    utterance: str
    speaker: str
    n_frames: int


def draw_frames(
    shards: Sequence[ShardFiles], *, max_frames: int, seed: int, keep: Collection[tuple[str, str]] | None = None
) -> ProbedFrames:
    """Sample frames of phones, no silence and no spoken noise, as many from either half of the speakers.

    The sample depends neither on the model nor on the division into shards. It leaves out the last cells of an
    utterance, for which some models give no frame. Memory: the labels of one shard.

    Args:
        shards: recordings and frame store of each shard, utterances in the same order.
        max_frames: how many to draw at most, half of them from the speakers to fit on.
        seed: of the draw; the halves do not depend on it.
        keep: the (subset, utterance) pairs to draw from; None for all.

    Raises:
        CorpusError: no frame of a phone, or fewer than two speakers; a shard list and its frame store differ.
        StoreError: a frame store is damaged.
    """
    candidates, genders, inventory = _candidates(shards, keep)
    if not candidates:
        raise CorpusError(
            "probing: expected frames of phones, found none; name a corpus whose alignments hold more than silence"
        )
    fitted = split_speakers(genders)
    chosen: dict[tuple[int, int], np.ndarray] = {}
    for number, half in enumerate((True, False)):
        own = [candidate for candidate in candidates if fitted[candidate.speaker] == half]
        chosen |= _draw(own, max_frames // 2, np.random.default_rng([seed, number]))
    utterances = []
    for number, shard in enumerate(shards):
        wanted = {index: which for (of, index), which in chosen.items() if of == number}
        if wanted:
            utterances += _probed(shard, wanted, fitted)
    return ProbedFrames(tuple(sorted(utterances, key=lambda utterance: utterance.recording.utterance)), inventory)


def split_speakers(genders: Mapping[str, str]) -> dict[str, bool]:
    """Halve the speakers of each gender: True for those to fit on, False for those to measure on.

    The halves differ by one speaker at most, in all and within each gender. Within a gender speakers are taken in the
    order of a hash of their ids, so that ids handed out by book or by date make no difference.

    Args:
        genders: the gender of each speaker; all alike where it is not known.

    Raises:
        CorpusError: fewer than two speakers.
    """
    if len(genders) < 2:
        raise CorpusError(
            f"probing: expected at least two speakers, one to fit on and one to measure on, found {len(genders)} "
            f"({', '.join(genders) or 'none'}); name a corpus of more speakers"
        )
    ordered = sorted(genders, key=lambda speaker: (genders[speaker], hashlib.blake2b(speaker.encode()).digest()))
    return {speaker: position % 2 == 0 for position, speaker in enumerate(ordered)}


def _candidates(
    shards: Sequence[ShardFiles], keep: Collection[tuple[str, str]] | None
) -> tuple[list[_Candidate], dict[str, str], Inventory]:
    candidates, genders, inventory = [], {}, PAPER_PHONES
    for number, (recordings, store) in enumerate(shards):
        frames = open_frames(store, keep)
        inventory = frames.inventory
        _check_same_utterances(recordings, frames)
        speakers = frames.columns["speaker"]
        known = frames.columns.get("gender", ("",) * len(speakers))
        for index in np.flatnonzero(frames.kept):
            n_frames = len(_phone_frames(frames, index, recordings[index]))
            if n_frames:
                candidates.append(_Candidate(number, index, frames.utterances[index], speakers[index], n_frames))
                genders.setdefault(speakers[index], known[index])
    return sorted(candidates, key=lambda candidate: candidate.utterance), genders, inventory


def _phone_frames(frames: FrameShard, index: int, recording: Recording) -> np.ndarray:
    # Every front end of `models.features` gives at least this many frames.
    n_frames = recording.n_samples // SAMPLES_PER_FRAME - 1
    label = frames.label[frames.offset[index] : frames.offset[index + 1]]
    return np.flatnonzero(label[: max(0, n_frames)] < len(frames.inventory.phones))


def _draw(
    candidates: Sequence[_Candidate], n_frames: int, rng: np.random.Generator
) -> dict[tuple[int, int], np.ndarray]:
    """The sampled phone frames, counted from 0, of each (shard, utterance)."""
    order = rng.permutation(len(candidates))
    ends = np.cumsum([candidates[position].n_frames for position in order])
    read = min(len(order), np.searchsorted(ends, _FRAMES_TO_DRAW_FROM * n_frames) + 1)
    drawn = np.sort(rng.choice(ends[read - 1], size=min(n_frames, ends[read - 1]), replace=False))
    owner = np.searchsorted(ends, drawn, side="right")
    chosen = {}
    for place in np.unique(owner):
        candidate = candidates[order[place]]
        first = ends[place] - candidate.n_frames
        chosen[candidate.shard, candidate.index] = drawn[owner == place] - first
    return chosen


def _probed(shard: ShardFiles, wanted: Mapping[int, np.ndarray], fitted: Mapping[str, bool]) -> list[ProbedUtterance]:
    recordings, store = shard
    frames = open_frames(store)
    utterances = []
    for index, which in wanted.items():
        speaker = frames.columns["speaker"][index]
        frame = _phone_frames(frames, index, recordings[index])[which]
        label = frames.label[frames.offset[index] + frame]
        utterances.append(ProbedUtterance(recordings[index], speaker, fitted[speaker], frame, label))
    return utterances


def _check_same_utterances(recordings: Sequence[Recording], frames: FrameShard) -> None:
    listed = tuple(recording.utterance for recording in recordings)
    if listed != frames.utterances:
        differing = sorted(set(listed) ^ set(frames.utterances))
        raise CorpusError(
            f"{frames.name}: expected the {len(listed)} utterances of the shard list in its order, found "
            f"{len(frames.utterances)} (differing: {', '.join(differing[:3]) or 'only the order'}); "
            "run the corpus rules again"
        )
