"""How far neuron sets hold on other speakers: stability between halves, and AUROC on held-out speakers."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import pandas as pd

from property_neurons.figures import layer_curves, style
from property_neurons.figures.rare_cells import read_note
from property_neurons.figures.tables import ByProperty, read_tables
from property_neurons.neurons.statistics.table_terms import of_all_groups

# What each measure says of a set that means nothing.
_MEASURES = MappingProxyType(
    {
        "nogueira": layer_curves.Row("stability (Nogueira)", level=0.0),
        "auroc": layer_curves.Row("AUROC, held out", level=0.5, reach=0.025),
    }
)


def read(inputs: Any, params: Any) -> dict[str, Any]:
    """What `draw` takes."""
    return {
        "stability": read_tables(inputs.stability, params.models, params.properties),
        "corpus": params.corpus,
        "note": read_note(inputs.cells, params.properties),
    }


def draw(stability: Mapping[str, ByProperty], corpus: str, note: str = "") -> style.Drawing:
    """Draw both measures by layer for each property: means over splits of the speakers, and the range of 95 % of them.

    Args:
        stability: by model, then property: layer, site, group, speakers, halves, nogueira and auroc with _low and
            _high, NaN for layers where nothing was found. The first model is the one shown; others are its
            controls. Tables have no row where there are too few speakers.
        corpus: the corpus's name.
        note: what has to be known of the speech it was drawn from; see `rare_cells`.
    """
    model = next(iter(stability))
    drawn = list(curves(stability, model))
    what = "Property neurons on held-out speakers"
    if not drawn:
        figure = style.new_figure(style.PAGE, 1.0)
        figure.text(0.01, 0.4, "no halves: too few speakers, or statistics.halves is 0", ha="left")
        style.heading(figure, what, model, corpus, note)
        return figure, pd.DataFrame(columns=_COLUMNS)
    table = pd.concat(drawn, ignore_index=True)[_COLUMNS]
    figure = layer_curves.draw_panels(table, _MEASURES, by="measure", one_scale=False)
    style.heading(figure, what, model, corpus, note)
    return figure, table


_COLUMNS = [
    "measure",
    "property",
    "role",
    "series",
    "layer",
    "site",
    "value",
    "lowest",
    "highest",
    "speakers",
    "halves",
]


def curves(stability: Mapping[str, ByProperty], shown: str) -> Iterator[pd.DataFrame]:
    """What `draw` draws, as rows of `layer_curves.curve`, with the measure of each."""
    for measure in _MEASURES:
        for model, tables in stability.items():
            for name, table in tables.items():
                layers = of_all_groups(table)
                if layers.empty:
                    continue
                ends = {f"{measure}_low": "lowest", f"{measure}_high": "highest"}
                halves = layers["halves"].max()
                who = model if model == shown else f"control {model}"
                yield layer_curves.curve(
                    layers.rename(columns=ends),
                    measure,
                    role="model" if model == shown else "control",
                    series=f"{who}, mean and 95 % range of {halves} splits",
                    name=name,
                ).assign(measure=measure, speakers=layers["speakers"], halves=layers["halves"])
