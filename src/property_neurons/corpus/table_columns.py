"""The columns of users' tables that the scan does not read: accent, age, session, ...

They are read once the recordings are, so that a change of them reads no recording again and runs no model.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from property_neurons.corpus.lhotse_manifests import read_manifests
from property_neurons.corpus.own_tables import differing, typed, typed_columns
from property_neurons.corpus.report import Trouble, report_table
from property_neurons.corpus.scanned_cells import FIELDS
from property_neurons.corpus.speech_table import check_names, contradicted, read_speakers, table_rows, with_speakers
from property_neurons.corpus.utterance_columns import OWN_COLUMNS
from property_neurons.corpus.utterance_files import unusable_name
from property_neurons.errors import CorpusError
from property_neurons.stores.manifests import read_manifest

_ALWAYS = ["utterance", "subset", "speaker", "gender"]


@dataclass(frozen=True, eq=False)
class TableColumns:
    """Columns of the utterances of a corpus.

    columns: utterance, subset, speaker, gender, the fields of paths, and the user's own columns: text or numbers.
    report: a row for each trouble of an utterance in the tables, as of `scan.Scan`; those of `columns` have none.
    """

    columns: pd.DataFrame
    report: pd.DataFrame


def table_columns(
    corpus: str,
    utterances: pd.DataFrame,
    *,
    table: str | None,
    manifest: str | None,
    columns: Mapping[str, str],
    speakers: str | None,
    per_speaker: Sequence[str],
) -> TableColumns:
    """Join the user's own columns to the utterances of a corpus of one subset.

    Args:
        corpus: its name, for the report.
        utterances: those fit for use.
        table, manifest, columns, speakers: as of `scanned_cells.scanned_digest`.
        per_speaker: columns with one value for each speaker, checked where they exist.

    Raises:
        CorpusError: a table is absent or of another form, has a column of a name that is taken or one that is in the
            other too, lacks a speaker, or holds a number that is not finite.
    """
    of_paths = [name for name in utterances if name not in OWN_COLUMNS]
    if table is None:
        path, rows = "the paths of the recordings", utterances[["utterance", "speaker", *of_paths]]
        types: dict[str, str] = {}
    else:
        path = table
        rows = read_manifests(table, manifest).rows if manifest else table_rows(table, columns)
        types = typed_columns(table, rows, [name for name in rows if name not in FIELDS])
        check_names(table, types)
    contradictions = differing(rows, "speaker", [name for name in per_speaker if name in types])
    if speakers is not None:
        known = read_speakers(speakers)
        added = [name for name in known if name not in ("speaker", "gender")]
        check_names(speakers, added, FIELDS)
        types |= typed_columns(speakers, known, added)
        rows = with_speakers(rows, path, speakers, added, known)
    # Of an utterance that stands twice nothing is left: the scan refuses it.
    rows = rows[rows["utterance"] != ""].drop_duplicates("utterance").set_index("utterance")
    # What a spreadsheet holds in several lines.
    rows = rows.assign(**{name: rows[name].str.replace(r"\s*[\t\n\r\v\f]\s*", " ", regex=True) for name in types})
    unusable = {cell for name in types for cell in set(rows[name]) if unusable_name(cell)}
    troubles: list[tuple[str, Trouble]] = []
    for utterance, speaker, cells in zip(rows.index, rows["speaker"], rows[list(types)].values, strict=True):
        found = unusable_name(*unusable.intersection(cells))
        troubles += [(utterance, one) for one in found or contradicted(path, speaker, contradictions)]
    rows = rows.loc[utterances["utterance"]]
    kept = ~utterances["utterance"].isin({utterance for utterance, _ in troubles})
    own = {name: [typed(cell, kind) for cell in rows[name]] for name, kind in types.items()}
    joined = utterances[[*_ALWAYS, *of_paths]].reset_index(drop=True)
    joined = joined.assign(**{name: pd.Series(cells).astype(types[name]) for name, cells in own.items()})
    subset = utterances["subset"].iloc[0] if len(utterances) else ""
    return TableColumns(joined[kept.to_numpy()].reset_index(drop=True), report_table(corpus, subset, troubles))


def check_scanned(scans: Iterable[str], scanned: str) -> None:
    """See that the scan of each subset read of the tables what stands in them now.

    Args:
        scans: the manifests of the scans.
        scanned: `scanned_cells.scanned_digest` of the tables.

    Raises:
        CorpusError: a table changed while the workflow ran.
    """
    for scan in scans:
        if read_manifest(scan).get("scanned") != scanned:
            raise CorpusError(
                f"{scan}: expected a scan of the tables as they are, found one of other utterances, files, speakers or "
                "genders: they were changed while the workflow ran; run it again, or delete this file if they were "
                "changed back"
            )
