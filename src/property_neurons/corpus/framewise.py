"""The paper authors' own JSON files: 20 ms phone labels, pitch bins, and speaker genders.

All may be plain or gzip-compressed, whatever their name.
"""

import gzip
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from property_neurons.corpus.alignments import FRAME_US, Alignment, UnusableAlignment, checked_alignment
from property_neurons.corpus.report import Trouble
from property_neurons.errors import CorpusError

# -1 unvoiced, then low, middle, high.
PITCH_BINS = (-1, 0, 1, 2)
GENDERS = ("M", "F")

_GZIP_MAGIC = b"\x1f\x8b"


class FramewiseSource:
    """Phone labels every 20 ms, {utterance: [label id, ...]}, with {label: [id, count]} to name the ids."""

    def __init__(self, path: str | Path, labels_path: str | Path) -> None:
        self._path = Path(path)
        names = _read_object(labels_path, "a JSON object {label: [id, count]}")
        try:
            self._names = {int(value[0]): name for name, value in names.items()}
        except (TypeError, LookupError, ValueError):
            raise CorpusError(f"{labels_path}: expected {{label: [id, count]}}, found another form; mend it") from None
        # As arrays: Python lists of all of LibriSpeech would take gigabytes.
        content = _read_object(path, "a JSON object {utterance: [label id, ...]}")
        self._frames = {utterance: _integers(frames) for utterance, frames in content.items()}

    def utterances(self) -> frozenset[str]:
        """Ids of all utterances that have labels."""
        return frozenset(self._frames)

    def read(self, utterance: str) -> Alignment:
        """The alignment of one utterance, a segment for each run of equal labels; raises UnusableAlignment."""
        frames = self._frames[utterance]
        where = f"{self._path} ({utterance})"
        if frames is None:
            detail = "expected a list of integer label ids, found something else; make the labels again"
            raise UnusableAlignment(where, (Trouble("unreadable_alignment", detail),))
        changes = np.flatnonzero(np.diff(frames)) + 1
        starts = np.concatenate([[0], changes])[: frames.size]
        ends = np.concatenate([changes, [frames.size]])[: frames.size]
        texts = [self._names.get(identity, f"id {identity}") for identity in frames[starts].tolist()]
        return checked_alignment(where, starts * FRAME_US, ends * FRAME_US, texts, frames.size * FRAME_US)


def read_pitch_bins(path: str | Path) -> dict[str, np.ndarray]:
    """Pitch bins every 20 ms: {utterance: int8 [frames]}, -1 unvoiced, 0, 1, 2 from low to high.

    Raises:
        CorpusError: the file is absent, not such a JSON object, or holds other numbers.
    """
    bins = {}
    for utterance, values in _read_object(path, "a JSON object {utterance: [pitch bin, ...]}").items():
        track = _integers(values)
        if track is None or not np.isin(track, PITCH_BINS).all():
            raise CorpusError(
                f"{path}: utterance {utterance}: expected a list of {PITCH_BINS}, found other values; "
                "make the file again"
            )
        bins[utterance] = track.astype(np.int8)
    return bins


def read_gender_json(path: str | Path) -> dict[str, str]:
    """Speaker genders, {speaker: "M" | "F"}.

    Raises:
        CorpusError: the file is absent, not such a JSON object, or holds other values.
    """
    genders = _read_object(path, 'a JSON object {speaker: "M" | "F"}')
    wrong = {speaker: value for speaker, value in genders.items() if value not in GENDERS}
    if wrong:
        raise CorpusError(f'{path}: expected "M" or "F" for each speaker, found {wrong}; mend these entries')
    return genders


def _read_object(path: str | Path, expected: str) -> dict[str, Any]:
    path = Path(path)
    try:
        raw = path.read_bytes()
        content = json.loads(gzip.decompress(raw) if raw.startswith(_GZIP_MAGIC) else raw)
    except FileNotFoundError:
        raise CorpusError(f"{path}: expected {expected}, found no file; check its path in the config") from None
    except (ValueError, OSError, EOFError, zlib.error) as error:
        raise CorpusError(f"{path}: expected {expected}, found: {error}; fetch or make the file again") from None
    if not isinstance(content, dict):
        raise CorpusError(f"{path}: expected {expected}, found a {type(content).__name__}; make the file again")
    return content


def _integers(values: Any) -> np.ndarray | None:
    """int32 [n], or None where `values` is no flat list of integers."""
    try:
        array = np.array(values, dtype=np.int64 if not values else None)
    except (ValueError, TypeError, OverflowError):
        return None
    if array.ndim != 1 or array.dtype.kind != "i":
        return None
    return array.astype(np.int32)
