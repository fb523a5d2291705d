"""The cells of an erasure study as Markdown tables."""

from typing import Any

import pandas as pd

from property_neurons.counting.group_titles import group_title
from property_neurons.editing.vocabulary import ALL
from property_neurons.erasure.report import column_of
from property_neurons.erasure.table_terms import (
    BEYOND,
    BY_UTTERANCE,
    CROSS_ENTROPY,
    MEAN,
    OTHERS,
    OWN,
    decimals_of,
    mean_count,
)
from property_neurons.tasks.intervals import few_speakers_note, interval_label


def markdown_table(cells: pd.DataFrame) -> str:
    """The cells as Markdown tables, one for each metric.

    An erased group is a row, a part a column; delta (interval), random neurons in brackets.
    """
    return "\n".join(_markdown_lines(rows) for _, rows in cells.groupby("metric", sort=False))


def _markdown_lines(cells: pd.DataFrame) -> str:
    unit = cells["unit"].iloc[0]
    digits = decimals_of(unit)
    what = {CROSS_ENTROPY: "Cross-entropy", BY_UTTERANCE: "Error by utterance, all its clips together,"}
    what = what.get(cells["metric"].iloc[0], "Error")
    property_ = cells["property"].iloc[0]
    parts = list(dict.fromkeys(cells["part"]))
    lines = [
        f"{what} after minus before erasing, in {unit}: delta "
        f"({interval_label(cells['seeds'].min())}) [mean of random neurons, least to most].",
        f"`*`: more than random neurons, `*less`: less (q <= {BEYOND}, one correction for the table, and no random set "
        "did as much, or as little; without draws `*`: other than zero). "
        "Elsewhere the excess (without draws: the change) that could have been detected.",
        "",
        "| erased (neurons) | " + " | ".join(_cell_text(part, property_) for part in parts) + " |",
        "| --- |" + " --- |" * len(parts),
    ]
    for group, rows in cells.groupby("erased", sort=False):
        by_part = rows.set_index("part")
        written = [_written(by_part.loc[part], digits) if part in by_part.index else "" for part in parts]
        erased = f"{_cell_text(group, property_)} ({mean_count(rows['neurons'].iloc[0])})"
        lines.append(f"| {erased} | " + " | ".join(written) + " |")
    lines.append("")
    before = cells.drop_duplicates(["part", "before"]).head(len(parts))
    if set(parts) != {OWN, OTHERS, ALL}:
        said = ", ".join(f"{group_title(row.part, property_)} {row.before:.{digits}f}" for row in before.itertuples())
        lines += [f"Before: {said}.", ""]
    lines += _causal_lines(cells, unit, digits)
    if note := few_speakers_note(cells.loc[cells["part"] == ALL, "speakers"].min()):
        lines += [f"{note}.", ""]
    return "\n".join(lines)


def _causal_lines(cells: pd.DataFrame, unit: str, digits: int) -> list[str]:
    rows = cells[cells["causal_excess"].notna()]
    if MEAN in set(rows["erased"]):
        rows = rows[rows["erased"] == MEAN]
    if rows.empty:
        return []
    said = [
        f"{group_title(row.erased, row.property)} {row.causal_excess:+.{digits}f}"
        + ("" if pd.isna(row.causal_excess_q) else _interval(row, digits))
        + _power(row.causal_excess_detectable, row.causal_excess_q, digits)
        for row in rows.itertuples()
    ]
    return [f"Causal excess (own minus others, minus the same of random neurons, in {unit}): {'; '.join(said)}.", ""]


def _interval(row: Any, digits: int) -> str:
    low, high = row.causal_excess_low, row.causal_excess_high
    return f" ({low:.{digits}f} to {high:.{digits}f}), q {row.causal_excess_q:.2g}"


def _power(detectable: float, q: float, digits: int) -> str:
    """The difference that a null result could have detected, as text."""
    if q <= BEYOND:
        return ""
    if pd.isna(q):
        return ", no interval: one seed and one random set"
    return ", nothing varies" if pd.isna(detectable) else f", detectable {detectable:.{digits}f}"


def _cell_text(name: str, property_: str) -> str:
    """A name in a Markdown table, with its bars escaped."""
    return group_title(name, property_).replace("|", r"\|")


def _written(row: pd.Series, digits: int) -> str:
    beyond = row["beyond"] if row["draws"] else ("more" if row["q"] <= BEYOND else "")
    mark = {"more": "*", "less": "*less"}.get(beyond, "")
    text = f"{row['delta']:+.{digits}f}{mark} ({row['low']:.{digits}f} to {row['high']:.{digits}f})"
    if row["draws"]:
        text += (
            f" [{row['random_mean']:+.{digits}f}, {row['random_least']:.{digits}f} to {row['random_most']:.{digits}f}]"
        )
    of = "excess" if row["draws"] else "delta"
    return text + _power(row[column_of(of, "detectable")], row[column_of(of, "q")], digits)
