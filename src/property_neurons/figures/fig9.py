"""Figure 9: models of one task that are pruned and fine-tuned in turn."""

import math
from types import MappingProxyType
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullFormatter

from property_neurons.figures import pruning_panels, style
from property_neurons.figures.pruning_panels import COLOURS, arm_title
from property_neurons.figures.pruning_tables import (
    BEYOND,
    MEASURES,
    Study,
    change_rows,
    cut_to,
    final_rows,
    read_study,
    task_titles,
)
from property_neurons.pruning.vocabulary import ARMS, CRITERIA, UNCUT, score_of, shield_of

_CURVE_INCHES = 1.5
# Ratio of the places of two arms that stand beside each other on the logarithmic axis of sizes.
_BESIDE = 0.985
# Inches that a number of neurons takes below the axis, and the numbers and name of the axis at the left.
_TICK_INCHES = 0.32
_LABEL_INCHES = 0.65
_OF_SCORES = MappingProxyType(
    {
        "norm": "s",
        "l2": "D",
        "frequency": "^",
        "magnitude": "<",
        "wanda": "P",
        "taylor": "*",
        "fisher": ">",
        "l0": "H",
        "random": "x",
    }
)
# Of scores behind protected neurons, whose lines may lie on those of the scores alone.
_BEHIND = MappingProxyType({"l2": "d", "frequency": "8", "magnitude": "h", "wanda": "X", "taylor": "p", "fisher": "H"})
_SIZES = MappingProxyType({"*": 6.0, "P": 4.5, "X": 4.5, "p": 4.5})
_DASHES = MappingProxyType({None: "-", "protect": (0, (6, 1)), "random_protect": (0, (4, 1.5))})
_MARKERS = MappingProxyType(
    {
        arm: ((_BEHIND if shield_of(arm) else _OF_SCORES).get(score_of(arm), "v"), _DASHES[shield_of(arm)])
        for arm in CRITERIA
    }
    | {"protect": ("o", "-"), "random_protect": ("v", _DASHES["random_protect"]), "random": ("x", (0, (1.5, 1.2)))}
)
_UNPRUNED = MappingProxyType({"color": COLOURS["unpruned"], "linewidth": 0.9, "linestyle": ":", "zorder": 1})


def read(inputs: Any, params: Any) -> dict[str, Any]:
    """What `draw` takes."""
    return {"study": read_study(inputs, params, "fig9")}


def draw(
    study: Study,
    heading: str = "Pruned and fine-tuned in turn, to {sizes}",
    below: str = "after the last pruning step",
) -> style.Drawing:
    """Draw for each task each arm minus the unpruned model, by step; below, protect minus others and the errors.

    Args:
        heading, below: over the figure, and over the panels of the last step; with the smallest sizes to be put in.

    Raises:
        ConfigError: nothing was pruned in this study.
    """
    table = _rows(study)
    tasks = table["task"].nunique()
    heights = [_CURVE_INCHES, *pruning_panels.heights(table)]
    handles = [*_legend(table), *pruning_panels.legend(table)]
    figure = pruning_panels.new_figure(tasks, heights, handles)
    figure.get_layout_engine().set(h_pad=0.06)
    curves, *others = figure.subplots(len(heights), tasks, height_ratios=heights, squeeze=False)
    for axes, (task, title) in zip(curves, task_titles(table).items(), strict=True):
        _plot(axes, table[table["task"] == task], pruning_panels.panel_width(tasks) - _LABEL_INCHES)
        axes.set_title(title)
    pruning_panels.draw_panels(others, table)
    for axes in others[0]:
        axes.set_title(below.format(sizes=cut_to(table)), fontsize=7.5, pad=pruning_panels.TITLE_PAD)
    style.legend_below(figure, handles)
    what = heading.format(sizes=cut_to(table))
    style.heading(figure, what, study.model, f"properties on {study.corpus}", *study.notes)
    return figure, table


def _rows(study: Study) -> pd.DataFrame:
    """The drawn table: part "curve" has the change of each arm at each step, the other parts come from `final_rows`."""
    last = final_rows(study)
    # The curves end in the changes after the last pruning step.
    last = last[last["part"] != "change"]
    cut = study.runs[study.runs["arm"] != "fine_tuned"]
    curves = pd.concat([pd.DataFrame(columns=last.columns), *change_rows(cut, study.comparisons, "curve")])
    before = study.runs[study.runs["step"] == 0].groupby("task", as_index=False)[["rows", "share"]].mean()
    table = pd.concat([_start(before, last), curves.reindex(columns=last.columns), last], ignore_index=True)
    return table.astype(last.dtypes.to_dict())


def _start(before: pd.DataFrame, last: pd.DataFrame) -> pd.DataFrame:
    """The unpruned model of each task, from which every curve starts."""
    metrics = last.drop_duplicates("task")[["task", "metric"]]
    start = metrics.merge(before, on="task").assign(part="curve", arm="unpruned", other="unpruned", step=0, spread="")
    return start.assign(value=0.0, low=0.0, high=0.0).reindex(columns=last.columns)


def _plot(axes: Axes, rows: pd.DataFrame, inches: float) -> None:
    curves = rows[rows["part"] == "curve"]
    start = curves[curves["step"] == 0]
    axes.axhline(0, **_UNPRUNED)
    arms = [arm for arm in ARMS if arm in set(curves["arm"]) - set(UNCUT)]
    for place, arm in enumerate(arms):
        steps = pd.concat([start, curves[curves["arm"] == arm]]).sort_values("step")
        # Beside each other, so that intervals at one size stay apart; the unpruned model is where all begin.
        beside = _BESIDE ** (place - (len(arms) - 1) / 2)
        steps["rows"] *= [1.0, *[beside] * (len(steps) - 1)]
        marker, dashes = _MARKERS[arm]
        line = {"color": COLOURS[arm], "zorder": 2 + len(ARMS) - ARMS.index(arm)}
        axes.plot(steps["rows"], steps["value"], linewidth=0.9, linestyle=dashes, **line)
        axes.vlines(steps["rows"], steps["low"], steps["high"], linewidth=0.9, **line)
        for beyond, points in steps.groupby(steps["q"] <= BEYOND):
            face = COLOURS[arm] if beyond else "white"
            axes.plot(
                points["rows"],
                points["value"],
                marker=marker,
                markersize=_SIZES.get(marker, 3.5),
                markerfacecolor=face,
                linestyle="",
                **line,
            )
    axes.plot(
        start["rows"],
        start["value"],
        marker="D",
        markersize=4,
        color=COLOURS["unpruned"],
        linestyle="",
        zorder=20,
    )
    measure = MEASURES[rows["metric"].iloc[0]]
    axes.set_ylabel(f"change from unpruned\n({measure.difference})")
    _sizes_axis(axes, curves, inches)


def _sizes_axis(axes: Axes, curves: pd.DataFrame, inches: float) -> None:
    """Mark the sizes of the steps along a logarithmic axis that falls to the right, as many as have room."""
    sizes = curves.groupby("step")[["rows", "share"]].mean().sort_values("rows", ascending=False)
    most, fewest = sizes["rows"].max(), sizes["rows"].min()
    margin = max((most / fewest) ** 0.08, 1.02)
    left, right = most * margin, fewest / margin
    axes.set_xscale("log")
    axes.set_xlim(left, right)
    places = [inches * math.log(left / rows) / math.log(left / right) for rows in sizes["rows"]]
    shown = [0]
    for index, place in enumerate(places[1:-1], start=1):
        if min(place - places[shown[-1]], places[-1] - place) >= _TICK_INCHES:
            shown.append(index)
    shown = sizes.iloc[[*shown, len(sizes) - 1] if len(sizes) > 1 else shown]
    labels = [f"{row.rows:.0f}\n{row.share * 100:.0f} %" for row in shown.itertuples()]
    axes.set_xticks(shown["rows"].tolist(), labels)
    axes.xaxis.set_minor_locator(FixedLocator(sizes["rows"].tolist()))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("neurons per layer (log scale)")


def _legend(table: pd.DataFrame) -> list[Line2D]:
    present = set(table.loc[table["part"] == "curve", "arm"])
    handles = [
        Line2D(
            [],
            [],
            label=arm_title(arm),
            color=COLOURS[arm],
            marker=marker,
            markersize=_SIZES.get(marker, 3.5),
            linestyle=dashes,
        )
        for arm, (marker, dashes) in _MARKERS.items()
        if arm in present
    ]
    return [Line2D([], [], label=arm_title("unpruned"), marker="D", markersize=4, **_UNPRUNED), *handles]
