"""A table as one page of HTML that sorts by a click on a column, for the report; it needs nothing else."""

from html import escape
from importlib.resources import files
from string import Template

import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype


def table_page(table: pd.DataFrame, title: str) -> str:
    """The page. Numbers are shown with four digits and sorted by all; what is missing is empty and comes last."""
    numbers = [is_numeric_dtype(table[column]) and not is_bool_dtype(table[column]) for column in table]
    head = "".join(
        f'<th scope="col" aria-sort="none"{_kind(number)}><button type="button">{escape(str(column))}</button></th>'
        for column, number in zip(table, numbers, strict=True)
    )
    body = "\n".join(
        "<tr>" + "".join(map(_cell, row, numbers)) + "</tr>" for row in table.itertuples(index=False, name=None)
    )
    shell = (files("property_neurons.figures") / "table_page.html").read_text(encoding="utf-8")
    caption = escape(f"{title}: {len(table)} rows. A click on a column sorts by it.")
    return Template(shell).substitute(title=escape(title), caption=caption, head=head, body=body)


def _kind(number: bool) -> str:
    return ' class="number"' if number else ""


def _cell(value: object, number: bool) -> str:
    if pd.isna(value):
        return f"<td{_kind(number)}></td>"
    if isinstance(value, float):
        return f'<td{_kind(number)} data-value="{value!r}">{value:.4g}</td>'
    return f"<td{_kind(number)}>{escape(str(value))}</td>"
