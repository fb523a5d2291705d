"""Figure 4: how far apart the groups of each property lie, layer by layer."""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from property_neurons.figures import layer_curves, style
from property_neurons.figures.published import Published, read_references
from property_neurons.figures.rare_cells import read_note
from property_neurons.figures.silhouettes import by_layer
from property_neurons.figures.tables import ByProperty, read_tables


def read(inputs: Any, params: Any) -> dict[str, Any]:
    """What `draw` takes."""
    silhouettes = read_tables(inputs.silhouettes, params.models, params.properties)
    published = read_references(inputs.published, params.published).get(params.models[0])
    note = read_note(inputs.cells, params.properties)
    return {"silhouettes": silhouettes, "corpus": params.corpus, "published": published, "note": note}


def draw(
    silhouettes: Mapping[str, ByProperty], corpus: str, published: Published | None = None, note: str = ""
) -> style.Drawing:
    """Draw the silhouette in the MDS plane (mean and range over seeds) and in the full binary space, by layer.

    Args:
        silhouettes: by model, then property: layer, site, seed, silhouette, silhouette_full. The first model is
            the one shown; a second one is its control, drawn in grey.
        corpus: the corpus's name.
        published: the paper's values, where the model is the paper's.
        note: what has to be known of the speech it was drawn from; see `rare_cells`.

    Raises:
        ConfigError: the published model has another number of layers.
    """
    table = pd.concat(_curves(silhouettes, published), ignore_index=True)
    figure = layer_curves.draw_panels(table, "silhouette", floor=True)
    style.heading(figure, "Separation of activation patterns", next(iter(silhouettes)), corpus, note)
    return figure, table


def _curves(silhouettes: Mapping[str, ByProperty], published: Published | None) -> Iterator[pd.DataFrame]:
    paper, theirs = (published.name, published.silhouettes) if published else ("", {})
    (model, own), *controls = (
        (model, {name: by_layer(table) for name, table in tables.items()}) for model, tables in silhouettes.items()
    )
    for name, layers in own.items():
        seeds = silhouettes[model][name]["seed"].nunique()
        over = f"mean and range of {seeds} seeds" if seeds > 1 else "one seed"
        yield layer_curves.curve(layers, "silhouette", role="model", series=f"MDS plane, {over}", name=name)
        yield layer_curves.curve(layers, "silhouette_full", role="full", series="full binary space", name=name)
        yield from layer_curves.held_against(
            name, "silhouette", layers["site"].tolist(), dict(controls), paper, theirs.get(name)
        )
