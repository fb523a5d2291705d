"""From the settings of a corpus to what it lists, and to the object that reads its alignments."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from property_neurons.corpus.alignments import AlignmentSource
from property_neurons.corpus.framewise import FramewiseSource
from property_neurons.corpus.genders import read_genders
from property_neurons.corpus.lhotse_manifests import LhotseAlignments, read_manifests
from property_neurons.corpus.librispeech import list_librispeech
from property_neurons.corpus.listing import Listing
from property_neurons.corpus.phone_tables import phone_table
from property_neurons.corpus.scanned_cells import FIELDS
from property_neurons.corpus.speech_folder import folder_rows
from property_neurons.corpus.speech_table import list_table, scanned_table, table_rows
from property_neurons.corpus.textgrid import TIER
from property_neurons.corpus.textgrid_source import ListedAlignments, TextGridSource
from property_neurons.corpus.voxceleb import list_voxceleb


def open_alignments(
    kind: str,
    path: str,
    labels: str | None = None,
    tier: str = TIER,
    phones: Mapping[str, Any] | None = None,
) -> AlignmentSource:
    """The alignments of one subset: kind "textgrid" (a folder) or "framewise" (a file and its labels).

    Args:
        tier: of TextGrids.
        phones: what labels stand for, as arguments of `phone_tables.phone_table`.

    Raises:
        CorpusError: the folder or file is absent or of another form.
    """
    table = phone_table(**phones or {})
    return TextGridSource(path, table, tier) if kind == "textgrid" else FramewiseSource(path, labels, table)


def open_subset(kind: str, subset: str, settings: Mapping[str, Any]) -> tuple[Listing, AlignmentSource | None]:
    """What one subset of a corpus of some kind lists, and where its alignments come from, if it has any.

    Args:
        settings: what the kind is read from, as `plan.corpora.scan_source` gives it.

    Raises:
        CorpusError: a folder, file or column is absent or of another form.
    """
    return _KINDS[kind](subset, **{key: value for key, value in settings.items() if key != "audio"})


def _librispeech(
    subset: str, root: str, alignments: Mapping[str, str], genders: str | None, phones: Mapping[str, Any]
) -> tuple[Listing, AlignmentSource]:
    source = open_alignments(**alignments, phones=phones)
    known = read_genders(genders) if genders is not None else None
    return list_librispeech(root, subset, known, source.utterances()), source


def _voxceleb(subset: str, root: str, split: str, meta: str) -> tuple[Listing, None]:
    return list_voxceleb(root, split, meta), None


def _table(
    subset: str,
    root: str,
    table: str,
    columns: Mapping[str, str],
    speakers: str | None,
    per_speaker: Sequence[str],
    alignments: Mapping[str, str] | None,
    phones: Mapping[str, Any],
    tier: str = TIER,
    manifest: str | None = None,
) -> tuple[Listing, AlignmentSource | None]:
    held = read_manifests(table, manifest) if manifest is not None else None
    rows = held.rows if held is not None else table_rows(table, columns)
    scanned = rows[[name for name in rows if name in FIELDS]]
    listing, source = _of_rows(table, root, scanned, speakers, per_speaker, alignments, phones, tier)
    if source is None and held is not None and any(held.alignments.values()):
        source = LhotseAlignments(held, phone_table(**phones), tier)
    return listing, source


def _folder(
    subset: str,
    root: str,
    recordings: str,
    speaker: str,
    utterance: str,
    alignment: str | None,
    transcript: str | None,
    speakers: str | None,
    per_speaker: Sequence[str],
    alignments: Mapping[str, str] | None,
    phones: Mapping[str, Any],
    tier: str = TIER,
) -> tuple[Listing, AlignmentSource | None]:
    templates = {"speaker": speaker, "utterance": utterance, "alignment": alignment, "transcript": transcript}
    found = folder_rows(root, recordings, **templates)
    listing, source = _of_rows(root, root, found.rows, speakers, per_speaker, alignments, phones, tier)
    beside = {"not_read": found.not_read, "read_once": found.read_once, "ignored": found.ignored}
    return replace(listing, **beside), source


def _of_rows(
    path: str,
    root: str,
    rows: pd.DataFrame,
    speakers: str | None,
    per_speaker: Sequence[str],
    alignments: Mapping[str, str] | None,
    phones: Mapping[str, Any],
    tier: str,
) -> tuple[Listing, AlignmentSource | None]:
    found = scanned_table(path, root, rows, speakers=speakers, per_speaker=per_speaker)
    if alignments is not None:
        return list_table(found), open_alignments(**alignments, phones=phones)
    listed = found.alignments()
    return list_table(found), ListedAlignments(listed, phone_table(**phones), tier) if listed is not None else None


_KINDS = {"librispeech": _librispeech, "demo": _librispeech, "voxceleb1": _voxceleb, "table": _table, "folder": _folder}
