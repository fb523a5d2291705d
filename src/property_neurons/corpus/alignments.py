"""Forced alignments: who says which phone from when to when, in integer microseconds."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from praatio.utilities import textgrid_io
from praatio.utilities.constants import INTERVAL_TIER
from praatio.utilities.errors import PraatioException

from property_neurons.corpus.phones import SILENCE_ID, label_id
from property_neurons.corpus.report import Trouble
from property_neurons.corpus.utterance_files import find_utterance_files
from property_neurons.errors import AlignmentError, CorpusError

# Period of the label cells and of the frames of every model: 20 ms.
FRAME_US = 20_000

_TIER = "phones"
_UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_ALIGN_AGAIN = "align the utterance again or mend the file"
# The number of intervals that a long or short TextGrid announces for the tier.
_ANNOUNCED = re.compile(
    rf'"IntervalTier"\s+(?:name\s*=\s*)?"{_TIER}"\s+(?:xmin\s*=\s*)?[-.\d]+\s+(?:xmax\s*=\s*)?[.\d]+\s+'
    r"(?:intervals\s*:\s*size\s*=\s*)?(\d+)"
)
_BEFORE_ZERO = re.compile(r"xmin\s*=\s*-[\d.]*[1-9]")


@dataclass(frozen=True, eq=False)
class Alignment:
    """The phone segments of one utterance, in order of time, none overlapping.

    starts, ends: int64 us [segments]; labels: int8 ids of `phones.LABELS` [segments];
    end: us, the end of the labelled time, which the last segment may not reach.
    """

    starts: np.ndarray
    ends: np.ndarray
    labels: np.ndarray
    end: int

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
        """(path, trouble) of what could not be looked into, where it reads a folder."""
        ...

    def read(self, utterance: str) -> Alignment:
        """One alignment; raises UnusableAlignment."""
        ...


class TextGridSource:
    """One `{utterance}.TextGrid` per utterance, anywhere below `root` (MFA keeps the speaker/chapter tree).

    Where there are none, one `{utterance}.json`, as `mfa align --output_format json` writes them.
    """

    def __init__(self, root: str | Path) -> None:
        root = Path(root)
        if not root.is_dir():
            raise CorpusError(f"{root}: expected a folder of TextGrids, found none; check `alignments` in the config")
        # The Montreal Forced Aligner names TextGrids in JSON so; other files of that ending may lie beside real ones.
        for ending in (".textgrid", ".json"):
            self._found = find_utterance_files(root, (ending,))
            if self._found.paths:
                break
        else:
            raise CorpusError(f"{root}: expected TextGrid files below it, found none; check `alignments` in the config")

    def not_read(self) -> list[tuple[str, Trouble]]:
        """Folders that cannot be looked into and links that lead nowhere, for the report."""
        return self._found.not_read

    def utterances(self) -> frozenset[str]:
        """Ids of all utterances that have a TextGrid."""
        return frozenset(self._found.paths)

    def read(self, utterance: str) -> Alignment:
        """The alignment of one utterance; raises UnusableAlignment."""
        paths = self._found.paths[utterance]
        if len(paths) > 1:
            places = ", ".join(map(str, paths))
            detail = f"expected one TextGrid of this name, found {places}; remove all but one"
            raise UnusableAlignment(utterance, (Trouble("duplicate_utterance", detail),))
        return read_textgrid(paths[0])


def read_textgrid(path: str | Path) -> Alignment:
    """Read the tier "phones" of a TextGrid (long, short or JSON form; UTF-8 or UTF-16).

    Raises:
        UnusableAlignment: no such interval tier, a file that is damaged or cut short, or segments that
            contradict themselves.
    """
    path = Path(path)
    try:
        raw = path.read_bytes()
        text = raw.decode("utf-16" if raw.startswith(_UTF_16_MARKS) else "utf-8-sig")
        # The parser below praatio's openTextgrid: that one raises at the first zero-length or overlapping
        # interval, where the report has to name all of them.
        grid = textgrid_io.parseTextgridStr(text, includeEmptyIntervals=True)
        tier = _only_tier(grid["tiers"])
        _check_whole(text, len(tier["entries"]))
        starts, ends, texts = zip(*tier["entries"], strict=True) if tier["entries"] else ((), (), ())
        starts_us, ends_us = _microseconds(starts), _microseconds(ends)
        end_us = int(_microseconds([tier["xmax"]])[0])
    except (PraatioException, LookupError, TypeError, ValueError, AttributeError, OSError) as error:
        detail = f"expected a TextGrid with an interval tier {_TIER!r}, found something else ({error}); {_ALIGN_AGAIN}"
        raise UnusableAlignment(str(path), (Trouble("unreadable_alignment", detail),)) from None
    return checked_alignment(str(path), starts_us, ends_us, texts, end_us)


def checked_alignment(where: str, starts: np.ndarray, ends: np.ndarray, texts: Sequence[str], end: int) -> Alignment:
    """Build an alignment from segments as they were written, once they make sense.

    Args:
        where: file or utterance, for the message.
        starts, ends: int64 us [segments], in any order.
        texts: the label of each segment, as written.
        end: us, the end of the labelled time; a segment that ends later moves it.

    Raises:
        UnusableAlignment: naming every unknown label, segment of no length, and overlap, or nothing but silence.
    """
    order = np.argsort(starts, kind="stable")
    starts, ends, texts = starts[order], ends[order], [texts[index] for index in order]
    labels, unknown = _labels(texts)
    troubles = [*unknown, *_lengths(starts, ends, texts), *_overlaps(starts, ends, texts)]
    if not unknown and not np.any(labels != SILENCE_ID):
        detail = f"expected at least one phone, found {len(labels)} segments, all silence; {_ALIGN_AGAIN}"
        troubles.append(Trouble("empty_alignment", detail))
    if troubles:
        raise UnusableAlignment(where, tuple(troubles))
    return Alignment(starts, ends, labels, max(end, int(ends.max())))


def _only_tier(tiers: list[dict]) -> dict:
    wanted = [tier for tier in tiers if tier["name"] == _TIER]
    if len(wanted) != 1 or wanted[0]["class"] != INTERVAL_TIER:
        names = ", ".join(f"{tier['name']!r} ({tier['class']})" for tier in tiers) or "none"
        raise ValueError(f"the tiers {names}")
    return wanted[0]


def _check_whole(text: str, found: int) -> None:
    """Notice what praatio's parser passes over: intervals that are missing, and minus signs."""
    announced = _ANNOUNCED.search(text)
    # The JSON forms announce nothing, but do not parse when cut.
    if not text.startswith("{") and (announced is None or int(announced[1]) != found):
        raise ValueError(f"{found} intervals where the file announces {announced[1] if announced else 'no number'}")
    if _BEFORE_ZERO.search(text):
        raise ValueError("a time before 0")


def _microseconds(seconds: Sequence[str | float]) -> np.ndarray:
    """int64 us [n]; exact, since times are written with at most six or so decimals."""
    micro = np.rint(np.array(seconds, dtype=np.float64) * 1e6)
    if not np.all((micro >= 0) & (micro < 2**62)):
        raise ValueError("a time before 0 or not finite")
    return micro.astype(np.int64)


def _labels(texts: Sequence[str]) -> tuple[np.ndarray, list[Trouble]]:
    labels = np.full(len(texts), SILENCE_ID, dtype=np.int8)
    unknown: Counter[str] = Counter()
    for index, text in enumerate(texts):
        try:
            labels[index] = label_id(text)
        except AlignmentError:
            unknown[text] += 1
    if not unknown:
        return labels, []
    found = ", ".join(f"{text!r} ({count} times)" for text, count in sorted(unknown.items()))
    detail = f"expected the 39 ARPABET phones, sil, sp, '' or spn, found {found}; map these labels to phones"
    return labels, [Trouble("unknown_phone", detail)]


def _lengths(starts: np.ndarray, ends: np.ndarray, texts: Sequence[str]) -> list[Trouble]:
    bad = np.flatnonzero(ends <= starts)
    if not bad.size:
        return []
    found = _segments(bad[:3], starts, ends, texts)
    detail = f"expected segments of positive length, found {bad.size} of none, first {found}; {_ALIGN_AGAIN}"
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
    detail = f"expected segments one after the other, found {clash.size} overlaps, first {found}; {_ALIGN_AGAIN}"
    return [Trouble("segments_overlap", detail)]


def _segments(indices: np.ndarray, starts: np.ndarray, ends: np.ndarray, texts: Sequence[str]) -> str:
    return ", ".join(f"{texts[i]!r} {starts[i] / 1e6:g}-{ends[i] / 1e6:g} s" for i in indices)
