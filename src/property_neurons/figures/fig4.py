"""Figure 4: how far apart the groups of each property lie, layer by layer."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd

from property_neurons.figures import layers, style
from property_neurons.figures.published import Published
from property_neurons.figures.silhouettes import by_layer


def draw(
    silhouettes: Mapping[str, Mapping[str, pd.DataFrame]],
    corpus: str,
    out: str | Path,
    published: Published | None = None,
) -> None:
    """Draw the silhouette in the MDS plane (mean and range over seeds) and in the full binary space, by layer.

    Args:
        silhouettes: by model, then property: layer, site, seed, silhouette, silhouette_full. The first model is
            the one shown; a second one is its control, drawn in grey.
        corpus: the corpus's name.
        out: the figure's path; .pdf, .png and .tsv are written.
        published: the paper's values, where the model is the paper's.

    Raises:
        ConfigError: the published model has another number of layers.
    """
    model = next(iter(silhouettes))
    table = pd.concat(_curves(silhouettes, published), ignore_index=True)
    with style.theme():
        figure = layers.draw_panels(table, "silhouette", floor=True)
        style.heading(figure, "Separation of activation patterns", model, corpus)
        style.save(figure, table, out)


def _curves(
    silhouettes: Mapping[str, Mapping[str, pd.DataFrame]], published: Published | None
) -> Iterator[pd.DataFrame]:
    model, *controls = silhouettes
    for name, table in silhouettes[model].items():
        own = by_layer(table)
        seeds = table["seed"].nunique()
        over = f"mean and range of {seeds} seeds" if seeds > 1 else "one seed"
        yield layers.curve(own, "silhouette", role="model", series=f"MDS plane, {over}", name=name)
        yield layers.curve(own, "silhouette_full", role="full", series="full binary space", name=name)
        for control in controls:
            if name in silhouettes[control]:
                other = by_layer(silhouettes[control][name])
                yield layers.curve(other, "silhouette", role="control", series=f"control {control}", name=name)
        if published is not None and name in published.silhouettes:
            values = published.silhouettes[name]
            series = f"published, {published.name}"
            yield layers.published_curve(values, own["site"].tolist(), series=series, name=name)
