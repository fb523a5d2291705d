"""Other selectors beside equations 3 to 5: overlap with their sets, AUROC on held-out speakers, stability."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from property_neurons.figures import style
from property_neurons.figures.rare_cells import read_note
from property_neurons.figures.tables import ByProperty, read_tables
from property_neurons.neurons.statistics.table_terms import ALL_GROUPS, ALL_LAYERS
from property_neurons.neurons.statistics.vocabulary import PAPER

# Inches that a selector's line takes.
_LINE = 0.14


@dataclass(frozen=True)
class _Measure:
    title: str
    lowest: str = ""
    highest: str = ""
    level: float | None = None  # of neurons that mean nothing


_MEASURES = MappingProxyType(
    {
        "jaccard": _Measure("overlap with eq. 3 to 5 (Jaccard)"),
        "auroc": _Measure("AUROC, held out", "auroc_low", "auroc_high", 0.5),
        "stability": _Measure("overlap of two halves (Jaccard)", "stability_low", "stability_high"),
    }
)
_COLUMNS = ["measure", "property", "model", "role", "selector", "neurons", "value", "lowest", "highest", "halves"]


def read(inputs: Any, params: Any) -> dict[str, Any]:
    """What `draw` takes."""
    return {
        "selectors": read_tables(inputs.selectors, params.models, params.properties),
        "corpus": params.corpus,
        "note": read_note(inputs.cells, params.properties),
    }


def draw(selectors: Mapping[str, ByProperty], corpus: str, note: str = "") -> style.Drawing:
    """Draw each measure for each property: a line for each selector, all layers and groups together.

    Each panel has its own scale: runs of phones are short, so their AUROC lies near 0.5 whatever is chosen.

    Args:
        selectors: by model, then property: of `selector_comparison.compare_selectors`. The first model is the one
            shown; others are its controls.
        corpus: the corpus's name.
        note: what has to be known of the speech it was drawn from; see `rare_cells`.
    """
    model, *_ = selectors
    names = list(selectors[model])
    table = pd.concat(_rows(selectors), ignore_index=True)[_COLUMNS]
    # The sets themselves come first, also where a measure leaves them out.
    shown = list(dict.fromkeys([PAPER, *table["selector"]]))
    figure = style.new_figure(style.PAGE, 0.7 + len(names) * (0.45 + _LINE * len(shown)))
    grid = figure.subplots(len(names), len(_MEASURES), sharey=True, squeeze=False)
    colours = style.property_colours(names)
    for row, name in zip(grid, names, strict=True):
        for axes, (measure, looks) in zip(row, _MEASURES.items(), strict=True):
            if looks.level is not None:
                axes.axvline(looks.level, color=style.REFERENCE, linewidth=0.5, zorder=0)
            chosen = table[(table["property"] == name) & (table["measure"] == measure)]
            for role, of_role in chosen.groupby("role", sort=False):
                _plot(axes, of_role, shown, _look(role, colours[name]))
        neurons = table.loc[(table["property"] == name) & (table["model"] == model), "neurons"].iloc[0]
        row[0].set_title(f"{style.property_title(name)}, {neurons} neurons", color=colours[name], loc="left")
        row[0].set_yticks(range(len(shown)), [style.selector_title(one) for one in shown])
        row[0].set_ylim(len(shown) - 0.5, -0.5)
    for axes, looks in zip(grid[-1], _MEASURES.values(), strict=True):
        axes.set_xlabel(looks.title)
    style.legend_below(figure, list(_legend(table)))
    style.heading(figure, "Other ways of choosing as many neurons", model, corpus, note)
    return figure, table


def _rows(selectors: Mapping[str, ByProperty]) -> Iterator[pd.DataFrame]:
    shown, *_ = selectors
    for measure, looks in _MEASURES.items():
        for model, tables in selectors.items():
            for name, table in tables.items():
                chosen = table[(table["layer"] == ALL_LAYERS) & (table["group"] == ALL_GROUPS)]
                if measure == "jaccard":
                    chosen = chosen[chosen["selector"] != PAPER]
                yield chosen.assign(
                    measure=measure,
                    property=name,
                    model=model,
                    role="model" if model == shown else "control",
                    value=chosen[measure],
                    lowest=chosen[looks.lowest] if looks.lowest else float("nan"),
                    highest=chosen[looks.highest] if looks.highest else float("nan"),
                )


def _look(role: str, colour: str) -> dict[str, Any]:
    if role == "control":
        return {"color": style.CONTROL, "markersize": 3, "zorder": 2, **style.OF_CONTROL}
    return {"color": colour, "marker": "o", "markersize": 3.5, "zorder": 3}


def _plot(axes: Axes, rows: pd.DataFrame, shown: list[str], look: Mapping[str, Any]) -> None:
    # The control's points stand a little below the model's, or their ranges would hide each other.
    height = [shown.index(one) + (0.22 if look["color"] == style.CONTROL else -0.08) for one in rows["selector"]]
    axes.hlines(height, rows["lowest"], rows["highest"], color=look["color"], linewidth=0.9, zorder=1)
    axes.plot(rows["value"], height, linestyle="none", **look)


def _legend(table: pd.DataFrame) -> Iterator[Line2D]:
    halves = table["halves"].max()
    for role, model in table[["role", "model"]].drop_duplicates().itertuples(index=False):
        who = model if role == "model" else f"control {model}"
        yield Line2D([], [], linestyle="none", label=who, **_look(role, style.REFERENCE))
    if halves:
        label = f"mean and 95 % range of {halves} splits of the speakers"
        yield Line2D([], [], color=style.REFERENCE, linewidth=0.9, label=label)
