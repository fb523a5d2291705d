"""Findings about a table or folder before a scan: what properties find in it, too few speakers, too little speech."""

from collections import Counter
from collections.abc import Collection, Iterator
from math import factorial, prod
from pathlib import Path

import numpy as np
import pandas as pd

from property_neurons import plan
from property_neurons.config.properties import ColumnProperty
from property_neurons.config.root import Config
from property_neurons.corpus.frame_store import FrameShard
from property_neurons.corpus.phones import PAPER_PHONES
from property_neurons.corpus.utterance_columns import known_columns
from property_neurons.counting.layout import NO_GROUP, Layout
from property_neurons.counting.properties import make_property
from property_neurons.counting.sampling import Sample
from property_neurons.doctor.finding import Finding
from property_neurons.doctor.speech import FRAMES_PER_SECOND, speech_of
from property_neurons.errors import PropertyNeuronsError, printable, some_of
from property_neurons.neurons.cells import enough_frames
from property_neurons.progress import duration

_USUAL_P = 0.05


def group_findings(config: Config, corpus: str, utterances: pd.DataFrame, *, fatal: bool) -> Iterator[Finding]:
    """Columns of properties that counting would refuse, groups of too few speakers for a small p, and little speech.

    Of the figures' corpus alone: other corpora may lack columns that no study reads there.

    Args:
        utterances: utterance, subset, speaker, gender, and all further columns of those that are fit for use.
        fatal: the default target needs the corpus.
    """
    if corpus != config.figures.corpus or utterances.empty:
        return
    figures = config.figures
    drawn = {*figures.plane_properties, *figures.layer_properties, *figures.overlap_properties}
    shard, most = _of_one_frame(f"corpora.{corpus}", utterances), 1
    for name in plan.analysis.used_properties(config):
        section = config.properties[name]
        if not isinstance(section, ColumnProperty):
            continue
        if section.column not in shard.columns:
            known = printable(", ".join(sorted(shard.columns)))
            remedy = "correct the name, or add the column to a table"
            expected, found = f"a column of {corpus}: {known}", printable(repr(section.column))
            yield Finding(f"properties.{name}.column", expected, found, remedy, fatal and name in drawn)
            continue
        made = make_property(name, **plan.analysis.property_settings(config, name))
        try:
            layout = made.lay_out([shard])
        except PropertyNeuronsError as error:
            said = type(error)(str(error).removeprefix(f"property {name}: "))
            yield Finding.of_error(f"properties.{name}", said, fatal and name in drawn)
            continue
        if name in drawn:
            most = max(most, len(layout.groups))
        if section.column != "speaker":
            yield from _few_speakers(name, layout, shard)
    yield from _little_speech(config, corpus, most)


def least_p(sizes: Collection[int]) -> float:
    """The smallest p that a null of labels dealt to speakers can give, by the speakers of each group.

    Labellings that differ in the names of equally large groups alone give the same neurons.
    """
    ways = factorial(sum(sizes)) // prod(map(factorial, sizes))
    return min(1.0, prod(map(factorial, Counter(sizes).values())) / ways)


def _few_speakers(name: str, layout: Layout, shard: FrameShard) -> Iterator[Finding]:
    """A warning where each speaker has one group, and too few speakers have each."""
    first = np.arange(len(shard.utterances))
    group = layout.group_of(shard, Sample(first, first, first, first + 1))
    by_speaker = pd.Series(group, shard.columns["speaker"])[group != NO_GROUP].groupby(level=0)
    if by_speaker.nunique().max() != 1:
        return
    counts = by_speaker.first().value_counts()
    sizes = {one: int(counts.get(number, 0)) for number, one in enumerate(layout.groups)}
    if (least := least_p(sizes.values())) > _USUAL_P:
        yield Finding(
            f"properties.{name}",
            f"speakers enough in each group for p of {_USUAL_P:g} or less",
            f"{printable(some_of([f'{group} {size}' for group, size in sizes.items()]))} (speakers), "
            f"with which p is {least:.2g} or more",
            "add speakers, or take the sets for examples: no statistic can tell them from chance",
            fatal=False,
        )


def _little_speech(config: Config, corpus: str, groups: int) -> Iterator[Finding]:
    """A warning before a scan; after it `earlier_runs.rare_cell_findings` knows the cells."""
    if Path(plan.paths.corpus(config, corpus), "utterances.parquet").is_file():
        return
    speech, enough = speech_of(config, corpus), enough_frames(config.analysis.lambda_)
    needed = enough * groups * len(PAPER_PHONES.phones) / FRAMES_PER_SECOND
    if 0 < speech.seconds < needed:
        yield Finding(
            f"corpora.{corpus}",
            f"{duration(needed)} of speech or more: {enough} frames (1 / lambda) of each phone in each of {groups} "
            "groups, were all phones as frequent",
            f"{duration(speech.seconds)} ({speech.source})",
            "use more speech: where cells have few frames, a single hit makes a pattern",
            fatal=False,
        )


def _of_one_frame(name: str, utterances: pd.DataFrame) -> FrameShard:
    """Utterances as counting reads them, before they have frames: of one frame each."""
    n, no_frames = len(utterances), np.empty(0, np.int64)
    return FrameShard(
        name=name,
        utterances=tuple(utterances["utterance"]),
        kept=np.ones(n, bool),
        columns=known_columns(utterances),
        offset=np.arange(n + 1),
        frame_us=20_000,
        label=np.zeros(n, np.int8),
        segment=np.full(n, -1, np.int32),
        segment_start=no_frames,
        segment_end=no_frames,
        pitch="none",
        pitch_offset=np.zeros(n + 1, np.int64),
        pitch_values=no_frames.astype(np.float32),
    )
