"""Table 1 as a figure, for any property: whom the erasure of a group harms."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from property_neurons.editing.vocabulary import ALL
from property_neurons.erasure.table_terms import BEYOND, BY_UTTERANCE, CROSS_ENTROPY, MEAN, decimals_of
from property_neurons.figures import style
from property_neurons.figures.erased_parts import (
    measure_title,
    neurons_title,
    part_looks,
    part_title,
    random_title,
    what_changed,
)
from property_neurons.figures.published import read_table1
from property_neurons.figures.rare_cells import read_counts_note
from property_neurons.stores.files import read_table
from property_neurons.tasks.intervals import few_speakers_note, interval_label

_ROW = 0.17
_AXIS_INCHES = 1.3
_CAUSAL = {"color": style.REFERENCE, "linestyle": "", "marker": "*", "markersize": 7}
_UNLIKE = 0.1
_LESS = "<"
"""The mark of a group whose erasure harms less than that of random neurons."""
_RANDOM = {"color": style.CONTROL, "linewidth": 3.5, "alpha": 0.45, "solid_capstyle": "butt"}


def read(inputs: Any, params: Any) -> dict[str, Any]:
    """What `draw` takes."""
    cells = read_table(inputs.table)
    return {
        "cells": cells[cells["metric"] != BY_UTTERANCE],
        "model": params.model,
        "corpus": params.corpus,
        "published": read_table1(inputs.published) if params.published[params.model] else {},
        "note": read_counts_note(inputs.counts),
    }


def draw(
    cells: pd.DataFrame,
    model: str,
    corpus: str,
    published: Mapping[tuple[str, str], float] | None = None,
    note: str = "",
) -> style.Drawing:
    """Draw the change of every part's error by erased group, with its interval, beside random neurons.

    Args:
        cells: of `erasure.report.erasure_tables`.
        model: name of the model that was fine-tuned.
        corpus: the corpus on which its group neurons were found.
        published: of `read_table1`, where the model is the paper's.
        note: what has to be known of the speech it was drawn from; see `rare_cells`.
    """
    published = published or {}
    drawn = cells.assign(
        published=[
            published.get((row.erased, row.part)) if row.metric != CROSS_ENTROPY else None for row in cells.itertuples()
        ]
    ).astype({"published": "float64"})
    changed, unchanged = what_changed(drawn)
    metrics = [rows for _, rows in changed.groupby("metric", sort=False)]
    causal = int(metrics[0]["causal_excess"].notna().sum())
    height = _AXIS_INCHES + _ROW * (len(metrics[0]) + changed["erased"].nunique() + causal)
    figure = style.new_figure(style.PAGE * (0.75 if len(metrics) == 1 else 1), height)
    panels = figure.subplots(1, len(metrics), squeeze=False)[0]
    for axes, rows in zip(panels, metrics, strict=True):
        places = _plot(axes, rows)
        left, right = axes.get_xlim()
        # Room for the error before at the left, and for what stands in brackets at the right.
        axes.set_xlim(left - 0.2 * (right - left), right + 0.2 * (right - left))
        axes.set_ylim(max(places) + 0.8, -1.6)
        axes.set_xlabel(measure_title(rows))
        # The rows of all metrics are the same, so their names stand once.
        axes.tick_params("y", labelleft=axes is panels[0])
    style.legend_below(figure, _legend(drawn))
    speakers = cells.loc[cells["part"] == ALL, "speakers"].min()
    tested = style.tested_note(speakers, cells["seeds"].min())
    notes = (
        f"{tested}; n: their utterances; at the left of a panel: the error before",
        few_speakers_note(speakers),
        unchanged,
        _frequency_note(drawn),
        note,
    )
    what = f"Erasing neurons of {style.property_title(drawn['property'].iloc[0])}"
    style.heading(figure, what, model, f"found on {corpus}", *notes)
    return figure, drawn


def _frequency_note(table: pd.DataFrame) -> str:
    """A note where random neurons are active far less, or more, often than the groups' neurons."""
    ratio = table["random_frequency"].astype("float64").dropna()
    if ratio.between(1 - _UNLIKE, 1 + _UNLIKE).all():
        return ""
    least, most = f"{ratio.min():.2f}", f"{ratio.max():.2f}"
    return f"Random neurons are active {least if least == most else f'{least} to {most}'} times as often as the groups'"


def _plot(axes: Axes, table: pd.DataFrame) -> list[float]:
    looks = part_looks(table["part"])
    place, places, names, headings, unit = -1.0, [], [], [], table["unit"].iloc[0]
    for erased, rows in table.groupby("erased", sort=False):
        # Among the names of the rows, so that nothing stands on the zero line.
        title = "mean" if erased == MEAN else style.group_title(erased, rows["property"].iloc[0])
        headings.append(len(places))
        places.append(place)
        names.append(f"erased: {title} ({neurons_title(rows['neurons'].iloc[0])})")
        causal = rows[rows["causal_excess"].notna()]
        below = place + len(rows) + len(causal) + 0.5
        axes.plot([0, 0], [place + 0.5, below], color=style.REFERENCE, linewidth=0.6, zorder=0)
        for row in rows.itertuples():
            place += 1
            colour, marker = looks[row.part]
            if row.draws:
                axes.plot([row.random_least, row.random_most], [place, place], zorder=1, **_RANDOM)
                axes.plot([row.random_mean], [place], marker="|", color=style.CONTROL, markersize=7, zorder=2)
            axes.plot([row.low, row.high], [place, place], color=colour, linewidth=1.2, zorder=3)
            axes.plot(
                [row.delta],
                [place],
                linestyle="",
                marker=_LESS if row.beyond == "less" else marker,
                markersize=4.5,
                color=colour,
                markerfacecolor=colour if row.beyond in ("more", "less") else "white",
                zorder=4,
            )
            if not pd.isna(row.published):
                axes.plot([row.published], [place], linestyle="", marker="x", color=style.ORANGE, zorder=5)
            places.append(place)
            before = f"{row.before:.{decimals_of(unit)}f}{' %' if unit == 'points' else ''}"
            style.write_at_left(axes, place, before)
            names.append(f"{part_title(row.part, row.metric, row.property)} (n = {row.utterances:.0f})")
            found = row.beyond in ("more", "less") if row.draws else row.q <= BEYOND
            _write_power(axes, place, found, row.excess_detectable if row.draws else row.detectable, unit)
        for row in causal.itertuples():
            place += 1
            places.append(place)
            names.append("causal excess")
            _plot_causal_excess(axes, row, place)
        place += 2
    axes.set_yticks(places, names)
    for index in headings:
        axes.get_yticklabels()[index].set_fontweight("bold")
    axes.tick_params("y", length=0)
    return places


def _plot_causal_excess(axes: Axes, row: Any, place: float) -> None:
    """Draw what a group's neurons do to the group more than to others, less the same of random neurons."""
    found = row.causal_excess_q <= BEYOND
    axes.plot([row.causal_excess_low, row.causal_excess_high], [place, place], color=style.REFERENCE, linewidth=1.2)
    face = style.REFERENCE if found else "white"
    axes.plot([row.causal_excess], [place], markerfacecolor=face, **_CAUSAL)
    _write_power(axes, place, found, row.causal_excess_detectable, row.unit)


def _write_power(axes: Axes, place: float, found: bool, detectable: float, unit: str) -> None:
    """Write the detectable difference at the right of a null result."""
    if not found and pd.notna(detectable):
        style.write_detectable(axes, place, detectable, decimals_of(unit))


def _legend(table: pd.DataFrame) -> list[Line2D]:
    dark = {"color": style.REFERENCE, "markersize": 4.5, "linewidth": 1.2}
    if draws := int(table["draws"].max()):
        sets = random_title(draws, int(table["seeds"].max()))
        handles = [
            Line2D([], [], marker="o", label=f"more than random neurons (q ≤ {BEYOND}, and than every set)", **dark),
            Line2D([], [], marker="o", markerfacecolor="white", label="not shown (smallest detectable)", **dark),
            Line2D([], [], label=f"random neurons{sets and f': {sets} and their mean'}", **_RANDOM),
        ]
        if (table["beyond"] == "less").any():
            handles.append(
                Line2D(
                    [], [], marker=_LESS, label=f"less than random neurons (q ≤ {BEYOND}, and than every set)", **dark
                )
            )
        if table["causal_excess"].notna().any():
            handles.append(
                Line2D([], [], label=f"causal excess: own − others, less random (filled: q ≤ {BEYOND})", **_CAUSAL)
            )
    else:
        handles = [Line2D([], [], linestyle="", marker="o", markerfacecolor="white", label="change", **dark)]
    handles.append(Line2D([], [], label=interval_label(table["seeds"].min()), **dark))
    if table["published"].notna().any():
        handles.append(Line2D([], [], linestyle="", marker="x", color=style.ORANGE, label="published"))
    return handles
