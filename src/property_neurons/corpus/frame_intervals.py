"""The interval of a tier that holds each frame of a shard: words, stress, breaks, or any other annotation.

Intervals are those of TextGrids, those of a table, or words and stress that a pronunciation dictionary lays on phones.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from property_neurons.corpus.alignments import FRAME_US, UnusableAlignment
from property_neurons.corpus.frame_labels import frame_labels
from property_neurons.corpus.frame_store import FrameShard, open_frames
from property_neurons.corpus.frame_values import FrameValues, write_values
from property_neurons.corpus.own_tables import read_own_table
from property_neurons.corpus.phones import NEVER_IN_A_SET
from property_neurons.corpus.pronunciations import lay_words, read_dictionary
from property_neurons.corpus.sources import open_subset
from property_neurons.corpus.spoken_words import written_words
from property_neurons.corpus.textgrid import read_tier
from property_neurons.corpus.textgrid_source import TextGridSource
from property_neurons.errors import CorpusError, printable, some_of
from property_neurons.progress import progress
from property_neurons.stores.outside import composed

log = logging.getLogger(__name__)

# Interval of each frame of an utterance, -1 for none, and the label of each interval, "" for none.
_OfUtterance = tuple[np.ndarray, Sequence[str]]
_COLUMNS = ("utterance", "start", "end", "label")
# Labels may end a frame before the audio, and annotators a little after it.
_LATEST_END_US = 5 * FRAME_US
# Words that are laid on phones of another text agree by chance with a third of them.
_LEAST_AGREEMENT = 0.5


def write_intervals(
    path: str | Path, *, source: Mapping[str, Any], frame_store: str | Path, utterances: pd.DataFrame
) -> None:
    """Write the intervals of a shard's frames; a frame belongs to the interval that holds most of it.

    Args:
        path: the .zarr to write.
        source: `kind` "tier" ({tier, and path, or subset: arguments of `open_subset`}), "table" ({path}) or
            "dictionary" ({path, what: "words" or "stress"}).
        utterances: the corpus's utterances, with their transcripts.

    Raises:
        CorpusError: the tier, the table or the dictionary is absent, or not of this corpus.
    """
    frames = open_frames(frame_store)
    find = _KINDS[source["kind"]](source, frames, utterances)
    interval, names, missing = [np.empty(0, np.int32)], [], []
    for index, utterance in enumerate(progress(frames.utterances, what="intervals", unit="utt")):
        found = find(index)
        if found is None:
            missing.append(utterance)
            found = np.full(frames.offset[index + 1] - frames.offset[index], -1), ()
        own, labels = found
        interval.append(np.where(own < 0, -1, own + len(names)).astype(np.int32))
        names += labels
    if missing:
        log.warning(
            "%s: no intervals of %d of %d utterances (%s), which are not counted",
            frames.name,
            len(missing),
            len(frames.utterances),
            some_of([printable(name) for name in missing]),
        )
    distinct = sorted(set(filter(None, names)))
    number = {name: place for place, name in enumerate(distinct)}
    of_interval = np.array([number.get(name, -1) for name in names], dtype=np.int32)
    values = FrameValues(interval=np.concatenate(interval), interval_name=of_interval, names=tuple(distinct))
    write_values(path, frames.utterances, frames.offset, values)


def _of_tier(source: Mapping[str, Any], frames: FrameShard, _: pd.DataFrame) -> Callable[[int], _OfUtterance | None]:
    grids = TextGridSource(source["path"]) if source.get("path") else open_subset(**source["subset"])[1]
    if not hasattr(grids, "path"):
        raise CorpusError(
            f"{frames.name}: expected TextGrids with a tier {source['tier']!r}, found a corpus whose alignments are "
            "none; name a folder of TextGrids in the property's `path`, or a `dictionary` for words and stress"
        )
    known = grids.utterances()

    def find(index: int) -> _OfUtterance | None:
        utterance = frames.utterances[index]
        if utterance not in known:
            return None
        try:
            starts, ends, labels, _ = read_tier(grids.path(utterance), source["tier"])
        except UnusableAlignment as error:
            raise CorpusError(f"{printable(error)}; or give the property a tier that all files have") from None
        where = f"{printable(grids.path(utterance))}, tier {source['tier']!r}"
        return _laid(starts, ends, labels, frames, index, where)

    return find


def _of_table(
    source: Mapping[str, Any], frames: FrameShard, utterances: pd.DataFrame
) -> Callable[[int], _OfUtterance | None]:
    table = read_own_table(source["path"], as_written=("utterance", "label"))
    if missing := [name for name in _COLUMNS if name not in table]:
        raise CorpusError(
            f"{printable(source['path'])}: expected the columns {', '.join(_COLUMNS)} (seconds), found no "
            f"{', '.join(missing)}, but {printable(', '.join(table))}; name them so"
        )
    times = table[["start", "end"]].apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
    wrong = np.flatnonzero(~np.isfinite(times).all(axis=1) | (times[:, 0] < 0) | (times[:, 1] <= times[:, 0]))
    if len(wrong):
        raise CorpusError(
            f"{printable(source['path'])}: expected a start and a later end in seconds in each row, found others in "
            f"{some_of([f'line {table.index[row]}' for row in wrong])}; correct them"
        )
    table = table.assign(start=times[:, 0], end=times[:, 1])
    by_utterance = dict(list(table.groupby("utterance")))
    strange = sorted(by_utterance.keys() - set(utterances["utterance"]))
    if len(strange) == len(by_utterance) and len(utterances):
        raise CorpusError(
            f"{printable(source['path'])}: expected intervals of the corpus's utterances, such as "
            f"{printable(utterances['utterance'].iloc[0])}, found others alone "
            f"({some_of(list(map(printable, strange)))}); name them as the corpus does"
        )
    if strange:
        log.warning(
            "%s: %d of its %d utterances are not of this corpus (%s) and are passed over",
            source["path"],
            len(strange),
            len(by_utterance),
            some_of(list(map(printable, strange))),
        )

    def find(index: int) -> _OfUtterance | None:
        rows = by_utterance.get(frames.utterances[index])
        if rows is None:
            return None
        micro = np.rint(rows[["start", "end"]].to_numpy() * 1e6).astype(np.int64)
        return _laid(micro[:, 0], micro[:, 1], rows["label"].tolist(), frames, index, printable(source["path"]))

    return find


def _laid(
    starts: np.ndarray, ends: np.ndarray, labels: Sequence[str], frames: FrameShard, index: int, where: str
) -> _OfUtterance:
    # What has no label or no length holds no frame.
    spoken = (ends > starts) & np.array([bool(label.strip()) for label in labels], dtype=bool)
    named = np.argsort(starts, kind="stable")
    named = named[spoken[named]]
    starts, ends, labels = starts[named], ends[named], [labels[place] for place in named]
    if clash := np.flatnonzero(np.maximum.accumulate(ends)[:-1] > starts[1:]).tolist():
        at = clash[0] + 1
        raise CorpusError(
            f"{where}: expected intervals of {printable(frames.utterances[index])} one after the other, found "
            f"{len(clash)} that overlap, first {printable(labels[at])!r} at {starts[at] / 1e6:g} s; correct them"
        )
    length = int(frames.offset[index + 1] - frames.offset[index])
    latest, labelled = int(ends.max(initial=0)), length * FRAME_US
    if latest > labelled + _LATEST_END_US:
        raise CorpusError(
            f"{where}: expected intervals of {printable(frames.utterances[index])} within its {labelled / 1e6:g} s, "
            f"found one that ends at {latest / 1e6:g} s; give the annotation of this recording, in seconds (not in "
            "milliseconds or samples)"
        )
    _, interval = frame_labels(starts, ends, np.zeros(len(starts), np.int8), length)
    return interval, [composed(label.strip()) for label in labels]


def _of_dictionary(
    source: Mapping[str, Any], frames: FrameShard, utterances: pd.DataFrame
) -> Callable[[int], _OfUtterance | None]:
    dictionary = read_dictionary(source["path"])
    transcripts = dict(zip(utterances["utterance"], utterances["transcript"], strict=True))
    frames.inventory.need_the_paper_s(frames.name, "a pronunciation dictionary")
    never = [frames.inventory.labels.index(label) for label in NEVER_IN_A_SET]

    def find(index: int) -> _OfUtterance | None:
        span = slice(int(frames.offset[index]), int(frames.offset[index + 1]))
        segment, label = frames.segment[span], frames.label[span]
        phones, first = np.unique(segment[(segment >= 0) & ~np.isin(label, never)], return_index=True)
        labels = label[(segment >= 0) & ~np.isin(label, never)][first]
        words = written_words(transcripts.get(frames.utterances[index]) or "", dictionary)
        if not words or not len(phones):
            return None
        spoken = lay_words(words, labels, dictionary)
        if spoken.agreement < _LEAST_AGREEMENT:
            return None
        # Segments of an utterance are numbered in order of time.
        place = np.searchsorted(phones, segment)
        place[(segment < 0) | ~np.isin(segment, phones)] = -1
        if source["what"] == "stress":
            return place, spoken.stress
        of_phone = np.append(spoken.word, -1)
        return of_phone[place], words

    return find


_KINDS = {"tier": _of_tier, "table": _of_table, "dictionary": _of_dictionary}
