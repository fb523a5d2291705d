"""Tables that users make (CSV, TSV or parquet), read as text, and the types of their columns.

A cell that is empty, NA, N/A, nan, #N/A or <NA> is a missing value. A column whose other cells are all numbers is
numeric; 007 is a name, and so is a whole number with more digits than a float64 holds. Everything else is text.
"""

import math
import re
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

import pandas as pd

from property_neurons.corpus.table_text import present, read_rows, written
from property_neurons.errors import CorpusError, printable, some_of
from property_neurons.stores.outside import check_parquet, composed

# No number begins with a zero before another digit: 007 is a name.
_NUMBER = re.compile(r"[+-]?(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d{16,300}", re.ASCII)
_NOT_FINITE = re.compile(r"[+-]?inf(?:inity)?", re.ASCII | re.IGNORECASE)


def read_own_table(path: str | Path, *, as_written: Collection[str] = ()) -> pd.DataFrame:
    """A table with one row of column names, as text: "" where a value is missing. The index is the line in
    the file, or the row of a parquet.

    Args:
        as_written: columns in which NA, N/A and nan are text as any other.

    Raises:
        CorpusError: absent, no table, without rows, a column twice or without a name, or lines of other lengths.
        StoreError: the file is not UTF-8.
    """
    if Path(path).suffix.lower() == ".parquet" and Path(path).is_file():
        return _of_parquet(Path(path), as_written)
    names, rows = read_rows(path)
    read = [_reader(name, as_written) for name in names]
    cells = [[own(cell) for own, cell in zip(read, row, strict=True)] for row in rows.values()]
    return pd.DataFrame(cells, columns=names, index=list(rows), dtype="str")


def _reader(column: str, as_written: Collection[str]) -> Callable[[str], str]:
    return written if column in as_written else present


def typed_columns(path: str | Path, table: pd.DataFrame, names: Collection[str]) -> dict[str, str]:
    """The type of each of the columns: "float64" where all cells that are not missing are numbers, else "str".

    Raises:
        CorpusError: a column of numbers holds an infinite one.
    """
    types, endless = {}, []
    for name in names:
        present = {cell for cell in table[name] if cell}
        numbers = {cell for cell in present if _NUMBER.fullmatch(cell) and _is_held(cell)}
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


def _is_held(cell: str) -> bool:
    """Whether a float64 is the same number; long ids would else be rounded to one."""
    return not _WHOLE.fullmatch(cell) or float(cell) == int(cell)


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


def _of_parquet(path: Path, as_written: Collection[str]) -> pd.DataFrame:
    try:
        check_parquet(path)
        table = pd.read_parquet(path)
        # An index with a name is a column that somebody made the index.
        table = table.reset_index([name for name in table.index.names if name is not None])
        text = {}
        for name in table.columns:
            own = composed(str(name))
            text[own] = [_cell(value, _reader(own, as_written)) for value in table[name]]
    except (ValueError, OSError) as error:
        raise CorpusError(
            f"{printable(path)}: expected a .parquet table of text and numbers, found {printable(error)}; make it again"
        ) from None
    return pd.DataFrame(text, index=range(1, len(table) + 1), dtype="str")


def _cell(value: object, read: Callable[[str], str]) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.17g}"
    if isinstance(value, bytes):
        value = value.decode("utf-8")
    # A date that is missing is NaT.
    return "" if pd.api.types.is_scalar(value) and pd.isna(value) else read(str(value))
