"""Forced alignments: phones with their start and end, in integer microseconds."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from property_neurons.corpus.audio import SAMPLE_RATE
from property_neurons.corpus.phone_tables import ARPABET, PhoneTable, is_silence
from property_neurons.corpus.phones import SPOKEN_NOISE_ID
from property_neurons.corpus.report import Trouble
from property_neurons.errors import AlignmentError

# Period of the label cells and of the frames of every model: 20 ms.
FRAME_US = 20_000

ALIGN_AGAIN = "align the utterance again or mend the file"


@dataclass(frozen=True, eq=False)
class Alignment:
    """The phone segments of one utterance, in order of time, none overlapping.

    starts, ends: int64 us [segments]; labels: int8 [segments], index into the labels of the phone set;
    end: us, the end of the labelled time, which the last segment may not reach.
    marks: what each label says beside the phone (stress, tone), "" for nothing; empty where no label says anything.
    """

    starts: np.ndarray
    ends: np.ndarray
    labels: np.ndarray
    end: int
    marks: tuple[str, ...] = ()

    @property
    def n_labels(self) -> int:
        """The 20 ms cells that lie wholly within the labelled time: floor(end / 20 ms)."""
        return self.end // FRAME_US


class UnusableAlignment(AlignmentError):
    """An alignment cannot be used; `troubles` lists everything that is wrong with it."""

    def __init__(self, where: str, troubles: tuple[Trouble, ...]) -> None:
        super().__init__(where, troubles)
        self.where = where
        self.troubles = troubles

    def __str__(self) -> str:
        return f"{self.where}: " + "; ".join(f"{trouble.code}: {trouble.detail}" for trouble in self.troubles)


class AlignmentSource(Protocol):
    """Where the alignments of a subset come from."""

    def utterances(self) -> frozenset[str]:
        """Ids of all utterances it has an alignment for."""
        ...

    def not_read(self) -> list[tuple[str, Trouble]]:
        """(path, trouble) of everything that could not be read below the folder, where the source is a folder."""
        ...

    def read(self, utterance: str) -> Alignment:
        """One alignment; raises UnusableAlignment."""
        ...


def unaligned(n_samples: int, spoken_noise: int = SPOKEN_NOISE_ID) -> Alignment:
    """The alignment of speech that has none: a single segment of spoken noise, as long as the audio."""
    end = n_samples * 1_000_000 // SAMPLE_RATE
    return Alignment(np.array([0]), np.array([end]), np.array([spoken_noise], dtype=np.int8), end)


def checked_alignment(
    where: str,
    starts: np.ndarray,
    ends: np.ndarray,
    texts: Sequence[str],
    end: int,
    phones: PhoneTable = ARPABET,
) -> Alignment:
    """Build an alignment from segments as they were written, once they make sense.

    Args:
        where: file or utterance, for the message.
        starts, ends: int64 us [segments], in any order.
        texts: the label of each segment, as written.
        end: us, the end of the labelled time; a segment that ends later moves it.
        phones: what labels stand for.

    Returns:
        the segments in order of time, without silences of no length

    Raises:
        UnusableAlignment: naming every unknown label, segment of no length or before 0, and overlap; or nothing
            but silence.
    """
    # Aligners of the HTK family leave a silence of no length ("sp") between words that are spoken without a pause.
    kept = [index for index, text in enumerate(texts) if starts[index] != ends[index] or not is_silence(text)]
    starts, ends, texts = starts[kept], ends[kept], [texts[index] for index in kept]
    order = np.argsort(starts, kind="stable")
    starts, ends, texts = starts[order], ends[order], [texts[index] for index in order]
    labels, marks, unknown = _labels(texts, phones)
    troubles = [*unknown, *_lengths(starts, ends, texts), *_overlaps(starts, ends, texts)]
    if not unknown and not np.any(labels != phones.inventory.silence):
        detail = f"expected at least one phone, found {len(labels)} segments, all silence; {ALIGN_AGAIN}"
        troubles.append(Trouble("empty_alignment", detail))
    if troubles:
        raise UnusableAlignment(where, tuple(troubles))
    return Alignment(starts, ends, labels, max(end, int(ends.max())), marks)


def _labels(texts: Sequence[str], phones: PhoneTable) -> tuple[np.ndarray, tuple[str, ...], list[Trouble]]:
    found = [phones.read(text) for text in texts]
    if unknown := Counter(text for text, known in zip(texts, found, strict=True) if known is None):
        return np.zeros(len(texts), dtype=np.int8), (), [Trouble("unknown_phone", phones.unknown(unknown))]
    labels, marks = zip(*found, strict=True) if found else ((), ())
    return np.array(labels, dtype=np.int8), marks if any(marks) else (), []


def _lengths(starts: np.ndarray, ends: np.ndarray, texts: Sequence[str]) -> list[Trouble]:
    bad = np.flatnonzero((ends <= starts) | (starts < 0))
    if not bad.size:
        return []
    found = _segments(bad[:3], starts, ends, texts)
    detail = f"expected segments of positive length from 0 s on, found {bad.size} others, first {found}; {ALIGN_AGAIN}"
    return [Trouble("segment_not_positive", detail)]


def _overlaps(starts: np.ndarray, ends: np.ndarray, texts: Sequence[str]) -> list[Trouble]:
    sound = np.flatnonzero(ends > starts)
    # A long segment can reach over several later ones, so hold each start against all ends before it.
    reach = np.maximum.accumulate(ends[sound])
    clash = np.flatnonzero(reach[:-1] > starts[sound][1:])
    if not clash.size:
        return []
    earlier = sound[: clash[0] + 1][np.argmax(ends[sound][: clash[0] + 1])]
    found = _segments(np.array([earlier, sound[clash[0] + 1]]), starts, ends, texts)
    detail = f"expected segments one after the other, found {clash.size} overlaps, first {found}; {ALIGN_AGAIN}"
    return [Trouble("segments_overlap", detail)]


def _segments(indices: np.ndarray, starts: np.ndarray, ends: np.ndarray, texts: Sequence[str]) -> str:
    return ", ".join(f"{texts[i]!r} {starts[i] / 1e6:g}-{ends[i] / 1e6:g} s" for i in indices)
