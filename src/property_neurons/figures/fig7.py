"""Figure 7: how many property neurons each layer has."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd

from property_neurons.figures import layers, style
from property_neurons.figures.published import Published


def draw(
    summaries: Mapping[str, Mapping[str, pd.DataFrame]],
    corpus: str,
    out: str | Path,
    published: Published | None = None,
) -> None:
    """Draw |P| by layer for each property.

    Args:
        summaries: by model, then property: layer, site, width, group, property_neurons (|P| of the layer, the same
            in each of its rows). The first model is the one shown; a second one is its control, drawn in grey.
        corpus: the corpus's name.
        out: the figure's path; .pdf, .png and .tsv are written.
        published: the paper's values, where the model is the paper's.

    Raises:
        ConfigError: the published model has another number of layers.
    """
    model = next(iter(summaries))
    table = pd.concat(_curves(summaries, published), ignore_index=True)
    widths = pd.concat(summaries[model].values())["width"]
    width = f"{widths.min()}" if widths.min() == widths.max() else f"{widths.min()} to {widths.max()}"
    with style.theme():
        figure = layers.draw_panels(table, f"property neurons (of {width})")
        for axes in figure.axes:
            axes.set_ylim(bottom=0)
        style.heading(figure, "Property neurons by layer", model, corpus)
        style.save(figure, table, out)


def _curves(summaries: Mapping[str, Mapping[str, pd.DataFrame]], published: Published | None) -> Iterator[pd.DataFrame]:
    model, *controls = summaries
    for name, own in summaries[model].items():
        own = _layers(own)
        yield layers.curve(own, "property_neurons", role="model", series=model, name=name)
        for control in controls:
            if name in summaries[control]:
                other = _layers(summaries[control][name])
                yield layers.curve(other, "property_neurons", role="control", series=f"control {control}", name=name)
        if published is not None and name in published.property_neurons:
            values = published.property_neurons[name]
            series = f"published, {published.name}"
            yield layers.published_curve(values, own["site"].tolist(), series=series, name=name)


def _layers(summary: pd.DataFrame) -> pd.DataFrame:
    return summary.drop_duplicates("layer").sort_values("layer")
