"""The share of the property neurons that stays when a confound is held fixed, layer by layer."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from property_neurons.figures import style
from property_neurons.figures.tables import ByProperty, read_tables
from property_neurons.neurons.statistics.table_terms import ALL_GROUPS, ALL_LAYERS
from property_neurons.stores.files import read_table

# Filled or white, as the model's own: by how many neurons a share is of.
_CONTROL_MARKER = style.OF_CONTROL["marker"]
# With fewer neurons a share says little.
_FEW = 10
_MOST_IN_A_ROW = 4
_CONFOUND_TITLES = {"f0": "F0"}


def read(inputs: Any, params: Any) -> dict[str, Any]:
    """What `draw` takes."""
    tables = read_tables(inputs.tables, params.models, list(params.confounds))
    cells = dict(zip(params.confounds, map(read_table, inputs.cells), strict=True))
    return {"tables": tables, "confounds": dict(params.confounds), "corpus": params.corpus, "cells": cells}


def draw(
    tables: Mapping[str, ByProperty],
    confounds: Mapping[str, str],
    corpus: str,
    cells: Mapping[str, pd.DataFrame] | None = None,
) -> style.Drawing:
    """Draw the share of P that stays, beside the range of shares with strata that mean nothing.

    Args:
        tables: by model, then property: the layers of `neurons.statistics.confounds`. The first model is the one shown;
            a second one is its control, drawn in grey.
        confounds: by property.
        corpus: the corpus's name.
        cells: by property, the cells of the same, of the model shown.
    """
    table = pd.concat(_curves(tables, confounds), ignore_index=True)
    names, colours = list(confounds), style.property_colours(list(confounds))
    columns = min(len(names), _MOST_IN_A_ROW)
    rows = -(-len(names) // columns)
    figure = style.new_figure(style.PAGE, 0.9 + 1.9 * rows)
    grid = figure.subplots(rows, columns, sharey=True, squeeze=False)
    models = list(tables)
    for index, (axes, name) in enumerate(zip(grid.flat, names, strict=False)):
        own = table[table["property"] == name]
        for model in reversed(models):
            colour, marker = (colours[name], "o") if model == models[0] else (style.CONTROL, _CONTROL_MARKER)
            _plot(axes, own[own["model"] == model], colour, marker)
        axes.set_title(f"{style.property_title(name)} given {_title(confounds[name])}", color=colours[name])
        axes.text(0.03, 0.03, _total(tables[models[0]][name]), transform=axes.transAxes, fontsize=6)
        shown = own.drop_duplicates("layer").sort_values("layer")
        style.layer_axis(axes, shown["site"].astype(str).tolist(), style.PAGE / columns - 0.5)
        axes.set_ylim(0, 1.04)
        if index + columns >= len(names):
            axes.set_xlabel("layer")
    for axes in grid[:, 0]:
        axes.set_ylabel("share of property neurons that stay")
    for axes in grid.flat[len(names) :]:
        axes.remove()
    style.legend_below(figure, _legend(models, table))
    style.heading(figure, "What confounds leave of the property neurons", models[0], corpus, _note(cells or {}))
    return figure, table


def _curves(tables: Mapping[str, ByProperty], confounds: Mapping[str, str]) -> list[pd.DataFrame]:
    curves = []
    for number, (model, of_model) in enumerate(tables.items()):
        for name, confound in confounds.items():
            whole = of_model[name]
            layers = whole[(whole["group"].fillna("") == ALL_GROUPS) & (whole["layer"] != ALL_LAYERS)]
            role = "control" if number else "model"
            columns = ["layer", "site", "found", "stay", "share", "dealt_share", "dealt_low", "dealt_high", "p"]
            place = {"property": name, "confound": confound, "role": role, "model": model}
            curves.append(pd.DataFrame(place | {key: layers[key] for key in columns}).sort_values("layer"))
    return curves


def _plot(axes: Axes, rows: pd.DataFrame, colour: str, marker: str) -> None:
    layers = rows["layer"]
    axes.fill_between(layers, rows["dealt_low"], rows["dealt_high"], color=colour, alpha=0.2, linewidth=0, zorder=1)
    axes.plot(layers, rows["dealt_share"], color=colour, linewidth=0.9, linestyle=(0, (4, 2)), zorder=2)
    axes.plot(layers, rows["share"], color=colour, zorder=3)
    for few, filled in ((rows["found"] < _FEW, "white"), (rows["found"] >= _FEW, colour)):
        chosen = rows[few]
        look = {"marker": marker, "markersize": 3, "color": colour, "markerfacecolor": filled}
        axes.plot(chosen["layer"], chosen["share"], linestyle="", zorder=4, **look)


def _title(confound: str) -> str:
    return _CONFOUND_TITLES.get(confound, confound)


def _total(table: pd.DataFrame) -> str:
    row = table[(table["group"].fillna("") == ALL_GROUPS) & (table["layer"] == ALL_LAYERS)].iloc[0]
    return f"all layers: {row['stay']} of {row['found']} stay (dealt: {row['dealt_stay']:.0f})"


def _legend(models: list[str], table: pd.DataFrame) -> list[Line2D | Patch]:
    handles = [
        Line2D([], [], color=style.REFERENCE, marker="o", markersize=3, label=models[0]),
        *(
            Line2D([], [], color=style.CONTROL, marker=_CONTROL_MARKER, markersize=3, label=f"control {one}")
            for one in models[1:]
        ),
        Line2D([], [], color=style.REFERENCE, linewidth=0.9, linestyle=(0, (4, 2)), label="strata dealt, mean"),
        Patch(color=style.REFERENCE, alpha=0.2, linewidth=0, label="95 % of the deals"),
    ]
    few = {"marker": "o", "markersize": 3, "markerfacecolor": "white", "linestyle": ""}
    if (table["found"] < _FEW).any():
        handles.append(Line2D([], [], color=style.REFERENCE, **few, label=f"fewer than {_FEW} neurons"))
    return handles


def _note(cells: Mapping[str, pd.DataFrame]) -> str:
    found = [
        f"{style.property_title(name)} {table['rare'].sum()} of {len(table)}"
        for name, table in cells.items()
        if table["rare"].any()
    ]
    return f"Strata of fewer than 1/λ frames (of one phone in one group): {', '.join(found)}" if found else ""
