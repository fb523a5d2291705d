"""Figure 8: the neurons that properties share in one layer."""

import itertools
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from matplotlib_venn import venn3
from matplotlib_venn.layout.venn3 import DefaultLayoutAlgorithm

from property_neurons.errors import ConfigError, StoreError
from property_neurons.figures import style
from property_neurons.figures.published import Published, read_references
from property_neurons.figures.rare_cells import read_note
from property_neurons.figures.tables import read_tables

if TYPE_CHECKING:
    from matplotlib_venn._common import VennDiagram

# Which of the three sets a region lies in, in matplotlib-venn's order.
_REGIONS = ("100", "010", "110", "001", "101", "011", "111")
# The layer whose overlaps the paper shows.
_PUBLISHED_LAYER = 1


def read(inputs: Any, params: Any) -> dict[str, Any]:
    """What `draw` takes."""
    neurons, summaries = (
        read_tables(paths, [params.model], params.properties)[params.model]
        for paths in (inputs.neurons, inputs.summaries)
    )
    return {
        "neurons": neurons,
        "summaries": summaries,
        "layer": params.layer,
        "model": params.model,
        "corpus": params.corpus,
        "published": read_references(inputs.published, params.published).get(params.model),
        "fdr": params.fdr,
        "note": read_note(inputs.cells, params.properties),
    }


def draw(
    neurons: Mapping[str, pd.DataFrame],
    summaries: Mapping[str, pd.DataFrame],
    layer: int,
    model: str,
    corpus: str,
    published: Published | None = None,
    fdr: float | None = None,
    note: str = "",
) -> style.Drawing:
    """Draw the property neurons P of three properties in one layer as a Venn diagram, every count beside it.

    The circles are to scale where every region has room for its count, else of equal size, and say so.

    Args:
        neurons: by property, three of them: layer, neuron, exclusive (in a group's G_i, equation 4), q.
        summaries: of the same properties: layer, site, width, group, property_neurons (|P| of the layer).
        layer: ordinal of the layer, from 1.
        model: the model's name.
        corpus: the corpus's name.
        published: the paper's values, where the model is the paper's.
        fdr: only neurons with q at or below it are drawn; None for all.
        note: what has to be known of the speech it was drawn from; see `rare_cells`.

    Raises:
        ConfigError: the model has no such layer.
        StoreError: neurons and summaries contradict each other.
    """
    names = list(neurons)
    site, width = _site(summaries, layer)
    sets = {name: _property_neurons(neurons[name], summaries[name], layer, name, fdr) for name in names}
    table = _overlaps(sets, width)
    table["published"] = _published(published, names, layer)
    table.insert(0, "layer", layer)
    table.insert(1, "site", site)
    table["fdr"] = math.nan if fdr is None else fdr
    figure = style.new_figure(5.8, 2.9)
    diagram, listing = figure.subplots(1, 2, width_ratios=(1, 0.9))
    _list(listing, table, width)
    to_scale = _plot(figure, diagram, table, names)
    scale = "" if to_scale else " (circles not to scale)"
    limit = "" if fdr is None else f" of q ≤ {fdr:g}"
    style.heading(figure, f"Property neurons{limit} in layer {site}{scale}", model, corpus, note)
    return figure, table


def _site(summaries: Mapping[str, pd.DataFrame], layer: int) -> tuple[str, int]:
    summary = pd.concat(summaries.values())
    rows = summary[summary["layer"] == layer]
    if rows.empty:
        raise ConfigError(
            f"figures.overlap_layer: expected a layer from 1 to {summary['layer'].max()}, found {layer}; correct it"
        )
    return str(rows["site"].iloc[0]), int(rows["width"].iloc[0])


def _property_neurons(
    neurons: pd.DataFrame, summary: pd.DataFrame, layer: int, name: str, fdr: float | None
) -> set[int]:
    of_layer = neurons[(neurons["layer"] == layer) & neurons["exclusive"]]
    found = set(of_layer["neuron"])
    counted = summary.loc[summary["layer"] == layer, "property_neurons"].unique()
    if counted.tolist() != [len(found)]:
        raise StoreError(
            f"property {name}, layer {layer}: the neuron table holds {len(found)} property neurons, its summary says "
            f"{counted.tolist()}; delete both and run again"
        )
    return found if fdr is None else set(of_layer.loc[of_layer["q"] <= fdr, "neuron"])


def _overlaps(sets: Mapping[str, set[int]], width: int) -> pd.DataFrame:
    """Sizes of the seven exclusive regions, the three whole sets and their union, in that order."""
    names = list(sets)
    rows = []
    for region in _REGIONS:
        inside = [sets[name] for name, member in zip(names, region, strict=True) if member == "1"]
        outside = [sets[name] for name, member in zip(names, region, strict=True) if member == "0"]
        rows.append(("only", _region_name(region, names), len(set.intersection(*inside).difference(*outside))))
    rows += [("whole", name, len(sets[name])) for name in names]
    rows.append(("union", "|".join(names), len(set.union(*sets.values()))))
    return pd.DataFrame(rows, columns=["part", "properties", "neurons"]).assign(width=width)


def _region_name(region: str, names: list[str]) -> str:
    return "&".join(itertools.compress(names, map(int, region)))


def _published(published: Published | None, names: list[str], layer: int) -> list[float]:
    """The paper's values in the row order of `_overlaps`, by inclusion and exclusion from its whole sizes."""
    regions = [_region_name(region, names) for region in _REGIONS]
    if published is None or layer != _PUBLISHED_LAYER or not set(regions) <= set(published.overlaps):
        return [math.nan] * (len(_REGIONS) + len(names) + 1)
    whole = published.overlaps
    members = {region: set(region.split("&")) for region in regions}
    exclusive = [
        sum(
            (-1) ** (len(members[other]) - len(members[region])) * whole[other]
            for other in regions
            if members[other] >= members[region]
        )
        for region in regions
    ]
    return [float(value) for value in [*exclusive, *(whole[name] for name in names), sum(exclusive)]]


def _plot(figure: Figure, axes: Axes, table: pd.DataFrame, names: list[str]) -> bool:
    """Draw the circles to scale if every region is there and holds its count, else of equal size."""
    sizes = table.loc[table["part"] == "only", "neurons"].tolist()
    if all(sizes):
        diagram = _venn(axes, sizes, table, names, DefaultLayoutAlgorithm())
        style.lay_out(figure)
        if _readable(diagram):
            return True
        axes.clear()
    _venn(axes, sizes, table, names, DefaultLayoutAlgorithm(fixed_subset_sizes=(1,) * len(_REGIONS)))
    return False


def _venn(
    axes: Axes, sizes: list[int], table: pd.DataFrame, names: list[str], layout: DefaultLayoutAlgorithm
) -> "VennDiagram":
    colours = style.property_colours(names)
    whole = table.loc[table["part"] == "whole", "neurons"]
    diagram = venn3(
        tuple(sizes),
        set_labels=[f"{style.property_title(name)}\n{size}" for name, size in zip(names, whole, strict=True)],
        set_colors=[colours[name] for name in names],
        alpha=0.45,
        ax=axes,
        layout_algorithm=layout,
    )
    for region, patch, text in zip(_REGIONS, diagram.patches, diagram.subset_labels, strict=True):
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


def _readable(diagram: "VennDiagram") -> bool:
    """Whether every count lies within its own region, and no set's label runs into another's."""
    for patch, text in zip(diagram.patches, diagram.subset_labels, strict=True):
        if patch is None or text is None:
            return False
        outline = patch.get_transform().transform_path(patch.get_path())
        if not outline.contains_points(text.get_window_extent().corners()).all():
            return False
    boxes = [text.get_window_extent() for text in diagram.set_labels]
    return not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))


def _list(axes: Axes, table: pd.DataFrame, width: int) -> None:
    """Write every count as text: the exclusive regions, the whole sets, and their union."""
    axes.set_axis_off()
    with_published = table["published"].notna().any()
    columns = {0.8: "neurons", 1.0: "published"} if with_published else {0.85: "neurons"}
    for x, column in columns.items():
        axes.text(x, 1.0, column, ha="right", va="top", fontsize=7, transform=axes.transAxes)
    y = 1.0
    for part, rows in table.groupby("part", sort=False):
        y -= 0.025
        for row in rows.itertuples():
            y -= 0.075
            axes.text(0, y, _row_title(part, row.properties, width), va="top", fontsize=7, transform=axes.transAxes)
            for x, column in columns.items():
                value = f"{getattr(row, column):.0f}"
                axes.text(x, y, value, ha="right", va="top", fontsize=7, transform=axes.transAxes)


def _row_title(part: str, properties: str, width: int) -> str:
    if part == "union":
        return f"union, of {width}"
    titles = [style.property_title(name) for name in properties.split("&")]
    if part == "whole":
        return f"all {titles[0]}"
    return {1: f"{titles[0]} only", 2: " and ".join(titles) + " only"}.get(len(titles), "all three")
