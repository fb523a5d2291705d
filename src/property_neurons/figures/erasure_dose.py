"""How the harm of an erasure grows with the share of the group's neurons, and how it depends on sigma."""

from types import MappingProxyType
from typing import Any

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from property_neurons.erasure.conditions import GROUP, RANDOM
from property_neurons.erasure.table_terms import MOST_SPELLED_OUT, OWN
from property_neurons.figures import style
from property_neurons.figures.erased_parts import (
    mean_title,
    measure_title,
    part_looks,
    part_title,
    random_title,
    what_changed,
)
from property_neurons.figures.rare_cells import read_counts_note
from property_neurons.stores.files import read_table
from property_neurons.tasks.intervals import interval_label

_PANEL = 2.1
_BAND = MappingProxyType({"color": style.CONTROL, "alpha": 0.25, "linewidth": 0})


def read(inputs: Any, params: Any) -> dict[str, Any]:
    """What `draw` takes."""
    return {
        "curves": read_table(inputs.curves),
        "model": params.model,
        "corpus": params.corpus,
        "note": read_counts_note(inputs.counts),
    }


def draw(curves: pd.DataFrame, model: str, corpus: str, note: str = "") -> style.Drawing:
    """Draw the change of error over the share of the group's neurons that is erased, and over sigma.

    With many groups, their mean is drawn, and each as a thin line.

    Args:
        curves: of `erasure.report.erasure_tables`.
        model: name of the model that was fine-tuned.
        corpus: the corpus on which its group neurons were found.
        note: what has to be known of the speech it was drawn from; see `rare_cells`.
    """
    together = curves["erased"].nunique() > MOST_SPELLED_OUT
    changed, unchanged = what_changed(curves[curves["kind"] == GROUP])
    shown = curves[curves["metric"].isin(changed["metric"])]
    groups = list(dict.fromkeys((curves if together else changed)["erased"]))
    first, property_ = shown["sigma"].iloc[0], curves["property"].iloc[0]
    doses, sigmas = shown[shown["sigma"] == first], shown[shown["dose"] == 1]
    several = len(set(sigmas["sigma"])) > 1
    rows = [
        (x, table[table["metric"] == metric])
        for metric in dict.fromkeys(shown["metric"])
        for x, table in ([("dose", doses), ("sigma", sigmas)] if several else [("dose", doses)])
    ]
    columns = 1 if together else len(groups)
    figure = style.new_figure(max(style.COLUMN, _PANEL * columns), 1.3 + 1.7 * len(rows))
    grid = figure.subplots(len(rows), columns, squeeze=False, sharey="row")
    for number, ((x, table), line) in enumerate(zip(rows, grid, strict=True)):
        for axes, group in zip(line, [None] if together else groups, strict=True):
            _plot(axes, table if together else table[table["erased"] == group], x, together=together)
            if number == 0:
                whole = mean_title(len(groups), property_)
                axes.set_title(whole if group is None else f"erased: {style.group_title(group, property_)}")
        line[0].set_ylabel(measure_title(table).replace("change of ", "change of\n"))
    style.legend_below(figure, _legend(curves, together=together))
    title = f"Erasing neurons of {style.property_title(property_)} by degrees"
    style.heading(figure, title, model, f"found on {corpus}", note, "" if together else unchanged)
    return figure, curves


def _plot(axes: Axes, table: pd.DataFrame, x: str, *, together: bool) -> None:
    looks = part_looks(table["part"])
    axes.axhline(0, color=style.REFERENCE, linewidth=0.6, zorder=0)
    scale = 100 if x == "dose" else 1
    own = OWN if OWN in set(table["part"]) else table["erased"].iloc[0]
    control = table[(table["kind"] == RANDOM) & (table["part"] == own)]
    band = _from_none(control.groupby(x, as_index=False)[["delta", "least", "most"]].mean(), x)
    axes.fill_between(scale * band[x], band["least"], band["most"], **_BAND)
    axes.plot(scale * band[x], band["delta"], color=style.CONTROL, linestyle=(0, (4, 1.5)), linewidth=1.2)
    edited = table[table["kind"] == GROUP]
    for part in dict.fromkeys(edited["part"]):
        colour, marker = looks[part]
        lines = edited[edited["part"] == part].sort_values(x)
        if together and part == OWN:
            for _, line in lines.groupby("erased"):
                line = _from_none(line, x)
                axes.plot(scale * line[x], line["delta"], color=colour, linewidth=0.5, alpha=0.35)
        mean = _from_none(lines.groupby(x, as_index=False)["delta"].mean(), x)
        width = 2.0 if part == own else 1.0
        axes.plot(scale * mean[x], mean["delta"], color=colour, marker=marker, linewidth=width)
        if part == own and not together:
            axes.vlines(scale * lines[x], lines["low"], lines["high"], color=colour, linewidth=0.9)
    neurons = edited.groupby(x)["neurons"].mean()
    if x == "dose":
        neurons = pd.concat([pd.Series({0.0: 0.0}), neurons])
    axes.set_xticks(
        [scale * one for one in neurons.index],
        [f"{scale * one:g}\n({count:.0f})" for one, count in neurons.items()],
        fontsize=6,
    )
    axes.set_xlabel("erased, % (neurons)" if x == "dose" else "sigma (neurons)")


def _from_none(line: pd.DataFrame, x: str) -> pd.DataFrame:
    """A line over doses that begins at no dose and no change."""
    none = pd.DataFrame([dict.fromkeys(line.columns, 0.0)])
    return pd.concat([none, line], ignore_index=True) if x == "dose" and len(line) else line


def _legend(curves: pd.DataFrame, *, together: bool) -> list[Artist]:
    looks = part_looks(curves["part"])
    metric, property_ = curves["metric"].iloc[0], curves["property"].iloc[0]
    draws, seeds = curves["draws"].max(), curves["seeds"].min()
    handles = [
        Line2D([], [], color=looks[part][0], marker=looks[part][1], label=part_title(part, metric, property_))
        for part in dict.fromkeys(curves["part"])
    ]
    if (curves["kind"] == RANDOM).any():
        line, sets = {"color": style.CONTROL, "linestyle": (0, (4, 1.5))}, random_title(*map(int, (draws, seeds)))
        handles.append(Line2D([], [], label="the erased group, random neurons", **line))
        over = f" over {sets}" if sets else ""
        handles.append(Patch(label=f"their range{over}{', mean of groups' if together else ''}", **_BAND))
    if together:
        handles.append(Line2D([], [], color=looks[OWN][0], linewidth=0.5, alpha=0.35, label="one group"))
    else:
        handles.append(Line2D([], [], color=style.REFERENCE, linewidth=0.9, label=interval_label(seeds)))
    return handles
