"""The paper authors' own JSON files: 20 ms phone labels and pitch bins.

Both may be plain or gzip-compressed, whatever their name.
"""

from pathlib import Path
from typing import Any

import numpy as np

from property_neurons.corpus.alignments import FRAME_US, Alignment, UnusableAlignment, checked_alignment
from property_neurons.corpus.outside_json import read_object
from property_neurons.corpus.phone_tables import ARPABET, PhoneTable
from property_neurons.corpus.report import Trouble
from property_neurons.errors import CorpusError, printable, some_of

# -1 unvoiced, then low, middle, high.
PITCH_BINS = (-1, 0, 1, 2)


class FramewiseSource:
    """Phone labels every 20 ms, {utterance: [label id, ...]}, with {label: [id, count]} to name the ids."""

    def __init__(self, path: str | Path, labels_path: str | Path, phones: PhoneTable = ARPABET) -> None:
        self._path = Path(path)
        self._phones = phones
        self._names = _read_names(labels_path)
        # As arrays: Python lists of all of LibriSpeech would take gigabytes.
        content = read_object(path, "a JSON object {utterance: [label id, ...]}")
        self._frames = {utterance: _integers(frames) for utterance, frames in content.items()}

    def utterances(self) -> frozenset[str]:
        """Ids of all utterances that have labels."""
        return frozenset(self._frames)

    def not_read(self) -> list[tuple[str, Trouble]]:
        """Nothing: a file is read whole or not at all."""
        return []

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
        return checked_alignment(where, starts * FRAME_US, ends * FRAME_US, texts, frames.size * FRAME_US, self._phones)


def read_pitch_bins(path: str | Path) -> dict[str, np.ndarray]:
    """Pitch bins every 20 ms: {utterance: int8 [frames]}, -1 unvoiced, 0, 1, 2 from low to high.

    Raises:
        CorpusError: the file holds something else, or other numbers.
        StoreError: the file is absent, not UTF-8, not JSON, or has an utterance twice.
    """
    bins = {}
    for utterance, values in read_object(path, "a JSON object {utterance: [pitch bin, ...]}").items():
        track = _integers(values)
        if track is None or not np.isin(track, PITCH_BINS).all():
            raise CorpusError(
                f"{printable(path)}: utterance {printable(utterance)}: expected a list of {PITCH_BINS}, found other "
                "values; make the file again"
            )
        bins[utterance] = track.astype(np.int8)
    return bins


def _read_names(path: str | Path) -> dict[int, str]:
    """{label id: label}."""
    expected = "a JSON object {label: [id, count]}"
    names: dict[int, str] = {}
    wrong = []
    for name, value in read_object(path, expected).items():
        identity = value[0] if isinstance(value, list) and value else None
        # A bool is an int in Python, and True would be the label 1.
        if type(identity) is not int or identity < 0:
            wrong.append(printable(f"{name!r}: {value!r}"))
        elif names.setdefault(identity, name) != name:
            wrong.append(printable(f"id {identity} of both {names[identity]!r} and {name!r}"))
    if wrong:
        raise CorpusError(
            f"{printable(path)}: expected {expected}, each with an id of its own from 0, found {some_of(wrong)}; "
            "mend these entries"
        )
    return names


def _integers(values: Any) -> np.ndarray | None:
    """int32 [n], or int64 where they are too large for that; None where `values` is no flat list of integers."""
    # Held against the type itself: numpy would take True for 1 beside integers.
    if type(values) is not list or not set(map(type, values)) <= {int}:
        return None
    try:
        array = np.array(values, dtype=np.int64)
    except OverflowError:
        return None
    narrow = array.astype(np.int32)
    return narrow if np.array_equal(narrow, array) else array
