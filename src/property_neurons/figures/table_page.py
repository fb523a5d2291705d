"""A table as one self-contained HTML page for the report; a click on a column sorts it."""

from html import escape
from string import Template

import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

_PAGE = Template(r"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>$title</title>
<style>
body { font: 15px/1.4 system-ui, sans-serif; margin: 1rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .6rem; border-bottom: 1px solid #8886; text-align: left; }
th { vertical-align: bottom; position: sticky; top: 0; background: Canvas; }
.number { text-align: right; }
button { all: unset; cursor: pointer; font-weight: 600; }
button:focus-visible { outline: 3px solid #0072b2; outline-offset: 2px; }
[aria-sort=ascending] button::after { content: " \25b2"; } [aria-sort=descending] button::after { content: " \25bc"; }
</style>
</head>
<body>
<table>
<caption>$caption</caption>
<thead><tr>$head</tr></thead>
<tbody>
$body
</tbody>
</table>
<script>
"use strict";
document.querySelector("thead").addEventListener("click", event => {
  const head = event.target.closest("th");
  if (!head) return;
  const down = head.getAttribute("aria-sort") === "ascending", at = head.cellIndex;
  const body = document.querySelector("tbody"), number = head.classList.contains("number");
  for (const other of head.parentNode.cells) other.setAttribute("aria-sort", "none");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const value = row => row.cells[at].dataset.value ?? row.cells[at].textContent;
  const compare = (a, b) => number ? a - b : a.localeCompare(b, undefined, { numeric: true });
  const rows = [...body.rows].sort((x, y) => {
    const a = value(x), b = value(y);
    if (a === "" || b === "") return (a === "") - (b === "");
    return compare(a, b) * (down ? -1 : 1);
  });
  body.append(...rows);
});
</script>
</body>
</html>
""")


def table_page(table: pd.DataFrame, title: str) -> str:
    """The page: numbers have four digits and are sorted by all; missing cells are empty and come last."""
    numbers = [is_numeric_dtype(table[column]) and not is_bool_dtype(table[column]) for column in table]
    head = "".join(
        f'<th scope="col" aria-sort="none"{_kind(number)}><button type="button">{escape(str(column))}</button></th>'
        for column, number in zip(table, numbers, strict=True)
    )
    body = "\n".join(
        "<tr>" + "".join(map(_cell, row, numbers)) + "</tr>" for row in table.itertuples(index=False, name=None)
    )
    caption = escape(f"{title}: {len(table)} rows. A click on a column sorts by it.")
    return _PAGE.substitute(title=escape(title), caption=caption, head=head, body=body)


def _kind(number: bool) -> str:
    return ' class="number"' if number else ""


def _cell(value: object, number: bool) -> str:
    if pd.isna(value):
        return f"<td{_kind(number)}></td>"
    if isinstance(value, float):
        return f'<td{_kind(number)} data-value="{value!r}">{value:.4g}</td>'
    return f"<td{_kind(number)}>{escape(str(value))}</td>"
