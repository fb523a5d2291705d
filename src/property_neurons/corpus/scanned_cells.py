"""The part of users' tables that the scan reads, and its digest; other columns are read after the scan.

Planning takes the digest, so that a change of any other column reads no recording again and runs no model.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from property_neurons.corpus.table_text import need_columns, present, read_rows

FIELDS = ("utterance", "audio", "speaker", "gender", "alignment", "transcript")
"""The columns of a table of utterances that the scan reads; any other is the user's own."""


def needed_columns(columns: Mapping[str, str]) -> dict[str, str]:
    """What a table of utterances must have: {field: the name of its column}."""
    return {field: columns.get(field, field) for field in ("audio", "speaker")} | dict(columns)


def has_genders(speakers: str) -> bool:
    """Whether the scan reads a table of speakers; one that is not there may have some.

    Raises:
        CorpusError, StoreError: it is of another form.
    """
    return not Path(speakers).is_file() or "gender" in next(_cells(speakers, {}, {"gender": "gender"}, ""))


def scanned_digest(
    *, table: str | None, manifest: str | None, columns: Mapping[str, str], speakers: str | None
) -> str | None:
    """A digest of all that the scan reads of the tables of a corpus; None where some table is not there.

    Args:
        table: of utterances, if there is one; with `manifest` lhotse's supervisions.
        manifest: lhotse's recordings.
        columns: {one of `FIELDS`: the name of its column}, where that has another name.
        speakers: the table of speakers, if there is one with genders.

    Raises:
        CorpusError, StoreError: a table is of another form, or lacks a column.
    """
    if any(path and not Path(path).is_file() for path in (table, manifest, speakers)):
        return None
    held = hashlib.blake2b(digest_size=16)
    for row in _rows(table, manifest, columns, speakers):
        held.update(json.dumps(row).encode())
    return held.hexdigest()


def _rows(
    table: str | None, manifest: str | None, columns: Mapping[str, str], speakers: str | None
) -> Iterator[object]:
    if manifest is not None:
        # Loaded where it is needed: planning is light.
        from property_neurons.corpus.lhotse_manifests import read_manifests

        held = read_manifests(table, manifest)
        own = [name for name in held.rows if name in FIELDS]
        yield own
        yield from held.rows[own].values.tolist()
        yield [held.alignments, held.durations]
    elif table is not None:
        named = {field: columns.get(field, field) for field in FIELDS}
        yield from _cells(table, needed_columns(columns), named, "the corpus's `columns`")
    if speakers is not None:
        named = {"speaker": "speaker", "gender": "gender"}
        yield from (row for row in _cells(speakers, named, named, "the corpus's `speakers`") if row[-1])


def _cells(path: str, needed: Mapping[str, str], named: Mapping[str, str], key: str) -> Iterator[list[str]]:
    """The fields that a table has, and their cells row by row."""
    if Path(path).suffix.lower() == ".parquet":
        from property_neurons.corpus.own_tables import read_own_table

        table = read_own_table(path)
        names, rows = list(table.columns), table.values.tolist()
    else:
        names, found = read_rows(path)
        rows = found.values()
    need_columns(path, names, needed, key)
    fields = [field for field, name in named.items() if name in names]
    yield fields
    places = [names.index(named[field]) for field in fields]
    for row in rows:
        yield [present(row[place]) for place in places]
