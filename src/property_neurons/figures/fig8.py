"""Figure 8: the neurons that properties share in one layer."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from property_neurons.figures import style
from property_neurons.figures.overlap_table import overlap_table
from property_neurons.figures.published import Published, read_references
from property_neurons.figures.rare_cells import read_note
from property_neurons.figures.tables import read_tables
from property_neurons.figures.upset import draw_upset
from property_neurons.figures.venn import draw_venn


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
    """Draw how the property neurons P of two to four properties overlap in one layer.

    As circles where these are to scale and every region has room for its count, else as an UpSet plot.

    Args:
        neurons: by property; see `overlap_table`.
        summaries: of the same properties.
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
    table = overlap_table(neurons, summaries, layer, published, fdr)
    figure = draw_venn(table, names) or draw_upset(table, names)
    limit = "" if fdr is None else f" of q ≤ {fdr:g}"
    style.heading(figure, f"Property neurons{limit} in layer {table['site'].iloc[0]}", model, corpus, note)
    return figure, table
