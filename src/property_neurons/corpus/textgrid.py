"""Reading and writing alignments as TextGrids."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from praatio.data_classes.interval_tier import IntervalTier
from praatio.data_classes.textgrid import Textgrid

from property_neurons.corpus.alignments import ALIGN_AGAIN, Alignment, UnusableAlignment, checked_alignment
from property_neurons.corpus.phone_tables import ARPABET, PhoneTable
from property_neurons.corpus.phones import LABELS, SILENCE_ID
from property_neurons.corpus.report import Trouble
from property_neurons.errors import StoreError, some_of
from property_neurons.stores.outside import decoded, parse_json, read_bytes

TIER = "phones"
"""What aligners call the tier of phones."""
_UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
# All that counts in Praat's text files: strings, flags, and numbers that stand alone; the rest says what they are.
_TOKEN = re.compile(r'"((?:[^"]|"")*)"|<(\w+)>|(?<!\S)([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)(?!\S)|![^\n]*')
_DECIMAL_COMMA = re.compile(r"(?<!\S)[-+]?\d+,\d+(?!\S)")
_INTERVALS, _POINTS = "IntervalTier", "TextTier"
# As the Montreal Forced Aligner and praatio call tiers in JSON.
_CLASSES = {"interval": _INTERVALS, "point": _POINTS}
_INTERVAL_CLASSES = ("interval", _INTERVALS)


@dataclass(frozen=True)
class _Tier:
    """A tier as it was written: times in seconds; intervals of a start, an end and a label."""

    kind: str
    name: str
    start: float
    end: float
    intervals: Sequence[tuple[float, float, str]]


def read_textgrid(path: str | Path, phones: PhoneTable = ARPABET, tier: str = TIER) -> Alignment:
    """Read one tier of a TextGrid (long, short or JSON form; UTF-8 or UTF-16): "phones", or "anna - phones".

    In JSON, where a label can be null, null is silence.

    Raises:
        UnusableAlignment: no such interval tier, a file that is damaged or cut short, or segments that
            contradict themselves.
    """
    starts, ends, texts, end = read_tier(path, tier)
    return checked_alignment(str(path), starts, ends, texts, end, phones)


def read_tier(path: str | Path, tier: str) -> tuple[np.ndarray, np.ndarray, tuple[str, ...], int]:
    """The intervals of one tier as they were written: starts and ends (int64 us), labels, and the end of the tier (us).

    Raises:
        UnusableAlignment: no such interval tier, or a file that is damaged or cut short.
    """
    path = Path(path)
    try:
        raw = read_bytes(path)
        if raw.startswith(b"ooBinaryFile"):
            raise ValueError("Praat's binary form: in Praat, save it with Save as text file")
        text = raw.decode("utf-16") if raw.startswith(_UTF_16_MARKS) else decoded(raw, path)
        is_json = text.lstrip().startswith(("{", "["))
        found = _only_tier(_json_tiers(text, tier) if is_json else _text_tiers(text), tier)
        starts, ends, texts = zip(*found.intervals, strict=True) if found.intervals else ((), (), ())
        starts_us, ends_us = _microseconds(starts), _microseconds(ends)
        _, end_us = _microseconds([found.start, found.end]).tolist()
    except (StoreError, LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        detail = f"expected a TextGrid with an interval tier {tier!r}, found something else ({error}); {ALIGN_AGAIN}"
        raise UnusableAlignment(str(path), (Trouble("unreadable_alignment", detail),)) from None
    return starts_us, ends_us, tuple(texts), end_us


def write_textgrid(path: str | Path, alignment: Alignment) -> None:
    """Write an alignment as a long TextGrid with the tier "phones" from 0 to its end; silence is written ""."""
    end = alignment.end / 1e6
    entries = [
        (start / 1e6, stop / 1e6, LABELS[label])
        for start, stop, label in zip(
            alignment.starts.tolist(), alignment.ends.tolist(), alignment.labels.tolist(), strict=True
        )
        if label != SILENCE_ID
    ]
    grid = Textgrid(0.0, end)
    grid.addTier(IntervalTier("phones", entries, 0.0, end))
    grid.save(str(path), format="long_textgrid", includeBlankSpaces=True)


def _only_tier(tiers: Sequence[_Tier], name: str) -> _Tier:
    wanted = [tier for tier in tiers if _is_called(tier.name, name)]
    if len(wanted) != 1 or wanted[0].kind != _INTERVALS:
        found = some_of([f"{tier.name!r} ({tier.kind})" for tier in tiers]) or "none"
        raise ValueError(f"the tiers {found}: is it one of these, name it as `tier`")
    return wanted[0]


def _is_called(found: str, name: str) -> bool:
    """Aligners that know speakers put them first: "anna - phones"."""
    return found == name or found.endswith(f" - {name}")


def _text_tiers(text: str) -> list[_Tier]:
    """The tiers of Praat's long and short text files."""
    tokens = _Tokens(text)
    if not tokens.take(str).startswith("ooTextFile") or tokens.take(str) != "TextGrid":
        raise ValueError("another kind of file")
    tokens.take(float), tokens.take(float)
    if not tokens.take(bool):
        return []
    tiers = []
    for _ in range(tokens.count()):
        kind, name, start, end = tokens.take(str), tokens.take(str), tokens.take(float), tokens.take(float)
        if kind not in (_INTERVALS, _POINTS):
            raise ValueError(f"a tier of class {kind!r}")
        numbers = 2 if kind == _INTERVALS else 1
        entries = [
            (*(tokens.take(float) for _ in range(numbers)), tokens.take(str).replace('""', '"'))
            for _ in range(tokens.count())
        ]
        tiers.append(_Tier(kind, name, start, end, entries))
    tokens.expect_end()
    return tiers


class _Tokens:
    """Strings, numbers and flags of a Praat text file, in order."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._end = 0  # of the one before
        self._found: Iterator[re.Match[str]] = (match for match in _TOKEN.finditer(text) if match.lastindex)

    def take(self, kind: type[str] | type[float] | type[bool]) -> Any:
        """The next one, which must be a string, a number or a flag (True for <exists>)."""
        match = next(self._found, None)
        comma = _DECIMAL_COMMA.search(self._text, self._end, match.start() if match else len(self._text))
        if comma:
            line = self._text.count("\n", 0, comma.start()) + 1
            raise ValueError(
                f"a number with a comma, {comma[0]}, in line {line}: write a point, {comma[0].replace(',', '.')}"
            )
        if match is None:
            raise ValueError("a file that is cut short")
        self._end = match.end()
        if match.lastindex != {str: 1, bool: 2, float: 3}[kind]:
            names = {str: "a string", bool: "<exists>", float: "a number"}
            line = self._text.count("\n", 0, match.start()) + 1
            raise ValueError(f"{match[0][:40]!r} in line {line} where {names[kind]} is due")
        value = match[match.lastindex]
        return value == "exists" if kind is bool else kind(value)

    def count(self) -> int:
        """The next one, which must be a whole number from 0."""
        number = self.take(float)
        if number < 0 or not number.is_integer():
            raise ValueError(f"{number:g} tiers or intervals")
        return int(number)

    def expect_end(self) -> None:
        """Nothing may follow."""
        match = next(self._found, None)
        if match is not None:
            line = self._text.count("\n", 0, match.start()) + 1
            raise ValueError(f"more than the file announces, from line {line}")


def _json_tiers(text: str, wanted: str) -> list[_Tier]:
    """The tiers of a JSON object, as praatio and the Montreal Forced Aligner write them."""
    content = parse_json(text)
    if "start" in content:
        start, end = content["start"], content["end"]
        tiers = [(tier["type"], name, start, end, tier["entries"]) for name, tier in content["tiers"].items()]
    else:
        tiers = [tuple(tier[key] for key in ("class", "name", "xmin", "xmax", "entries")) for tier in content["tiers"]]
    return [
        _Tier(
            _CLASSES.get(kind, kind),
            name,
            _number(start),
            _number(end),
            [_interval(entry) for entry in entries]
            if _is_called(name, wanted) and _CLASSES.get(kind, kind) == _INTERVALS
            else (),
        )
        for kind, name, start, end, entries in tiers
    ]


def _interval(entry: Any) -> tuple[float, float, str]:
    start, end, label = entry
    if label is not None and not isinstance(label, str):
        raise ValueError(f"the label {label!r}")
    return _number(start), _number(end), label or ""


def _number(value: Any) -> float:
    # A bool is an int in Python.
    if type(value) not in (int, float):
        raise ValueError(f"the time {value!r}")
    return float(value)


def _microseconds(seconds: Sequence[float]) -> np.ndarray:
    """int64 us [n]; exact, since times are written with at most six or so decimals."""
    micro = np.rint(np.array(seconds, dtype=np.float64) * 1e6)
    if not np.all((micro >= 0) & (micro < 2**62)):
        raise ValueError("a time before 0 or not finite")
    return micro.astype(np.int64)
