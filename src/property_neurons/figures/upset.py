"""Any number of sets as an UpSet plot (Lex et al., 2014): a bar for each region, and below it the sets that share it.

Not by upsetplot: its last release, 0.9.0, fails with pandas 3.
"""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from property_neurons.figures import style

# Inches: a region, a set, the names and the bars of sets at the left, a panel's height.
_REGION = 0.36
_SET = 0.22
_LEFT = 2.3
_BARS = 1.5
# Of the axis: what a number over a bar takes.
_NUMBER = 0.11
_ABSENT = "#DDDDDD"
_SHARED = "#A9B4C2"
_EXPECTED = {"marker": "_", "color": style.REFERENCE, "markersize": 11, "markeredgewidth": 1.8, "linestyle": ""}
_PUBLISHED = {"marker": "D", "color": "white", "markeredgecolor": style.REFERENCE, "markersize": 4, "linestyle": ""}


def draw_upset(table: pd.DataFrame, names: list[str]) -> Figure:
    """Draw the regions of `overlap_table`, the largest first.

    With more than three sets, regions are left out that have no neuron and expect none.
    """
    only = table[table["part"] == "only"].sort_values("neurons", ascending=False, kind="stable")
    if len(names) > 3:
        only = only[only[["neurons", "independent", "published"]].max(axis=1) >= 1]
    width = max(4.6, _LEFT + _REGION * len(only) + 0.3)
    figure = style.new_figure(width, _BARS + _SET * len(names) + 1.0)
    ratios = {"width_ratios": (_LEFT, width - _LEFT), "height_ratios": (_BARS, _SET * len(names))}
    (corner, bars), (sizes, matrix) = figure.subplots(2, 2, **ratios)
    corner.set_axis_off()
    union = table[table["part"] == "union"].iloc[0]
    corner.text(0, 0.6, f"union: {union.neurons}\nof {union.width} neurons", fontsize=7, transform=corner.transAxes)
    colours = style.property_colours(names)
    members = [row.split("&") for row in only["properties"]]
    shown = [colours[one[0]] if len(one) == 1 else _SHARED for one in members]
    _plot_bars(bars, only, shown)
    _plot_members(matrix, members, names, colours)
    bars.sharex(matrix)
    bars.tick_params("x", labelbottom=False, length=0)
    _plot_sizes(sizes, table[table["part"] == "whole"], colours)
    style.legend_below(figure, _legend(only))
    return figure


def _plot_bars(axes: Axes, only: pd.DataFrame, colours: list[str]) -> None:
    places = range(len(only))
    axes.bar(places, only["neurons"], width=0.62, color=colours, zorder=2)
    axes.plot(places, only["independent"], zorder=4, **_EXPECTED)
    if only["published"].notna().any():
        axes.plot(places, only["published"], zorder=5, **_PUBLISHED)
    tops = only[["neurons", "independent", "published"]].max(axis=1)
    highest = 1.18 * max(tops.max(), 1)
    for place, row in enumerate(only[["neurons", "independent", "published"]].itertuples(index=False)):
        # On the bar that it counts; above a mark that would cross it.
        over = max([row.neurons, *(mark for mark in row[1:] if 0 <= mark - row.neurons < _NUMBER * highest)])
        axes.annotate(f"{row.neurons}", (place, over), (0, 3), textcoords="offset points", ha="center", fontsize=7)
    axes.set_ylim(0, highest)
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.set_ylabel("neurons in these\nsets and no other")


def _plot_members(axes: Axes, members: list[list[str]], names: list[str], colours: dict[str, str]) -> None:
    for place, inside in enumerate(members):
        rows = [names.index(name) for name in inside]
        axes.plot([place] * 2, [min(rows), max(rows)], color=style.REFERENCE, linewidth=1.2, zorder=1)
        faces = [colours[name] if name in inside else _ABSENT for name in names]
        axes.scatter([place] * len(names), range(len(names)), s=26, c=faces, zorder=2)
    axes.set_xlim(-0.6, max(len(members), 1) - 0.4)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


def _plot_sizes(axes: Axes, whole: pd.DataFrame, colours: dict[str, str]) -> None:
    """The whole sets, as bars that grow to the left, their names at the matrix."""
    places, names = range(len(whole)), whole["properties"].tolist()
    axes.barh(places, whole["neurons"], height=0.6, color=[colours[name] for name in names])
    for place, count in zip(places, whole["neurons"], strict=True):
        axes.annotate(
            f"{count}", (count, place), (-3, 0), textcoords="offset points", ha="right", va="center", fontsize=7
        )
    axes.set_xlim(1.5 * max(whole["neurons"].max(), 1), 0)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.yaxis.tick_right()
    axes.set_yticks(places, [style.property_title(name) for name in names])
    axes.tick_params("y", length=0)
    axes.set_xticks([])
    axes.spines[:].set_visible(False)
    axes.set_xlabel("whole sets")


def _legend(only: pd.DataFrame) -> list[Line2D]:
    handles = [Line2D([], [], label="expected of independent sets of these sizes", **_EXPECTED)]
    if only["published"].notna().any():
        handles.append(Line2D([], [], label="published", **_PUBLISHED))
    return handles
