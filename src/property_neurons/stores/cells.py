"""Cells of .tsv tables that a spreadsheet would run as a formula.

Names of speakers, groups and utterances come from outside, and people open tables in a spreadsheet: a speaker named
`=HYPERLINK(...)` would be run there. Such a cell is written with an apostrophe before it, which spreadsheets take for
"text follows", and read back without: what is read is what was written. Numbers, "-" and "-voiced" stay as they are.
"""

import re
from collections.abc import Callable, Hashable

import pandas as pd
from pandas.api.types import is_numeric_dtype

# "=" and "@" always begin a formula; after a sign, text is one where it calls a function, a sheet or a program.
_FORMULA = re.compile(r"'*\s*(?:[=@].|[+-][^(|!A-Za-z_]*[A-Za-z_][^(|!]*[(|!])", re.DOTALL)


def quoted(table: pd.DataFrame) -> pd.DataFrame:
    """The table with an apostrophe before each cell and column name that a spreadsheet would run as a formula."""
    return _changed(table, lambda text: f"'{text}")


def unquoted(table: pd.DataFrame) -> pd.DataFrame:
    """The inverse of `quoted`."""
    return _changed(table, lambda text: text.removeprefix("'"))


def _changed(table: pd.DataFrame, change: Callable[[str], str]) -> pd.DataFrame:
    def cell(value: Hashable) -> Hashable:
        return change(value) if _is_formula(value) else value

    columns = {name: table[name].map(cell) for name in table.columns if _holds_formula(table[name])}
    return table.assign(**columns).rename(columns=cell)


def _holds_formula(values: pd.Series) -> bool:
    return not is_numeric_dtype(values) and any(map(_is_formula, values.unique()))


def _is_formula(value: Hashable) -> bool:
    return isinstance(value, str) and _FORMULA.match(value) is not None
