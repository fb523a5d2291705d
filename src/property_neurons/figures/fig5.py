"""Figure 5: the best layer's silhouette of each property, model by model."""

import math
import textwrap
from collections.abc import Collection, Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from property_neurons.figures import style
from property_neurons.figures.published import Published, read_references
from property_neurons.figures.rare_cells import read_note
from property_neurons.figures.silhouettes import best_layer
from property_neurons.figures.tables import ByProperty, read_tables

_BAR = 0.62
# Characters of a model's name before it goes on in the next line, and inches that names and values take.
_NAME_WIDTH = 22
_NAMES_INCHES = 1.5
_VALUE_INCHES = 0.65


def read(inputs: Any, params: Any) -> dict[str, Any]:
    """What `draw` takes."""
    return {
        "silhouettes": read_tables(inputs.silhouettes, params.models, params.properties),
        "corpus": params.corpus,
        "controls": params.twins,
        "published": read_references(inputs.published, params.published),
        "note": read_note(inputs.cells, params.properties),
    }


def draw(
    silhouettes: Mapping[str, ByProperty],
    corpus: str,
    controls: Collection[str] = (),
    published: Mapping[str, Published] | None = None,
    note: str = "",
) -> style.Drawing:
    """Draw one bar per model and property: the highest mean silhouette of any layer, with the seeds' range.

    Args:
        silhouettes: by model, then property: layer, site, seed, silhouette, silhouette_full.
        corpus: the corpus's name.
        controls: which of the models are controls (random twins); drawn grey and hatched.
        published: the paper's values of those models that are the paper's, by model.
        note: what has to be known of the speech it was drawn from; see `rare_cells`.
    """
    table = _best_layers(silhouettes, controls, published or {})
    models = list(silhouettes)
    names = [textwrap.fill(model, _NAME_WIDTH) for model in models]
    properties = list(table["property"].unique())
    row_height = max(0.26, 0.12 * max(name.count("\n") + 1 for name in names))
    figure = style.new_figure(style.PAGE, 0.95 + row_height * len(models))
    panels = figure.subplots(1, len(properties), sharex=True, sharey=True, squeeze=False)[0]
    colours = style.property_colours(properties)
    for axes, name in zip(panels, properties, strict=True):
        _plot(axes, table[table["property"] == name].set_index("model").reindex(models), colours[name])
        axes.set_title(style.property_title(name), color=colours[name])
        axes.set_xlabel("silhouette (best layer)")
        axes.spines["left"].set_visible(False)
        axes.tick_params("y", length=0)
    panels[0].set_yticks(range(len(models)), names, fontsize=6.5)
    panels[0].set_ylim(len(models) - 0.5, -0.5)
    panels[0].set_xlim(*_limits(table, (style.PAGE - _NAMES_INCHES) / len(properties)))
    style.legend_below(figure, _legend(table))
    style.heading(figure, "Separation at the best layer", f"{len(models)} models", corpus, note)
    return figure, table


def _best_layers(
    silhouettes: Mapping[str, ByProperty],
    controls: Collection[str],
    published: Mapping[str, Published],
) -> pd.DataFrame:
    rows = []
    for model, tables in silhouettes.items():
        theirs = published[model].best_silhouettes if model in published else {}
        for name, layers in tables.items():
            best = best_layer(layers)
            row = {"property": name, "model": model, "control": model in controls}
            row |= best[["layer", "site", "silhouette", "lowest", "highest"]].to_dict()
            rows.append(row | {"published": theirs.get(name, math.nan)})
    return pd.DataFrame(rows).sort_values("property", key=_in_order_of_appearance, kind="stable")


def _in_order_of_appearance(names: pd.Series) -> pd.Series:
    return names.map({name: index for index, name in enumerate(names.unique())})


def _plot(axes: Axes, bars: pd.DataFrame, colour: str) -> None:
    axes.axvspan(*style.NO_SEPARATION, **style.NOTHING)
    for position, bar in enumerate(bars.itertuples()):
        if math.isnan(bar.silhouette):
            axes.text(0.005, position, "undefined", va="center", fontsize=6.5, color=style.CONTROL)
            continue
        look = {"color": "white", "edgecolor": style.CONTROL, "hatch": "////"} if bar.control else {"color": colour}
        axes.barh(position, bar.silhouette, height=_BAR, **look)
        axes.plot([bar.lowest, bar.highest], [position, position], color=style.REFERENCE, linewidth=0.9)
        if not math.isnan(bar.published):
            axes.plot(
                [bar.published] * 2,
                [position - 0.42, position + 0.42],
                color=style.REFERENCE,
                linewidth=1.2,
                linestyle=(0, (1, 0.8)),
            )
        end = max(0.0, bar.silhouette, bar.highest, 0.0 if math.isnan(bar.published) else bar.published)
        axes.annotate(
            f"{style.silhouette_text(bar.silhouette)} ({bar.site})",
            (end, position),
            (4, 0),
            textcoords="offset points",
            va="center",
            fontsize=6.5,
        )
    axes.axvline(0, color=style.REFERENCE, linewidth=0.6)


def _limits(table: pd.DataFrame, panel: float) -> tuple[float, float]:
    lowest = min(style.NO_SEPARATION[0], table["lowest"].min()) - 0.02
    highest = max(0.1, table["highest"].max(), table["published"].max())
    # Room for the value and layer written behind the longest bar of a panel of that many inches.
    return lowest, lowest + (highest - lowest) * panel / (panel - _VALUE_INCHES)


def _legend(table: pd.DataFrame) -> list[Line2D | Patch]:
    handles: list[Line2D | Patch] = [Line2D([], [], color=style.REFERENCE, linewidth=0.9, label="range over seeds")]
    if table["control"].any():
        handles.append(Patch(facecolor="white", edgecolor=style.CONTROL, hatch="////", label="control"))
    if table["published"].notna().any():
        handles.append(Line2D([], [], color=style.REFERENCE, linewidth=1.2, linestyle=(0, (1, 0.8)), label="published"))
    handles.append(Patch(label="no separation", **style.NOTHING))
    return handles
