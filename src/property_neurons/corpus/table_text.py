"""The text of tables that users make, CSV or TSV, cell by cell: light enough for planning.

A cell that is empty, NA, N/A, nan, #N/A or <NA> is a missing value.
"""

import csv
from collections.abc import Collection, Mapping
from io import StringIO
from pathlib import Path

from property_neurons.errors import CorpusError, printable, some_of
from property_neurons.stores.outside import composed, read_text

# The default of csv, 131,072 characters, is less than some transcripts.
csv.field_size_limit(2**31 - 1)
_MISSING = frozenset({"", "na", "n/a", "nan", "#n/a", "<na>"})


def read_rows(path: str | Path) -> tuple[list[str], dict[int, list[str]]]:
    """The names of the columns, and the cells of each row that is not empty, by its line in the file.

    Raises:
        CorpusError: absent, without rows, a column twice or without a name, lines of other lengths, or a quotation
            mark that is not closed.
        StoreError: the file is not UTF-8.
    """
    if not Path(path).is_file():
        raise CorpusError(f"{printable(path)}: expected a table, found no file; correct the path in the config")
    text = read_text(path)
    try:
        rows = _split(text, _delimiter(text.partition("\n")[0]))
    except _Quotes as error:
        raise CorpusError(
            f"{printable(path)}, line {error}: expected quotation marks around whole cells, found one that is not "
            "closed, or is followed by text; write a mark that belongs to the text twice, and such a cell in marks"
        ) from None
    if not rows:
        raise CorpusError(f"{printable(path)}: expected a first line of column names, found nothing; write the table")
    names = [composed(name.strip()) for name in rows[0]]
    if wrong := sorted({name or "one without a name" for name in names if not name or names.count(name) > 1}):
        raise CorpusError(
            f"{printable(path)}: expected each column name once, found {printable(', '.join(wrong))} in "
            f"{printable(', '.join(rows[0]))!r}; rename the columns"
        )
    filled = {line: row for line, row in enumerate(rows[1:], start=2) if any(cell.strip() for cell in row)}
    if uneven := [str(line) for line, row in filled.items() if len(row) != len(names)]:
        raise CorpusError(
            f"{printable(path)}: expected {len(names)} cells in each line, as in the first, found another number in "
            f"lines {some_of(uneven)}; put cells that hold the separator into quotation marks"
        )
    if not filled:
        raise CorpusError(f"{printable(path)}: expected at least one row, found column names alone; fill the table")
    return names, filled


def need_columns(path: str | Path, columns: Collection[str], needed: Mapping[str, str], key: str) -> None:
    """See that a table has the columns it is read for.

    Args:
        needed: {what it is: the column's name}.
        key: where the config names columns, for the message.

    Raises:
        CorpusError: naming those that it lacks, and those that it has.
    """
    lacking = [f"{name!r} (the {what})" for what, name in needed.items() if name not in columns]
    if lacking:
        raise CorpusError(
            f"{printable(path)}: expected the columns {', '.join(lacking)}, found "
            f"{printable(', '.join(columns))}; rename them in the table, or say which they are in {key}"
        )


def written(cell: str) -> str:
    """A cell without blanks around it, its letters composed."""
    return composed(cell.strip())


def present(cell: str) -> str:
    """The same, but "" for what stands for a missing value."""
    cell = written(cell)
    return "" if cell.lower() in _MISSING else cell


def _split(text: str, delimiter: str) -> list[list[str]]:
    """The cells of each line. A quotation mark that begins a cell and is not closed in it is a letter of the cell.

    So it is met in the sentences of Common Voice, where a reader of quoted cells would run on to the next mark, lines
    later. Lines of one length each are read so; where cells hold line ends or separators, the lines differ.
    """
    lines = [line.split(delimiter) for line in text.split("\n")]
    if delimiter == "\t" and len({len(cells) for cells in lines if any(cells)}) == 1:
        return [[_unquoted(cell) for cell in cells] for cells in lines]
    # Strict: else a mark that is never closed would take in all lines that follow.
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows, read = [], 0
    try:
        for row in reader:
            rows.append(row)
            read = reader.line_num
    except csv.Error:
        if delimiter == "\t":
            # There a mark is a letter: what is wrong is the number of cells.
            return lines
        raise _Quotes(read + 1) from None
    return rows


class _Quotes(Exception):
    """The line of a cell whose quotation marks do not fit."""


def _unquoted(cell: str) -> str:
    if len(cell) < 2 or not cell.startswith('"') or not cell.endswith('"'):
        return cell
    inside = cell[1:-1].replace('""', "")
    return cell if '"' in inside else cell[1:-1].replace('""', '"')


def _delimiter(header: str) -> str:
    if "\t" in header:
        return "\t"
    return ";" if header.count(";") > header.count(",") else ","
