"""Tables as tab-separated text that keeps the types of columns.

One row of column names; one line a row; text in UTF-8. The types stand in the cells:

- a number is bare, with at most ten significant digits; a truth value is True or False; a missing value is nan
- a column of text whose cells could all be numbers, or truth values, is in quotation marks ("1", "2"); so is any text
  that could be a missing value ("nan"), has blanks around it, or holds a tab, a line end or a quotation mark (which is
  then written twice); other text is bare
- a column of text and missing values is a column of text; a column of whole numbers is of integers

So pandas (`sep="\\t"`), R (`read.delim`) and spreadsheets read such a file as it is. They guess types by the look of a
cell, within quotation marks too: tell them which columns are text, or use `files.read_table`.
"""

import re
from collections.abc import Sequence, Set
from typing import Any

import numpy as np
import pandas as pd

from property_neurons.stores.cells import quoted, unquoted

_MISSING = frozenset({"nan", "NaN"})
# R and spreadsheets write TRUE.
_TRUTH = {"True": True, "False": False, "TRUE": True, "FALSE": False}
_WHOLE = re.compile(r"0|[+-]?[1-9]\d*", re.ASCII)
# No number begins with a zero before another digit: 007 is a name.
_NUMBER = re.compile(r"[+-]?(?:(?:0|[1-9]\d*)\.?\d*|\.\d+)(?:e[+-]?\d+)?|[+-]?inf(?:inity)?", re.ASCII | re.IGNORECASE)
_IN_QUOTES = re.compile(r'[\t\n\r"]|^\s|\s$')
_CELL = re.compile(r'("[^"]*(?:""[^"]*)*"|(?!")[^\t\n]*?)(\t|\r?\n|\Z)')


def to_tsv(table: pd.DataFrame) -> str:
    """A table as text: the same text for the same content."""
    table = quoted(table)
    columns = [_written(table.iloc[:, place]) for place in range(table.shape[1])]
    rows = [[_text(str(name)) for name in table.columns], *zip(*columns, strict=True)]
    # A line without anything on it would be no row.
    return "".join(("\t".join(row) or '""') + "\n" for row in rows)


def from_tsv(text: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """The table that a text holds.

    Args:
        columns: those wanted, in this order; None for all.

    Raises:
        ValueError: it is no such text, or lacks a column.
    """
    header, *rows = _split(text)
    names = [_unquoted(cell) for cell in header]
    cells = dict(zip(names, zip(*rows, strict=True) if rows else [()] * len(names), strict=True))
    wanted = names if columns is None else list(columns)
    lacking = [name for name in wanted if name not in cells]
    if lacking or len(cells) < len(names):
        raise ValueError(f"the columns {', '.join(names)}, where {', '.join(lacking) or 'each once'} is expected")
    return unquoted(pd.DataFrame({name: _read(cells[name]) for name in wanted}, columns=wanted))


def _written(values: pd.Series) -> list[str]:
    numbers = (bool, np.bool_, int, np.integer, float, np.floating)
    cells = [
        None if missing else value if isinstance(value, numbers) else str(value)
        for value, missing in zip(values, values.isna(), strict=True)
    ]
    always = not _is_text({cell for cell in cells if isinstance(cell, str)})
    return [_text(cell, always) if isinstance(cell, str) else _bare(cell) for cell in cells]


def _bare(value: Any) -> str:
    if value is None:
        return "nan"
    return f"{value:.10g}" if isinstance(value, float | np.floating) else str(value)


def _text(text: str, always: bool = False) -> str:
    return '"' + text.replace('"', '""') + '"' if always or text in _MISSING or _IN_QUOTES.search(text) else text


def _is_text(cells: Set[str]) -> bool:
    """Whether a column of these bare cells, none of them missing, must be text."""
    return not (cells <= _TRUTH.keys() or all(map(_NUMBER.fullmatch, cells)))


def _split(text: str) -> list[list[str]]:
    """The cells of each line, quotation marks and all."""
    rows: list[list[str]] = [[]]
    place = 0
    while place < len(text):
        found = _CELL.match(text, place)
        if found is None:
            line = text.count("\n", 0, place) + 1
            raise ValueError(f"line {line}: a quotation mark without its second one, or with text after that")
        rows[-1].append(found[1])
        place = found.end()
        if found[2] == "\t":
            continue
        # An empty line at the end is no row.
        if rows[-1] == [""]:
            rows.pop()
        elif len(rows[-1]) != len(rows[0]):
            line = text.count("\n", 0, found.start(2)) + 1
            raise ValueError(f"line {line}: {len(rows[-1])} cells below {len(rows[0])} column names")
        rows.append([])
    if text.endswith("\t"):
        raise ValueError("a last line that is cut off")
    if len(rows) == 1:
        raise ValueError("nothing in it")
    return rows[:-1]


def _unquoted(cell: str) -> str:
    return cell[1:-1].replace('""', '"') if cell.startswith('"') else cell


def _read(cells: Sequence[str]) -> pd.Series:
    """A column with the type of its cells; cells in quotation marks are text."""
    present = {cell for cell in cells if cell not in _MISSING}
    if not cells or _is_text(present):
        return pd.Series([np.nan if cell in _MISSING else _unquoted(cell) for cell in cells], dtype="str")
    if present and present <= _TRUTH.keys():
        return pd.Series([_TRUTH.get(cell, np.nan) for cell in cells])
    whole = len(present) == len(set(cells)) and all(map(_WHOLE.fullmatch, present))
    return pd.Series([int(cell) for cell in cells] if whole else [float(cell) for cell in cells])
