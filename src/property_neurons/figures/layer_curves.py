"""Curves over layers, one panel per property, in one row or in several (Figures 4 and 7, stability)."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from property_neurons.errors import ConfigError
from property_neurons.figures import style
from property_neurons.figures.tables import ByProperty

_MOST_IN_A_ROW = 4
# Inches: room for the legend even where there are only one or two panels.
_NARROW = 5.0

# The model's own curves take the property's colour; whatever they are held against stays grey or dark.
_LINES = MappingProxyType(
    {
        "published": {"color": style.REFERENCE, "linewidth": 0.7, "linestyle": ":", "marker": "x", "zorder": 4},
        "control_full": {"color": style.CONTROL, "linewidth": 0.9, "linestyle": (0, (4, 2)), "zorder": 1},
        # A marker of its own: the line alone vanishes in the grey of its band, and under other bands.
        "control": {"color": style.CONTROL, "linewidth": 1.0, "linestyle": "-", "zorder": 1, **style.OF_CONTROL},
        "full": {"linewidth": 0.9, "linestyle": (0, (4, 2)), "zorder": 2},
        "held_out": {"linewidth": 0.9, "linestyle": "-", "marker": "s", "markerfacecolor": "white", "zorder": 2},
        "null": {"linewidth": 0.8, "linestyle": (0, (4, 2)), "zorder": 2},
        "control_null": {"color": style.CONTROL, "linewidth": 0.8, "linestyle": (0, (4, 2)), "zorder": 1},
        "unrestricted": {"linewidth": 0.7, "linestyle": (0, (5, 1.5, 1, 1.5)), "zorder": 2},
        "model": {"linewidth": 1.4, "linestyle": "-", "marker": "o", "zorder": 3},
    }
)


def curve(layers: pd.DataFrame, value: str, *, role: str, series: str, name: str) -> pd.DataFrame:
    """One curve of the table that `draw_panels` takes.

    Args:
        layers: one row per layer: layer, site, the column `value`, and lowest and highest where it has a range.
        role: of `_LINES`, which says how it looks.
        series: what the legend calls it.
        name: the property.

    Returns:
        property, role, series, layer, site, value, lowest, highest.
    """
    return pd.DataFrame(
        {
            "property": name,
            "role": role,
            "series": series,
            "layer": layers["layer"],
            "site": layers["site"].astype(str),
            "value": layers[value],
            "lowest": layers.get("lowest", math.nan),
            "highest": layers.get("highest", math.nan),
        }
    )


def held_against(
    name: str,
    value: str,
    sites: Sequence[str],
    controls: Mapping[str, ByProperty],
    paper: str,
    published: Sequence[float] | None,
) -> Iterator[pd.DataFrame]:
    """The curves for comparison: those of the controls, and the paper's.

    Args:
        name: the property.
        value: the column drawn.
        sites: of the model's layers.
        controls: by control, then property: one row per layer, as `curve` takes them. They may lack the property.
        paper: the model's name in the paper.
        published: the paper's value for each layer, where the paper shows the model.

    Raises:
        ConfigError: the paper's model has another number of layers.
    """
    for control, layers in controls.items():
        if name in layers:
            yield curve(layers[name], value, role="control", series=f"control {control}", name=name)
    if published is None:
        return
    if len(published) != len(sites):
        raise ConfigError(
            f"published_as: the paper's model has {len(published)} layers, this one {len(sites)}; "
            "leave `published_as` out for a model that the paper does not show"
        )
    layers = pd.DataFrame({"layer": range(1, len(published) + 1), "site": list(sites), value: published})
    yield curve(layers, value, role="published", series=f"published, {paper}", name=name)


@dataclass(frozen=True)
class Row:
    """A row of panels.

    label: of its vertical axis.
    level: a thin line at this value; None for none.
    reach: each panel has an axis of its own, which holds the values so far on either side of `level` at least; None:
        the panels of the row share one.
    notes: by property, a few words over the panel.
    """

    label: str
    level: float | None = None
    reach: float | None = None
    notes: Mapping[str, str] = field(default_factory=dict)


def draw_panels(
    curves: pd.DataFrame, rows: Mapping[str, Row], *, by: str = "", one_scale: bool = True, floor: bool = False
) -> Figure:
    """Draw the curves, one panel per property in their order, with one legend.

    Args:
        curves: rows of `curve` and `held_against`.
        rows: by value of the column `by`. A single row of many properties is broken in two.
        by: the column that says in which row a curve belongs; unused where there is one row.
        one_scale: one vertical axis for all rows, or one for each row.
        floor: shade the silhouettes that say "no separation".
    """
    names = list(curves["property"].unique())
    broken = len(rows) == 1 and len(names) > _MOST_IN_A_ROW
    columns = math.ceil(len(names) / 2) if broken else len(names)
    panels = list(itertools.product(rows, names))
    n_rows = math.ceil(len(panels) / columns)
    width = style.PAGE if columns > 2 else _NARROW
    figure = style.new_figure(width, 0.7 + (1.75 if len(rows) == 1 else 1.5) * n_rows)
    grid = figure.subplots(n_rows, columns, squeeze=False)
    for lines, row in zip([grid] if one_scale else np.split(grid, n_rows), rows.values(), strict=False):
        if row.reach is None:
            style.share_vertical(lines)
    sites = curves.drop_duplicates("layer").sort_values("layer")["site"].tolist()
    colours = style.property_colours(names)
    for index, (axes, (key, name)) in enumerate(zip(grid.flat, panels, strict=False)):
        shown = curves[(curves["property"] == name) & (len(rows) == 1 or curves[by] == key)]
        row = rows[key]
        if floor:
            axes.axhspan(*style.NO_SEPARATION, **style.NOTHING)
        if row.level is not None:
            axes.axhline(row.level, color=style.REFERENCE, linewidth=0.5, zorder=0)
        for _, of_curve in shown.groupby("series", sort=False):
            plot_curve(axes, of_curve, colours[name])
        if row.reach is not None:
            reach_out(axes, row.level, row.reach)
        _head(axes, name if index < len(names) else "", row.notes.get(name, ""), colours[name])
        style.layer_axis(axes, sites, width / columns - 0.5)
        if index % columns == 0:
            axes.set_ylabel(row.label)
        if index + columns >= len(panels):
            axes.set_xlabel("layer")
    for axes in grid.flat[len(panels) :]:
        axes.remove()
    style.legend_below(figure, _legend(curves, floor))
    return figure


def reach_out(axes: Axes, level: float, reach: float) -> None:
    """Show so much on either side of a level at least, so that noise around it does not fill the panel."""
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, level - reach), max(high, level + reach))


def _head(axes: Axes, name: str, note: str, colour: str) -> None:
    """The property's name over its panel, and a note between them."""
    if note:
        axes.text(
            0.5, 1.02, note, ha="center", va="bottom", fontsize=6.5, color=style.REFERENCE, transform=axes.transAxes
        )
    if name:
        axes.set_title(style.property_title(name), color=colour, pad=13 if note else None)


def plot_curve(axes: Axes, rows: pd.DataFrame, colour: str, band: str | None = None) -> None:
    """Draw one curve, of rows that `curve` gives, with its range.

    Args:
        band: colour of the range of the model's own curves; None = a light `colour`.
    """
    look = _LINES[rows["role"].iloc[0]]
    line = {"color": colour} | look
    axes.plot(rows["layer"], rows["value"], markersize=_marker_size(len(rows)), **line)
    if rows["lowest"].notna().any():
        face = line["color"] if band is None or "color" in look else band
        axes.fill_between(rows["layer"], rows["lowest"], rows["highest"], color=face, alpha=0.25, linewidth=0, zorder=1)


def _marker_size(layers: int) -> float:
    # Never none: a layer between two undefined ones has no line.
    return 2.8 if layers <= 16 else 1.5


def _legend(curves: pd.DataFrame, floor: bool) -> list[Line2D | Patch]:
    handles: list[Line2D | Patch] = [
        Line2D([], [], label=series, markersize=2.8, **({"color": style.REFERENCE} | _LINES[role]))
        for role, series in curves[["role", "series"]].drop_duplicates().itertuples(index=False)
    ]
    if floor:
        handles.append(Patch(label="no separation", **style.NOTHING))
    return handles
