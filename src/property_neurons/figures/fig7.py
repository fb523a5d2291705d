"""Figure 7: how many property neurons each layer has, beside how many it would have if the labels meant nothing."""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from property_neurons.figures import layer_curves, style
from property_neurons.figures.published import Published, read_references
from property_neurons.figures.rare_cells import read_note
from property_neurons.figures.tables import ByProperty, read_tables
from property_neurons.neurons.statistics.table_terms import of_all_groups, of_all_layers


def read(inputs: Any, params: Any) -> dict[str, Any]:
    """What `draw` takes."""
    return {
        "summaries": read_tables(inputs.summaries, params.models, params.properties),
        "nulls": read_tables(inputs.nulls, params.models, params.properties),
        "corpus": params.corpus,
        "published": read_references(inputs.published, params.published).get(params.models[0]),
        "note": read_note(inputs.cells, params.properties),
    }


def draw(
    summaries: Mapping[str, ByProperty],
    nulls: Mapping[str, ByProperty],
    corpus: str,
    published: Published | None = None,
    note: str = "",
) -> style.Drawing:
    """Draw |P| by layer for each property, with its null; the control in a row of its own, under the same scale.

    Args:
        summaries: by model, then property: layer, site, width, group, property_neurons (|P| of the layer, the same
            in each of its rows). The first model is the one shown; others are its controls.
        nulls: of the same models and properties: layer, site, group, observed, null_mean, null_low, null_high,
            false_share, p, permutations, distinct. Where permutations is 0 there is no null to draw. Where `observed`
            differs from |P| the sets hold neurons of low q alone. The null is that of the unfiltered sets, which are
            drawn too.
        corpus: the corpus's name.
        published: the paper's values, where the model is the paper's.
        note: what has to be known of the speech it was drawn from; see `rare_cells`.

    Raises:
        ConfigError: the published model has another number of layers.
    """
    model = next(iter(summaries))
    table = curves(summaries, nulls, published)
    widths = pd.concat(summaries[model].values())["width"]
    width = f"{widths.min()}" if widths.min() == widths.max() else f"{widths.min()} to {widths.max()}"
    label = f"property neurons\n(of {width})"
    rows = {
        one: layer_curves.Row(label if one == model else f"control\n(of {width})", notes=notes(nulls[one]))
        for one in summaries
    }
    figure = layer_curves.draw_panels(table, rows, by="model")
    for axes in figure.axes:
        axes.set_ylim(bottom=0)
    style.heading(figure, "Property neurons by layer", model, corpus, note, _few_labellings(nulls[model]))
    return figure, table


def curves(
    summaries: Mapping[str, ByProperty], nulls: Mapping[str, ByProperty], published: Published | None
) -> pd.DataFrame:
    """What `draw` draws, as rows of `layer_curves.curve`, with the model of each."""
    return pd.concat(_curves(summaries, nulls, published), ignore_index=True)


def _curves(
    summaries: Mapping[str, ByProperty], nulls: Mapping[str, ByProperty], published: Published | None
) -> Iterator[pd.DataFrame]:
    paper, theirs = (published.name, published.property_neurons) if published else ("", {})
    shown = next(iter(summaries))
    for model, tables in summaries.items():
        own = model == shown
        for name, summary in tables.items():
            layers = summary.drop_duplicates("layer").sort_values("layer")[["layer", "site", "property_neurons"]]
            drawn = [_curve(layers, "model" if own else "control", model if own else f"control {model}", name)]
            drawn += _null(nulls[model][name], layers, name, own)
            if own:
                sites = layers["site"].tolist()
                drawn += layer_curves.held_against(name, "property_neurons", sites, {}, paper, theirs.get(name))
            yield from (curve.assign(model=model) for curve in drawn)


def _curve(layers: pd.DataFrame, role: str, series: str, name: str) -> pd.DataFrame:
    return layer_curves.curve(layers, "property_neurons", role=role, series=series, name=name)


def _null(null: pd.DataFrame, layers: pd.DataFrame, name: str, own: bool) -> Iterator[pd.DataFrame]:
    permutations = int(null["permutations"].max())
    if not permutations:
        return
    of_p, overall = of_all_groups(null), of_all_layers(null)
    if of_p["observed"].tolist() != layers["property_neurons"].tolist():
        before = of_p[["layer", "site", "observed"]].rename(columns={"observed": "property_neurons"})
        yield _curve(before, "unrestricted", "without the limit on q", name)
    if pd.isna(overall["p"]):
        return
    columns = {"null_mean": "property_neurons", "null_low": "lowest", "null_high": "highest"}
    band = of_p[["layer", "site", *columns]].rename(columns=columns)
    series = f"{'null' if own else 'null of the control'}, {permutations} permutations: mean, 95 % band"
    curve = _curve(band, "null" if own else "control_null", series, name)
    # What the panel says of all layers together.
    yield curve.assign(p_all_layers=overall["p"], false_share_all_layers=overall["false_share"])


def notes(nulls: ByProperty) -> dict[str, str]:
    """By property, p over all layers, and the estimated false share; nothing where there is no null."""
    overall = {name: of_all_layers(null) for name, null in nulls.items() if null["permutations"].max()}
    return {name: _note(row["p"], row["false_share"], row["level"]) for name, row in overall.items()}


def _few_labellings(nulls: ByProperty) -> str:
    """What the heading says where labels can be dealt in fewer ways than there are permutations; "" elsewhere."""
    overall = {name: of_all_layers(null) for name, null in nulls.items() if null["permutations"].max()}
    few = [
        f"{style.property_title(name)} {int(row['distinct'])}"
        for name, row in overall.items()
        if pd.notna(row["p"]) and row["distinct"] < row["permutations"]
    ]
    return f"Few labellings, so p cannot be small: {', '.join(few)}" if few else ""


def _note(p: float, false_share: float, level: str) -> str:
    # Of single phones or speakers: other labels would be other names, or other amounts of speech.
    return f"no null: groups of one {level}" if pd.isna(p) else f"p {_p(p)} · {_share(false_share)}"


def _p(value: float) -> str:
    # 1,000 labellings give 1 / 1,001 at least, which is 0.001 and not below.
    return f"= {value:.3f}" if value >= 0.0005 else "< 0.001"


def _share(value: float) -> str:
    return "no neurons" if pd.isna(value) else f"false share {value:.0%}".replace("%", " %")
