"""Three sets as circles to scale with all counts, where each region has room for its count."""

import itertools

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from matplotlib_venn import venn3
from matplotlib_venn._common import VennDiagram
from matplotlib_venn.layout.venn3 import DefaultLayoutAlgorithm

from property_neurons.figures import style
from property_neurons.figures.overlap_table import region_title, regions


def draw_venn(table: pd.DataFrame, names: list[str]) -> Figure | None:
    """Draw circles, and every count of `overlap_table` as text; None where circles would be hard to read.

    That is: not three sets, an empty region, or a region without room for its count.
    """
    sizes = table.loc[table["part"] == "only", "neurons"].tolist()
    if len(names) != 3 or not all(sizes):
        return None
    listed = 2.8 if table["published"].isna().all() else 3.6
    figure = style.new_figure(3.0 + listed, 2.9)
    diagram, listing = figure.subplots(1, 2, width_ratios=(3.0, listed))
    _list(listing, table)
    circles = _plot(diagram, sizes, table, names)
    style.lay_out(figure)
    return figure if _readable(circles) else None


def _plot(axes: Axes, sizes: list[int], table: pd.DataFrame, names: list[str]) -> VennDiagram:
    colours = style.property_colours(names)
    whole = table.loc[table["part"] == "whole", "neurons"]
    diagram = venn3(
        tuple(sizes),
        set_labels=[f"{style.property_title(name)}\n{size}" for name, size in zip(names, whole, strict=True)],
        set_colors=[colours[name] for name in names],
        alpha=0.45,
        ax=axes,
        layout_algorithm=DefaultLayoutAlgorithm(),
    )
    for region, patch, text in zip(regions(3), diagram.patches, diagram.subset_labels, strict=True):
        if patch is not None:
            members = [to_rgb(colours[name]) for name, member in zip(names, region, strict=True) if member == "1"]
            patch.set_facecolor(np.mean(members, axis=0))
        if text is not None:
            text.set_fontsize(7.5)
    for text, name in zip(diagram.set_labels, names, strict=True):
        text.set_fontsize(7.5)
        text.set_multialignment("center")
        text.set_color(colours[name])
    for centre, radius, name in zip(diagram.centers, diagram.radii, names, strict=True):
        axes.add_patch(Circle((centre.x, centre.y), radius, fill=False, edgecolor=colours[name], linewidth=0.9))
    return diagram


def _readable(diagram: VennDiagram) -> bool:
    """Whether every count lies within its own region, and no set's label runs into another's."""
    for patch, text in zip(diagram.patches, diagram.subset_labels, strict=True):
        if patch is None or text is None:
            return False
        outline = patch.get_transform().transform_path(patch.get_path())
        if not outline.contains_points(text.get_window_extent().corners()).all():
            return False
    boxes = [text.get_window_extent() for text in diagram.set_labels]
    return not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))


def _list(axes: Axes, table: pd.DataFrame) -> None:
    """Write every count as text: the exclusive regions, the whole sets, and their union."""
    axes.set_axis_off()
    columns = {"neurons": "neurons", "independent": "expected if\nindependent"}
    if table["published"].notna().any():
        columns["published"] = "published"
    places = dict(zip(columns, (0.64, 0.82, 1.0) if len(columns) == 3 else (0.7, 1.0), strict=True))
    for column, title in columns.items():
        axes.text(
            places[column],
            1.0,
            title,
            ha="right",
            va="bottom",
            fontsize=6.5,
            transform=axes.transAxes,
        )
    y = 1.05
    for part, rows in table.groupby("part", sort=False):
        y -= 0.025
        # Of one property, of two, of all.
        shared = rows["properties"].str.count("&")
        for row in rows.loc[shared.sort_values(kind="stable").index].itertuples():
            y -= 0.075
            title = _row_title(part, row.properties, row.width)
            axes.text(0, y, title, va="top", fontsize=6.5, transform=axes.transAxes)
            for column, x in places.items():
                value = getattr(row, column)
                text = "" if np.isnan(value) else f"{value:.{column == 'independent':d}f}"
                axes.text(x, y, text, ha="right", va="top", fontsize=6.5, transform=axes.transAxes)


def _row_title(part: str, properties: str, width: int) -> str:
    if part == "union":
        return f"union, of {width}"
    return f"whole: {style.property_title(properties)}" if part == "whole" else region_title(properties, 3)
