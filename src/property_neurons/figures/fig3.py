"""Figure 3: the activation patterns of phones in the plane, at the best layer of each property."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from property_neurons.figures import style
from property_neurons.figures.labels import label_points
from property_neurons.figures.phone_names import phone_names
from property_neurons.figures.rare_cells import read_note
from property_neurons.figures.silhouettes import best_layer
from property_neurons.figures.tables import read_tables

# Points (1/72 inch): a panel holds up to 117 names.
_MARKER = 2.6
_TEXT = 5.5
# Inches of height for the heading, the titles and a legend of up to three rows.
_AROUND = 1.15
_MOST_IN_A_ROW = 3


def read(inputs: Any, params: Any) -> dict[str, Any]:
    """What `draw` takes."""
    model, *controls = params.models
    silhouettes = read_tables(inputs.silhouettes, params.models, params.properties)
    return {
        "points": read_tables(inputs.points, [model], params.properties)[model],
        "silhouettes": silhouettes[model],
        "control": silhouettes[controls[0]] if controls else None,
        "model": model,
        "corpus": params.corpus,
        "note": read_note(inputs.cells, params.properties),
    }


def draw(
    points: Mapping[str, pd.DataFrame],
    silhouettes: Mapping[str, pd.DataFrame],
    model: str,
    corpus: str,
    control: Mapping[str, pd.DataFrame] | None = None,
    note: str = "",
) -> style.Drawing:
    """Draw one panel per property: MDS of the first seed, at the layer with the highest mean silhouette.

    Args:
        points: by property: layer, site, seed, group, phone, x, y.
        silhouettes: of the same properties: layer, site, seed, silhouette, silhouette_full.
        model: the model's name.
        corpus: the corpus's name.
        control: the same silhouettes of the control model, where there is one.
        note: what has to be known of the speech it was drawn from; see `rare_cells`.
    """
    controls = control or {}
    planes = [best_plane(name, points[name], silhouettes[name], controls.get(name)) for name in points]
    table = pd.concat(planes, ignore_index=True)
    names = list(points)
    columns = min(len(names), _MOST_IN_A_ROW)
    rows = math.ceil(len(names) / columns)
    side = style.PAGE / max(columns, 2)
    figure = style.new_figure(style.PAGE, (side + _AROUND) * rows)
    grid = figure.subplots(rows, columns, squeeze=False).flat
    panels = grid[: len(names)]
    for axes in grid[len(names) :]:
        axes.remove()
    for axes, name in zip(panels, names, strict=True):
        draw_plane(axes, table[table["property"] == name], name, side)
    style.heading(figure, "Activation patterns (MDS) at the best layer", model, corpus, note)
    style.settle(figure)
    for axes, name in zip(panels, names, strict=True):
        name_points(axes, table[table["property"] == name])
    return figure, table


def best_plane(
    name: str, points: pd.DataFrame, silhouettes: pd.DataFrame, control: pd.DataFrame | None = None
) -> pd.DataFrame:
    """The rows of `points` that show a property: of its best layer and the first seed, with their silhouette.

    Args:
        points, silhouettes, control: as `draw` takes them, of one property.
    """
    best = best_layer(silhouettes)
    of_control = math.nan if control is None else best_layer(control)["silhouette"]
    seed = silhouettes["seed"].iloc[0]
    at_best = silhouettes[(silhouettes["layer"] == best["layer"]) & (silhouettes["seed"] == seed)]
    drawn = points[(points["layer"] == best["layer"]) & (points["seed"] == seed)]
    return pd.DataFrame(
        {
            "property": name,
            "layer": best["layer"],
            "site": best["site"],
            "seed": seed,
            "silhouette": at_best["silhouette"].iloc[0],
            "silhouette_mean": best["silhouette"],
            "silhouette_control": of_control,
            "group": drawn["group"],
            "phone": drawn["phone"],
            "x": drawn["x"],
            "y": drawn["y"],
        }
    )


def draw_plane(axes: Axes, plane: pd.DataFrame, name: str, inches: float) -> None:
    """Draw the table of `best_plane` in a panel of `inches`, with a legend of its groups below."""
    looks = style.group_looks(plane["group"].unique())
    for group, (colour, marker) in looks.items():
        rows = plane[plane["group"] == group]
        axes.plot(
            rows["x"],
            rows["y"],
            linestyle="",
            marker=marker,
            color=colour,
            markersize=_MARKER,
            markeredgewidth=0,
            label=style.group_title(group, name),
        )
    _square(axes, plane[["x", "y"]].to_numpy(dtype=float))
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set(visible=True, color=style.CONTROL, linewidth=0.5)
    first = plane.iloc[0]
    text = style.silhouette_text(first["silhouette"])
    if not math.isnan(first["silhouette_mean"]):
        text += f", mean of seeds {style.silhouette_text(first['silhouette_mean'])}"
    if not math.isnan(first["silhouette_control"]):
        text += f"\nbest layer of the control {style.silhouette_text(first['silhouette_control'])}"
    axes.set_title(f"{style.property_title(name)}, layer {first['site']}\nsilhouette {text}")
    columns = style.legend_columns([style.group_title(group, name) for group in looks], inches)
    # Left to itself, a legend passes over names that begin with an underscore.
    spacing = {"handletextpad": 0.1, "columnspacing": 1.0}
    axes.legend(handles=[*axes.lines], loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=columns, **spacing)


def _square(axes: Axes, xy: np.ndarray) -> None:
    """A square panel with one scale on both axes (distances are what MDS is about) around all points."""
    xy = xy[np.isfinite(xy).all(axis=1)]
    low, high = (xy.min(axis=0), xy.max(axis=0)) if len(xy) else (np.zeros(2), np.zeros(2))
    middle = (low + high) / 2
    # Identical patterns fall on one point, which has no extent of its own.
    half = 0.56 * ((high - low).max() or 1.0)
    axes.set_xlim(middle[0] - half, middle[0] + half)
    axes.set_ylim(middle[1] - half, middle[1] + half)
    axes.set_box_aspect(1)


def name_points(axes: Axes, plane: pd.DataFrame) -> None:
    """Write the phones of a drawn plane beside their points, once the figure is settled."""
    plane = plane.dropna(subset=["x", "y"])
    looks = style.group_looks(plane["group"].unique())
    label_points(
        axes,
        plane[["x", "y"]].to_numpy(dtype=float),
        phone_names(plane["phone"].tolist()),
        [looks[group][0] for group in plane["group"]],
        _TEXT,
        _MARKER,
    )
