"""Tables that users make (CSV, TSV or parquet), read as text, and the types of their columns.

A cell that is empty, NA or nan is a missing value. A column whose other cells are all numbers is numeric; 007 is a
name. Everything else is text.
"""

import csv
import math
import re
from collections.abc import Collection, Iterable, Mapping
from io import StringIO
from pathlib import Path

import pandas as pd

from property_neurons.errors import CorpusError, printable, some_of
from property_neurons.stores.outside import check_parquet, composed, read_text

_MISSING = frozenset({"", "na", "n/a", "nan", "null", "none"})
# No number begins with a zero before another digit: 007 is a name.
_NUMBER = re.compile(r"[+-]?(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_NOT_FINITE = re.compile(r"[+-]?inf(?:inity)?", re.ASCII | re.IGNORECASE)


def read_own_table(path: str | Path) -> pd.DataFrame:
    """A table with one row of column names, as text: "" where a value is missing. The index is the line in the file.

    Raises:
        CorpusError: absent, no table, without rows, a column twice or without a name, or lines of other lengths.
        StoreError: the file is not UTF-8.
    """
    path = Path(path)
    if not path.is_file():
        raise CorpusError(f"{printable(path)}: expected a table, found no file; correct the path in the config")
    if path.suffix.lower() == ".parquet":
        return _of_parquet(path)
    text = read_text(path)
    rows = list(csv.reader(StringIO(text), delimiter=_delimiter(text.partition("\n")[0])))
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
    cells = [[present(cell) for cell in row] for row in filled.values()]
    return pd.DataFrame(cells, columns=names, index=list(filled), dtype="str")


def need_columns(path: str | Path, table: pd.DataFrame, needed: Mapping[str, str], key: str) -> None:
    """Check that a table has the columns that it is read for.

    Args:
        needed: {what it is: the column's name}.
        key: where the config names columns, for the message.

    Raises:
        CorpusError: naming those that it lacks, and those that it has.
    """
    lacking = [f"{name!r} (the {what})" for what, name in needed.items() if name not in table.columns]
    if lacking:
        raise CorpusError(
            f"{printable(path)}: expected the columns {', '.join(lacking)}, found "
            f"{printable(', '.join(table.columns))}; rename them in the table, or say which they are in {key}"
        )


def typed_columns(path: str | Path, table: pd.DataFrame, names: Collection[str]) -> dict[str, str]:
    """The type of each of the columns: "float64" where all cells that are not missing are numbers, else "str".

    Raises:
        CorpusError: a column of numbers holds an infinite one.
    """
    types, endless = {}, []
    for name in names:
        present = {cell for cell in table[name] if cell}
        numbers = {cell for cell in present if _NUMBER.fullmatch(cell)}
        others = present - numbers
        wrong = {cell for cell in others if _NOT_FINITE.fullmatch(cell)}
        # One too large for a number of 64 bits is infinite, too.
        wrong |= {cell for cell in numbers if not math.isfinite(float(cell))}
        if numbers and wrong and others <= wrong:
            lines = [str(line) for line, cell in table[name].items() if cell in wrong]
            endless.append(f"{', '.join(sorted(wrong))} in column {name!r}, line {some_of(lines)}")
        types[name] = "float64" if present and not others else "str"
    if endless:
        raise CorpusError(
            f"{printable(path)}: expected finite numbers, found {printable('; '.join(endless))}; correct them, or "
            "leave the cells empty where a value is missing"
        )
    return types


def typed(cell: str, kind: str) -> str | float | None:
    """A cell as a value of its column's type; None where it is missing."""
    if not cell:
        return None
    return float(cell) if kind == "float64" else cell


def differing(table: pd.DataFrame, by: str, names: Iterable[str]) -> dict[str, list[str]]:
    """Columns with several values in rows that should agree: {value of `by`: ["accent: UK (2 rows), US (1 row)"]}."""
    found: dict[str, list[str]] = {}
    for name in names:
        present = table.loc[(table[name] != "") & (table[by] != ""), [by, name]]
        counts = present.value_counts(sort=False).sort_index()
        for who, values in counts.groupby(level=0):
            if len(values) > 1:
                ways = ", ".join(f"{value!r} in {_rows(count)}" for (_, value), count in values.items())
                found.setdefault(who, []).append(f"{name}: {ways}")
    return found


def _rows(count: int) -> str:
    return f"{count} row" if count == 1 else f"{count} rows"


def present(cell: str) -> str:
    """A cell without surrounding blanks, with composed letters; "" for a missing value."""
    cell = composed(cell.strip())
    return "" if cell.lower() in _MISSING else cell


def _delimiter(header: str) -> str:
    if "\t" in header:
        return "\t"
    return ";" if header.count(";") > header.count(",") else ","


def _of_parquet(path: Path) -> pd.DataFrame:
    try:
        check_parquet(path)
        table = pd.read_parquet(path)
    except (ValueError, OSError) as error:
        raise CorpusError(
            f"{printable(path)}: expected a .parquet table, found {printable(error)}; make it again"
        ) from None
    text = {composed(str(name)): [_cell(value) for value in table[name]] for name in table.columns}
    return pd.DataFrame(text, dtype="str")


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.17g}"
    return "" if value is None or value is pd.NA else present(str(value))
