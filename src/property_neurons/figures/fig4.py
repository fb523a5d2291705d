"""Figure 4: how far apart the groups of each property lie, layer by layer."""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from property_neurons.figures import layer_curves, style
from property_neurons.figures.published import Published, read_references
from property_neurons.figures.rare_cells import read_note
from property_neurons.figures.silhouettes import by_layer
from property_neurons.figures.tables import ByProperty, read_tables
from property_neurons.neurons.statistics.table_terms import of_all_groups


def read(inputs: Any, params: Any) -> dict[str, Any]:
    """What `draw` takes."""
    silhouettes = read_tables(inputs.silhouettes, params.models, params.properties)
    published = read_references(inputs.published, params.published).get(params.models[0])
    stability = read_tables(inputs.stability, params.models[:1], params.properties)[params.models[0]]
    note = read_note(inputs.cells, params.properties)
    return {
        "silhouettes": silhouettes,
        "corpus": params.corpus,
        "published": published,
        "stability": stability,
        "note": note,
    }


def draw(
    silhouettes: Mapping[str, ByProperty],
    corpus: str,
    published: Published | None = None,
    stability: ByProperty | None = None,
    note: str = "",
) -> style.Drawing:
    """Draw the silhouette by layer: in the MDS plane, in the full binary space, and there on held-out speakers.

    Args:
        silhouettes: by model, then property: layer, site, seed, silhouette, silhouette_full. The first model is
            the one shown; a second one is its control, drawn in grey.
        corpus: the corpus's name.
        published: the paper's values, where the model is the paper's.
        stability: of the first model, by property: layer, site, group, halves, silhouette_held_out.
            Without a row where there are too few speakers.
        note: what has to be known of the speech it was drawn from; see `rare_cells`.

    Raises:
        ConfigError: the published model has another number of layers.
    """
    table = curves(silhouettes, published, stability or {})
    figure = layer_curves.draw_panels(table, {"": layer_curves.Row("silhouette")}, floor=True)
    style.heading(figure, "Separation of activation patterns", next(iter(silhouettes)), corpus, note)
    return figure, table


def curves(silhouettes: Mapping[str, ByProperty], published: Published | None, stability: ByProperty) -> pd.DataFrame:
    """What `draw` draws, as rows of `layer_curves.curve`."""
    return pd.concat(_curves(silhouettes, published, stability), ignore_index=True)


def _curves(
    silhouettes: Mapping[str, ByProperty], published: Published | None, stability: ByProperty
) -> Iterator[pd.DataFrame]:
    paper, theirs = (published.name, published.silhouettes) if published else ("", {})
    (model, own), *controls = (
        (model, {name: by_layer(table) for name, table in tables.items()}) for model, tables in silhouettes.items()
    )
    for name, layers in own.items():
        seeds = silhouettes[model][name]["seed"].nunique()
        over = f"mean and range of {seeds} seeds" if seeds > 1 else "one seed"
        yield layer_curves.curve(layers, "silhouette", role="model", series=f"MDS plane, {over}", name=name)
        full = layers[["layer", "site", "silhouette_full"]]
        yield layer_curves.curve(full, "silhouette_full", role="full", series="full binary space", name=name)
        if name in stability:
            yield from _held_out(stability[name], name)
        yield from layer_curves.held_against(
            name, "silhouette", layers["site"].tolist(), dict(controls), paper, theirs.get(name)
        )
        for _, layers_of_control in controls:
            if name in layers_of_control:
                full = layers_of_control[name][["layer", "site", "silhouette_full"]]
                series = "control, full binary space"
                yield layer_curves.curve(full, "silhouette_full", role="control_full", series=series, name=name)


def _held_out(stability: pd.DataFrame, name: str) -> Iterator[pd.DataFrame]:
    # Without the range of the splits, which is in the table: one figure has one kind of band, here that of the seeds.
    layers = of_all_groups(stability)
    if layers["silhouette_held_out"].notna().any():
        series = f"full binary space, held-out speakers, mean of {layers['halves'].max()} splits"
        yield layer_curves.curve(layers, "silhouette_held_out", role="held_out", series=series, name=name)
