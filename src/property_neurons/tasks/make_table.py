"""Makes the table of a task: utterances, parts and references."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from property_neurons.corpus.audio import SAMPLE_RATE
from property_neurons.corpus.phone_tables import phone_table
from property_neurons.errors import TaskError, some_of
from property_neurons.stores import files, manifests
from property_neurons.tasks import splits
from property_neurons.tasks.f0_tracks import ln_f0, read_f0
from property_neurons.tasks.table import COLUMNS, Kind
from property_neurons.tasks.units import (
    PHONE_UNITS,
    aligned_units,
    lexicon_units,
    pronounced_units,
    read_lexicon,
)

MOST_LEFT_OUT = 0.05
"""Largest share of utterances that a lexicon without their words may cost."""


def divide(corpora: Mapping[str, pd.DataFrame], split: Mapping[str, Any], kind: Kind) -> pd.DataFrame:
    """All utterances with their parts, after checking that the split fits the task.

    Speakers of dev and test are unseen for phone recognition and F0; for speaker identification all are trained on and
    no utterance is in two parts.

    Args:
        corpora: tables of utterances by corpus.
        split: a split of the config, as plain values; its corpora are names or lists of names.

    Raises:
        TaskError: the split leaks, or a part is empty.
    """
    if split["by"] == "corpus":
        table = splits.by_corpus({part: _together(corpora, split[part]) for part in splits.PARTS})
    else:
        table = _together(corpora, split["corpus"])
        shares = {key: split[key] for key in ("dev", "test", "seed") if key in split}
        if split["by"] == "speaker":
            table = table.assign(part=splits.by_speaker(table, **shares))
        elif split["by"] == "utterance":
            table = table.assign(part=splits.by_utterance(table, **shares))
    splits.check_no_utterance_twice(table)
    (splits.check_seen_speakers if kind == "speaker_identification" else splits.check_unseen_speakers)(table)
    return table[list(COLUMNS) + (["transcript"] if "transcript" in table else [])].reset_index(drop=True)


def _together(corpora: Mapping[str, pd.DataFrame], names: str | Sequence[str]) -> pd.DataFrame:
    """The utterances of one corpus or several, with the column `corpus`."""
    names = [names] if isinstance(names, str) else names
    return pd.concat([corpora[name].assign(corpus=name) for name in names], ignore_index=True)


def write_task_data(
    path: str | Path,
    divided: pd.DataFrame,
    kind: Kind,
    *,
    phones: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
    segments: Sequence[tuple[str, str | Path]] = (),
    frames: Sequence[str | Path] = (),
    lexicon: str | Path | None = None,
) -> None:
    """Write a task's table (.parquet) and, beside it, the manifest that trainings depend on.

    Args:
        divided: of `divide`.
        phones: what the labels of the segments stand for, by corpus, as arguments of `phone_tables.phone_table`.
        segments: (subset, table of aligned segments), for phone recognition without a lexicon.
        frames: frame stores, for F0.
        lexicon: a text of pronunciations, for phone recognition by stress-marked units.

    Raises:
        TaskError: an utterance has no reference or two, or too many words are not in the lexicon.
        CorpusError: segments are of other phones than the 39.
        StoreError: an input is damaged.
    """
    for corpus, settings in phones.items():
        phone_table(**settings).inventory.need_the_paper_s(f"corpus {corpus}", "phone recognition without a lexicon")
    path = Path(path)
    labels: tuple[str, ...] = ()
    if kind == "speaker_identification":
        labels = tuple(sorted(set(divided["speaker"])))
        numbers = {name: number for number, name in enumerate(labels)}
        references = {row.utterance: np.array([numbers[row.speaker]], np.int16) for row in divided.itertuples()}
    elif kind == "f0_reconstruction":
        references = {name: ln_f0(track) for name, track in read_f0(divided, frames).items()}
    elif lexicon is None:
        labels = PHONE_UNITS
        references = aligned_units(_segments_of(divided, segments), list(divided["utterance"]))
    else:
        labels, references = _pronounced(divided, lexicon)
    table = divided[divided["utterance"].isin(references.keys())].sort_values("utterance", ignore_index=True)
    table = table[list(COLUMNS)].assign(reference=[references[name] for name in table["utterance"]])
    splits.check_no_utterance_twice(table)
    amounts = {
        part: {
            "utterances": len(rows),
            "speakers": rows["speaker"].nunique(),
            "minutes": round(rows["n_samples"].sum() / SAMPLE_RATE / 60, 2),
        }
        for part, rows in table.groupby("part")
    }
    description = {
        "kind": kind,
        "labels": list(labels),
        "parts": amounts,
        "left_out": len(divided) - len(table),
        "split_digest": splits.ids_digest(table),
    }
    manifest = manifests.manifest_path(path)
    manifest.unlink(missing_ok=True)
    files.write_table(path, table)
    manifests.write_manifest(manifest, description | manifests.describe_files(path.parent, [path]))


def _segments_of(divided: pd.DataFrame, segments: Sequence[tuple[str, str | Path]]) -> pd.DataFrame:
    """The segments of the utterances; an id may stand in another subset too, and is left out there."""
    tables, read = [], set()
    for subset, path in segments:
        table = files.read_table(path)
        table = table[table["utterance"].isin(set(divided.loc[divided["subset"] == subset, "utterance"]))]
        if again := sorted(read & set(table["utterance"])):
            raise TaskError(
                f"aligned units: expected one alignment of each utterance, found a second of {some_of(again)} in "
                f"{path}; leave one of the two out of its corpus"
            )
        read |= set(table["utterance"])
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def _pronounced(divided: pd.DataFrame, lexicon: str | Path) -> tuple[tuple[str, ...], dict[str, np.ndarray]]:
    pronunciations = read_lexicon(lexicon)
    units = lexicon_units(pronunciations)
    transcripts = dict(zip(divided["utterance"], divided["transcript"], strict=True))
    references, unknown = pronounced_units(transcripts, pronunciations, units)
    if len(unknown) > MOST_LEFT_OUT * len(divided):
        words = sorted({word for own in unknown.values() for word in own})
        raise TaskError(
            f"{lexicon}: expected the words of at least {1 - MOST_LEFT_OUT:.0%} of {len(divided)} utterances, found "
            f"{len(unknown)} with unknown ones ({some_of(words)}); complete the lexicon"
        )
    return units, references
