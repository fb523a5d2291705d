"""One property on a page: its plane and, by layer, silhouette, neurons with their null, and held-out AUROC."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from property_neurons.figures import fig3, fig4, fig7, layer_curves, style
from property_neurons.figures import stability as held_out
from property_neurons.figures.rare_cells import read_note
from property_neurons.figures.tables import ByProperty, read_tables

_HEIGHT = 6.6
# Inches of the panel that shows the plane.
_PLANE = 3.2
# Inches of a panel over layers.
_PANEL = 2.8
# Of the ranges of the model's own curves, which are of no group; grey is the control's.
_BAND = "#C9B99A"


def read(inputs: Any, params: Any) -> dict[str, Any]:
    """What `draw` takes."""
    tables = {
        what: read_tables(getattr(inputs, what), params.models, params.properties)
        for what in ("points", "silhouettes", "summaries", "nulls", "stability")
    }
    return tables | {"corpus": params.corpus, "note": read_note(inputs.cells, params.properties)}


def draw(
    points: Mapping[str, ByProperty],
    silhouettes: Mapping[str, ByProperty],
    summaries: Mapping[str, ByProperty],
    nulls: Mapping[str, ByProperty],
    stability: Mapping[str, ByProperty],
    corpus: str,
    note: str = "",
) -> style.Drawing:
    """Draw four panels: the plane at the best layer, silhouettes, sizes of the sets and their null, held-out AUROC.

    Args:
        points, silhouettes, summaries, nulls, stability: by model, then the one property, as Figures 3, 4, 7 and
            stability take them. The first model is the one shown, a second one its control.
        corpus: the corpus's name.
        note: what has to be known of the speech it was drawn from; see `rare_cells`.
    """
    model = next(iter(points))
    name = next(iter(points[model]))
    controls = [tables[name] for one, tables in silhouettes.items() if one != model and name in tables]
    plane = fig3.best_plane(name, points[model][name], silhouettes[model][name], *controls[:1])
    curves = pd.concat(
        [
            fig4.curves(silhouettes, None, stability[model]).assign(panel="silhouette"),
            fig7.curves(summaries, nulls, None)
            .replace({"series": {model: "all groups"}})
            .assign(panel="property neurons"),
            *_groups(summaries[model][name], name),
            *_held_out(stability, model),
        ],
        ignore_index=True,
    )
    figure = style.new_figure(style.PAGE, _HEIGHT)
    grid = figure.subplots(2, 2, width_ratios=(1.25, 1), height_ratios=(1.3, 1))
    fig3.draw_plane(grid[0, 0], plane, name, _PLANE)
    sites = curves.drop_duplicates("layer").sort_values("layer")["site"].tolist()
    panels = {"silhouette": grid[0, 1], "property neurons": grid[1, 0], "held-out": grid[1, 1]}
    for panel, axes in panels.items():
        over = fig7.notes(nulls[model]).get(name, "") if panel == "property neurons" else ""
        further = [Patch(label="no separation", **style.NOTHING)] if panel == "silhouette" else []
        _curves(axes, curves[curves["panel"] == panel], summaries[model][name]["group"].unique(), over, further)
        style.layer_axis(axes, sites, _PANEL)
        axes.set_xlabel("layer")
    grid[0, 1].axhspan(*style.NO_SEPARATION, **style.NOTHING)
    grid[0, 1].set_ylabel("silhouette")
    grid[1, 0].set_ylabel(f"neurons (of {summaries[model][name]['width'].max()})")
    grid[1, 0].set_ylim(bottom=0)
    grid[1, 0].yaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    grid[1, 1].axhline(0.5, color=style.REFERENCE, linewidth=0.5, zorder=0)
    layer_curves.reach_out(grid[1, 1], 0.5, 0.025)
    grid[1, 1].set_ylabel("AUROC, held out")
    style.heading(figure, f"The property {style.property_title(name)}", model, corpus, note)
    style.settle(figure)
    fig3.name_points(grid[0, 0], plane)
    return figure, pd.concat([plane.assign(panel="plane"), curves], ignore_index=True)


def _groups(summary: pd.DataFrame, name: str) -> list[pd.DataFrame]:
    """The neurons of each group, by layer; empty where there are more groups than colours."""
    groups = summary["group"].unique()
    if len(groups) > len(style.GROUP_COLOURS) + 1:
        return []
    return [
        layer_curves.curve(
            rows, "group_neurons", role="group", series=f"{style.group_title(group, name)}", name=name
        ).assign(panel="property neurons", group=group)
        for group, rows in summary.groupby("group", sort=False)
    ]


def _held_out(tables: Mapping[str, ByProperty], model: str) -> list[pd.DataFrame]:
    found = [curve.assign(panel="held-out") for curve in held_out.curves(tables, model)]
    return [curve[curve["measure"] == "auroc"] for curve in found]


def _curves(axes: Axes, curves: pd.DataFrame, groups: pd.Series, note: str, further: Sequence[Patch]) -> None:
    """Groups look as in the plane; what is of all groups is black with a sand-coloured range, the control grey."""
    looks = style.group_looks(groups)
    handles, of_groups = [], []
    for series, rows in curves.groupby("series", sort=False):
        group = rows["group"].iloc[0] if "group" in rows else None
        if isinstance(group, str):
            own, marker = looks[group]
            look = {"color": own, "marker": marker, "linewidth": 1.0, "markersize": 3}
            of_groups += axes.plot(rows["layer"], rows["value"], label=series, **look)
            continue
        layer_curves.plot_curve(axes, rows, style.REFERENCE, _BAND)
        handles.append(axes.lines[-1])
        handles[-1].set_label(series)
    if of_groups:
        columns = style.legend_columns([str(line.get_label()) for line in of_groups], 1.2 * _PANEL)
        over = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0), "borderaxespad": 0.1, "fontsize": 6}
        axes.add_artist(axes.legend(handles=of_groups, ncols=columns, title=note, title_fontsize=6.5, **over))
    elif note:
        axes.set_title(note, fontsize=6.5)
    if handles:
        axes.legend(handles=[*handles, *further], loc="upper center", bbox_to_anchor=(0.5, -0.23), fontsize=6)
