"""Manifests of lhotse: recordings and supervisions, JSON lines, plain or in gzip, without the package.

A supervision is an utterance, and its recording the audio: `{"id", "recording_id", "start", "duration", "speaker",
"gender", "text", "language", "custom": {...}, "alignment": {"phone": [[label, start, duration, score], ...]}}`.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from property_neurons.corpus.alignments import Alignment, UnusableAlignment, checked_alignment
from property_neurons.corpus.phone_tables import PhoneTable
from property_neurons.corpus.report import Trouble
from property_neurons.corpus.table_text import present
from property_neurons.corpus.textgrid import TIER
from property_neurons.errors import CorpusError, printable, some_of
from property_neurons.stores.outside import parse_json, read_text

_TOLERANCE_S = 0.1
_USUAL_ALIGNMENT = "phone"
_SECONDS = int | float
_FIELDS = {"speaker": "speaker", "gender": "gender", "text": "transcript", "language": "language"}


@dataclass(frozen=True)
class Manifests:
    """What two manifests hold.

    rows: as `own_tables.read_own_table` gives a table: utterance, audio, speaker, those of gender, transcript and
        language that some utterance has, and the plain values of `custom` but those called utterance, audio or
        alignment; the index is the line of the supervision.
    alignments: by utterance, {kind: [(label, start, duration, ...)]}, in seconds from the beginning of the recording.
    durations: by utterance, of its recording, in seconds.
    """

    rows: pd.DataFrame
    alignments: Mapping[str, Mapping[str, Sequence[Sequence[Any]]]]
    durations: Mapping[str, float]


class LhotseAlignments:
    """The alignments that supervisions hold.

    Args:
        manifests: where they stand.
        phones: what labels stand for.
        tier: the kind that holds phones; "phones", the usual name of a tier, stands for lhotse's "phone" too.

    Raises:
        CorpusError: there are alignments, and none of this kind.
    """

    def __init__(self, manifests: Manifests, phones: PhoneTable, tier: str = TIER) -> None:
        self._manifests, self._phones = manifests, phones
        kinds = {kind for own in manifests.alignments.values() for kind in own}
        self._tier = _USUAL_ALIGNMENT if tier == TIER and tier not in kinds else tier
        if kinds and self._tier not in kinds:
            raise CorpusError(
                f"the corpus's `tier`: expected a kind of alignment that the supervisions hold "
                f"({printable(some_of(sorted(kinds)))}), found {printable(tier)!r}; name the one of phones"
            )

    def not_read(self) -> list[tuple[str, Trouble]]:
        """Nothing: manifests are read whole or not at all."""
        return []

    def utterances(self) -> frozenset[str]:
        """Ids of all utterances that have an alignment."""
        return frozenset(name for name, own in self._manifests.alignments.items() if self._tier in own)

    def read(self, utterance: str) -> Alignment:
        """The alignment of one utterance; raises UnusableAlignment."""
        items = self._manifests.alignments[utterance][self._tier]
        try:
            texts = [str(item[0]) for item in items]
            times = np.array([(float(item[1]), float(item[1]) + float(item[2])) for item in items]).reshape(-1, 2)
            starts, ends = np.rint(times * 1e6).astype(np.int64).T
        except (TypeError, ValueError, IndexError, KeyError):
            detail = "expected [label, start, duration, score] for each phone, found something else; export it again"
            raise UnusableAlignment(utterance, (Trouble("unreadable_alignment", detail),)) from None
        end = round(self._manifests.durations[utterance] * 1e6)
        return checked_alignment(utterance, starts, ends, texts, end, self._phones)


def read_manifests(supervisions: str | Path, recordings: str | Path) -> Manifests:
    """Read the utterances of a supervision manifest and the audio files of a recording manifest.

    Raises:
        CorpusError: a line is no such object, a recording is no single file or is transformed, a supervision is of a
            recording that is not listed, or is only a part or some channels of one.
        StoreError: a file is absent, not UTF-8, or damaged gzip.
    """
    audio: dict[str, tuple[str, float, list[int]]] = {}
    for line, recording in _lines(recordings, {"id": str, "sources": list, "duration": _SECONDS}):
        if recording["id"] in audio:
            raise CorpusError(
                f"{printable(recordings)}, line {line}: expected each recording once, found "
                f"{printable(recording['id'])!r} again; leave one of the two"
            )
        sources = recording["sources"]
        plain = len(sources) == 1 and isinstance(sources[0], dict) and sources[0].get("type") == "file"
        if not plain or recording.get("transforms"):
            raise CorpusError(
                f"{printable(recordings)}, line {line}: expected a recording that is one file as it lies on the disk, "
                f"found {'transforms' if plain else 'another source'}; save the audio to files "
                "(CutSet.save_audios) and name the manifest of these"
            )
        channels = sources[0].get("channels") or recording.get("channel_ids") or [0]
        audio[recording["id"]] = str(sources[0].get("source", "")), float(recording["duration"]), channels
    rows, places, alignments, durations, parts, of_some = [], [], {}, {}, [], []
    needed = {"id": str, "recording_id": str, "start": _SECONDS, "duration": _SECONDS}
    for line, one in _lines(supervisions, needed, {"custom": dict, "alignment": dict}):
        if one["recording_id"] not in audio:
            raise CorpusError(
                f"{printable(supervisions)}, line {line}: expected a recording of {printable(recordings)}, found "
                f"{printable(one['recording_id'])!r}; name the manifests that belong together"
            )
        path, duration, channels = audio[one["recording_id"]]
        said = one.get("channel", channels)
        if len(channels) > 1 and set(said if isinstance(said, list) else [said]) != set(channels):
            of_some.append(one["id"])
        if abs(one["start"]) > _TOLERANCE_S or abs(one["start"] + one["duration"] - duration) > _TOLERANCE_S:
            parts.append(one["id"])
        name = present(one["id"])
        custom = {
            key: value
            for key, value in (one.get("custom") or {}).items()
            if isinstance(value, str | int | float) and key != "alignment"
        }
        known = {column: one[key] for key, column in _FIELDS.items() if one.get(key) is not None}
        rows.append({"speaker": "", **custom, **known, "utterance": name, "audio": path})
        places.append(line)
        alignments[name], durations[name] = one.get("alignment") or {}, duration
    if parts:
        raise CorpusError(
            f"{printable(supervisions)}: expected each supervision to be a whole recording, found {len(parts)} that "
            f"are parts of one ({printable(some_of(parts))}); cut the recordings (CutSet.trim_to_supervisions, then "
            "save_audios) and name the manifests of the pieces"
        )
    if of_some:
        raise CorpusError(
            f"{printable(supervisions)}: expected each supervision to be of all channels of its recording, found "
            f"{len(of_some)} of some alone ({printable(some_of(of_some))}); save one file for each channel "
            "(Recording.to_mono, then save_audio) and name the manifests of these"
        )
    table = pd.DataFrame(rows, index=places, dtype=object)
    table = table.map(lambda cell: "" if pd.isna(cell) else present(str(cell))).astype("str")
    return Manifests(table, alignments, durations)


def _lines(
    path: str | Path, needed: Mapping[str, Any], others: Mapping[str, Any] = MappingProxyType({})
) -> Iterator[tuple[int, dict[str, Any]]]:
    """The number and the object of each line; `needed` keys are there, and `others`, if they are, of these types."""
    empty = True
    for line, text in enumerate(read_text(path).split("\n"), start=1):
        if not text.strip():
            continue
        empty = False
        try:
            found = parse_json(text)
        except ValueError as error:
            raise _no_manifest(path, line, str(error)) from None
        if not isinstance(found, dict):
            raise _no_manifest(path, line, f"a {type(found).__name__}")
        given = {key: kind for key, kind in others.items() if found.get(key) is not None}
        for key, kind in {**needed, **given}.items():
            value = found.get(key)
            if not isinstance(value, kind) or (kind is _SECONDS and not math.isfinite(value)):
                raise _no_manifest(path, line, f"{key}: {value!r}" if key in found else f"no {key}")
        yield line, found
    if empty:
        raise CorpusError(f"{printable(path)}: expected a manifest of lhotse, found an empty file; write it again")


def _no_manifest(path: str | Path, line: int, found: str) -> CorpusError:
    return CorpusError(
        f"{printable(path)}, line {line}: expected an object of a manifest of lhotse (JSON lines), found "
        f'{printable(found)}; write the manifest again, with to_file("NAME.jsonl.gz")'
    )
