"""What a user's table lists: one row an utterance, with its audio, its speaker and other columns.

    utterance  audio             speaker  gender  alignment           transcript  accent  age
    anna_000   anna/rec_000.wav  anna     F       anna/rec_000.TextGrid  ...      Welsh   34

Paths are relative to a folder. `audio` and `speaker` must be there. Without `utterance` the name of the audio file is
the id. Columns that are not named here are the user's own: `table_columns` reads them once the scan is done.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import pandas as pd

from property_neurons.corpus.genders import gender_of
from property_neurons.corpus.listing import Listed, Listing
from property_neurons.corpus.own_tables import differing, read_own_table, typed, typed_columns
from property_neurons.corpus.report import Trouble
from property_neurons.corpus.scanned_cells import FIELDS, needed_columns
from property_neurons.corpus.table_text import need_columns
from property_neurons.corpus.utterance_columns import OWN_COLUMNS
from property_neurons.corpus.utterance_files import unusable_name
from property_neurons.errors import CorpusError, printable, some_of
from property_neurons.stores.outside import as_on_disk

_RESERVED = (OWN_COLUMNS | {"label", "f0", "duration", "utterances"}) - set(FIELDS)


@dataclass(frozen=True)
class SpeechTable:
    """A table of utterances under its own names of columns.

    path: what it was read from, for messages.
    root: the folder that the paths in it start from.
    rows: text, "" where missing; the columns `audio`, `speaker`, others of `FIELDS`, and the fields of paths.
    per_speaker: columns with one value for each speaker.
    """

    path: str
    root: Path
    rows: pd.DataFrame
    per_speaker: tuple[str, ...] = field(default=("gender",))

    def alignments(self) -> dict[str, Path] | None:
        """The alignment file of each utterance that has one; None where the table has no such column."""
        if "alignment" not in self.rows:
            return None
        named = self.rows[self.rows["alignment"] != ""]
        return {row.utterance: self.root / row.alignment for row in named.itertuples()}


def table_rows(path: str | Path, columns: Mapping[str, str]) -> pd.DataFrame:
    """The rows of a table of utterances, the user's own columns too, under the names of `FIELDS`.

    Args:
        path: CSV, TSV or parquet.
        columns: {one of `FIELDS`: the name of its column}, where that has another name.

    Raises:
        CorpusError: the table is absent or of another form, lacks a column, or has two for one field.
    """
    rows = read_own_table(path)
    need_columns(path, rows.columns, needed_columns(columns), "the corpus's `columns`")
    return with_ids(_renamed(path, rows, columns))


def with_ids(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with the names of their audio files as ids, where they have none."""
    if "utterance" in rows:
        return rows
    return rows.assign(utterance=[PurePosixPath(audio).stem for audio in rows["audio"]])


def with_speakers(
    rows: pd.DataFrame, path: str | Path, speakers: str | Path, added: Sequence[str], known: pd.DataFrame
) -> pd.DataFrame:
    """Rows with columns of the table of their speakers.

    Args:
        path: what the rows were read from, for messages.
        speakers: what `known` was read from by `read_speakers`.
        added: the columns of it.

    Raises:
        CorpusError: a column is in both tables, or a speaker of the rows in none of the other.
    """
    if both := sorted(set(added) & set(rows.columns)):
        raise CorpusError(
            f"expected each column in one table, found {printable(', '.join(both))} in {printable(speakers)} and in "
            f"{printable(path)}; remove it from one of the two"
        )
    lacking = sorted(set(rows["speaker"]) - set(known["speaker"]) - {""})
    if lacking:
        raise CorpusError(
            f"{printable(speakers)}: expected a row for each speaker, found none for {printable(some_of(lacking))}; "
            "add them, with empty cells where nothing is known"
        )
    joined = rows.merge(known[["speaker", *added]], on="speaker", how="left").fillna("")
    return joined.set_axis(rows.index)


def read_speakers(path: str | Path) -> pd.DataFrame:
    """A table with one row a speaker.

    Raises:
        CorpusError: it is absent or of another form, has no column `speaker`, or a speaker twice.
    """
    known = read_own_table(path)
    need_columns(path, known.columns, {"speaker": "speaker"}, "the corpus's `speakers`")
    if again := sorted(set(known["speaker"][known["speaker"].duplicated()])):
        raise CorpusError(
            f"{printable(path)}: expected one row for each speaker, found several for "
            f"{printable(some_of(again))}; leave one of them"
        )
    return known


def check_names(path: str | Path, names: Iterable[str], more: Iterable[str] = ()) -> None:
    """Raises CorpusError where a column has a name that the workflow uses for something else, or one of `more`."""
    if taken := sorted((_RESERVED | set(more)) & set(names)):
        raise CorpusError(
            f"{printable(path)}: expected columns of other names than the workflow's own, found {', '.join(taken)}; "
            "rename them in the table"
        )


def scanned_table(
    path: str | Path,
    root: str | Path,
    rows: pd.DataFrame,
    *,
    speakers: str | Path | None,
    per_speaker: Sequence[str],
) -> SpeechTable:
    """The columns that the scan reads, from rows of text, with the genders of a table of speakers.

    Args:
        path: what the rows were read from, for messages.
        root: the folder that audio and alignments are named from.
        speakers: a table with one row a speaker, whose column `gender` is added.
        per_speaker: columns with one value for each speaker, checked where they exist.

    Raises:
        CorpusError: a table is absent or of another form, or has a column of a name that is taken.
    """
    rows = with_ids(rows)
    if speakers is not None and "gender" in (known := read_speakers(speakers)):
        rows = with_speakers(rows, path, speakers, ["gender"], known)
    check_names(path, rows.columns)
    if "gender" in rows:
        rows = rows.assign(gender=rows["gender"].map(gender_of))
    # Cells are composed, names of files on a disk need not be.
    for name in {"audio", "alignment"} & set(rows):
        rows = rows.assign(**{name: [_as_on_disk(Path(root), cell) for cell in rows[name]]})
    return SpeechTable(str(path), Path(root), rows, tuple(sorted(set(per_speaker) & set(rows.columns))))


def _as_on_disk(root: Path, cell: str) -> str:
    if not cell or cell.isascii():
        return cell
    found = as_on_disk(root / cell)
    return str(found if Path(cell).is_absolute() else found.relative_to(root))


def list_table(table: SpeechTable) -> Listing:
    """The utterances of a table, sorted by id; of an id that stands twice each row's audio.

    Missing cells, ids and files that stand twice, and speakers of two genders are troubles of their utterances.

    Raises:
        CorpusError: a column of numbers holds one that is not finite.
    """
    own = [name for name in table.rows.columns if name not in FIELDS]
    types = typed_columns(table.path, table.rows, own)
    contradictions = differing(table.rows, "speaker", table.per_speaker)
    records, places = table.rows.to_dict("records"), table.rows.index.tolist()
    users: dict[str, set[str]] = {}
    rows_of: dict[str, list[int]] = {}
    for number, record in enumerate(records):
        users.setdefault(_file(table, record["audio"]), set()).add(record["utterance"])
        rows_of.setdefault(record["utterance"], []).append(number)
    listed, not_named = [], []
    for utterance, numbers in sorted(rows_of.items()):
        row, where = records[numbers[0]], _places([places[number] for number in numbers])
        if not utterance:
            detail = f"expected an utterance in each row of {table.path}, found none in {where}; fill the cells"
            not_named.append(("", Trouble("missing_value", detail)))
            continue
        audio = tuple(dict.fromkeys(filter(None, (records[number]["audio"] for number in numbers))))
        troubles = unusable_name(utterance, *audio, *(row[name] for name in own)) or [
            *_missing(table, row, where),
            *_twice(table, utterance, len(numbers), where, audio, users),
            *contradicted(table.path, row["speaker"], contradictions),
        ]
        known = {name: typed(row[name], types[name]) for name in own}
        texts = row.get("gender", ""), row.get("transcript", "")
        listed.append(Listed(utterance, audio, row["speaker"], *texts, known, tuple(troubles)))
    return Listing(table.root, tuple(listed), types, tuple(not_named))


def _renamed(path: str | Path, rows: pd.DataFrame, columns: Mapping[str, str]) -> pd.DataFrame:
    """The table with its columns named as in `FIELDS`; raises CorpusError where two columns would have one name."""
    clash = [field for field, name in columns.items() if field != name and field in rows.columns]
    if clash:
        raise CorpusError(
            f"{printable(path)}: expected one column for the {', '.join(clash)}, found one of that name and "
            f"{', '.join(columns[field] for field in clash)}, which the config names; rename or remove one of the two"
        )
    return rows.rename(columns={name: field for field, name in columns.items()})


def _places(places: Sequence[int | str]) -> str:
    """Where rows come from: lines of a table, or files."""
    names = some_of(list(map(str, places)))
    return f"line{'s' * (len(places) > 1)} {names}" if isinstance(places[0], int) else names


def _missing(table: SpeechTable, row: Mapping[str, str], where: str) -> list[Trouble]:
    return [
        Trouble("missing_value", f"expected {what} in {table.path}, {where}, found an empty cell; fill it")
        for what, name in (("an audio file", "audio"), ("a speaker", "speaker"))
        if not row[name]
    ]


def _file(table: SpeechTable, audio: str) -> str:
    """A file however it is named: a.wav, ./a.wav, or with its whole path."""
    return os.path.normpath((table.root / audio).absolute()) if audio else ""


def _twice(
    table: SpeechTable, utterance: str, n_rows: int, where: str, audio: Sequence[str], users: Mapping[str, set[str]]
) -> list[Trouble]:
    troubles = []
    if n_rows > 1:
        detail = f"expected one row for each utterance in {table.path}, found {where}; remove all but one"
        troubles.append(Trouble("duplicate_utterance", detail))
    for path in audio:
        if others := sorted(users[_file(table, path)] - {utterance}):
            detail = f"expected an audio file of its own, found {path} with {some_of(others)} too; name each file once"
            troubles.append(Trouble("duplicate_utterance", detail))
    return troubles


def contradicted(path: str, speaker: str, found: Mapping[str, Sequence[str]]) -> list[Trouble]:
    """The troubles of an utterance whose speaker has several values of a column that has one (`differing`)."""
    return [
        Trouble(
            "contradiction",
            f"expected one {ways.partition(':')[0]} of speaker {speaker!r} in {path}, found {ways}; correct the "
            "table, or take the column out of per_speaker if it may change",
        )
        for ways in found.get(speaker, ())
    ]
