"""Figure 7: how many property neurons each layer has."""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from property_neurons.figures import layer_curves, style
from property_neurons.figures.published import Published, read_references
from property_neurons.figures.rare_cells import read_note
from property_neurons.figures.tables import ByProperty, read_tables


def read(inputs: Any, params: Any) -> dict[str, Any]:
    """What `draw` takes."""
    summaries = read_tables(inputs.summaries, params.models, params.properties)
    published = read_references(inputs.published, params.published).get(params.models[0])
    note = read_note(inputs.cells, params.properties)
    return {"summaries": summaries, "corpus": params.corpus, "published": published, "note": note}


def draw(
    summaries: Mapping[str, ByProperty], corpus: str, published: Published | None = None, note: str = ""
) -> style.Drawing:
    """Draw |P| by layer for each property.

    Args:
        summaries: by model, then property: layer, site, width, group, property_neurons (|P| of the layer, the same
            in each of its rows). The first model is the one shown; a second one is its control, drawn in grey.
        corpus: the corpus's name.
        published: the paper's values, where the model is the paper's.
        note: what has to be known of the speech it was drawn from; see `rare_cells`.

    Raises:
        ConfigError: the published model has another number of layers.
    """
    model = next(iter(summaries))
    table = pd.concat(_curves(summaries, published), ignore_index=True)
    widths = pd.concat(summaries[model].values())["width"]
    width = f"{widths.min()}" if widths.min() == widths.max() else f"{widths.min()} to {widths.max()}"
    figure = layer_curves.draw_panels(table, f"property neurons (of {width})")
    for axes in figure.axes:
        axes.set_ylim(bottom=0)
    style.heading(figure, "Property neurons by layer", model, corpus, note)
    return figure, table


def _curves(summaries: Mapping[str, ByProperty], published: Published | None) -> Iterator[pd.DataFrame]:
    paper, theirs = (published.name, published.property_neurons) if published else ("", {})
    (model, own), *controls = (
        (model, {name: _layers(table) for name, table in tables.items()}) for model, tables in summaries.items()
    )
    for name, layers in own.items():
        yield layer_curves.curve(layers, "property_neurons", role="model", series=model, name=name)
        yield from layer_curves.held_against(
            name, "property_neurons", layers["site"].tolist(), dict(controls), paper, theirs.get(name)
        )


def _layers(summary: pd.DataFrame) -> pd.DataFrame:
    return summary.drop_duplicates("layer").sort_values("layer")
