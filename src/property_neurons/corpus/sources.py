"""From the settings of a corpus to what it lists, and to the object that reads its alignments."""

from collections.abc import Mapping, Sequence
from typing import Any

from property_neurons.corpus.alignments import AlignmentSource
from property_neurons.corpus.framewise import FramewiseSource
from property_neurons.corpus.genders import read_genders
from property_neurons.corpus.librispeech import list_librispeech
from property_neurons.corpus.listing import Listing
from property_neurons.corpus.speech_table import list_table, read_speech_table
from property_neurons.corpus.textgrid_source import ListedAlignments, TextGridSource
from property_neurons.corpus.voxceleb import list_voxceleb


def open_alignments(kind: str, path: str, labels: str | None = None) -> AlignmentSource:
    """The alignments of one subset: kind "textgrid" (a folder) or "framewise" (a file and its labels).

    Raises:
        CorpusError: the folder or file is absent or of another form.
    """
    return TextGridSource(path) if kind == "textgrid" else FramewiseSource(path, labels)


def open_subset(kind: str, subset: str, settings: Mapping[str, Any]) -> tuple[Listing, AlignmentSource | None]:
    """What one subset of a corpus of some kind lists, and where its alignments come from, if it has any.

    Args:
        settings: what the kind is read from, as `plan.corpora.scan_source` gives it.

    Raises:
        CorpusError: a folder, file or column is absent or of another form.
    """
    return _KINDS[kind](subset, **settings)


def _librispeech(
    subset: str, root: str, alignments: Mapping[str, str], genders: str | None
) -> tuple[Listing, AlignmentSource]:
    source = open_alignments(**alignments)
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
) -> tuple[Listing, AlignmentSource | None]:
    found = read_speech_table(
        table, root, columns=columns, speakers=speakers, per_speaker=per_speaker, key="the corpus's `columns`"
    )
    if alignments is not None:
        return list_table(found), open_alignments(**alignments)
    listed = found.alignments()
    return list_table(found), ListedAlignments(listed) if listed is not None else None


_KINDS = {"librispeech": _librispeech, "demo": _librispeech, "voxceleb1": _voxceleb, "table": _table}
