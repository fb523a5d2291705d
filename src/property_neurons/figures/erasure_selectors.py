"""The causal excess of each selector's neurons: harm to the own group less the others', less that of random neurons."""

from collections.abc import Iterator
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from property_neurons.erasure.table_terms import BEYOND, BY_UTTERANCE, MEAN, MOST_SPELLED_OUT, decimals_of
from property_neurons.errors import StoreError
from property_neurons.figures import style
from property_neurons.figures.erased_parts import mean_title, measure_title
from property_neurons.figures.rare_cells import read_counts_note
from property_neurons.neurons.statistics.vocabulary import PAPER
from property_neurons.stores.files import read_table
from property_neurons.tasks.intervals import interval_label

_LINE = 0.17
_NAMES = 1.3  # inches beside the panels
_PANEL = 1.7


def read(inputs: Any, params: Any) -> dict[str, Any]:
    """What `draw` takes.

    Raises:
        StoreError: the study's table has no rows: it has no selectors, or one group alone is tested.
    """
    table = read_table(inputs.table)
    if table.empty:
        raise StoreError(
            f"{inputs.table}: expected what selectors' neurons cost a group and others, found nothing; give the study "
            "selectors, and let the task's split test several groups"
        )
    return {
        "table": table[table["metric"] != BY_UTTERANCE],
        "model": params.model,
        "corpus": params.corpus,
        "note": read_counts_note(inputs.counts),
    }


def draw(table: pd.DataFrame, model: str, corpus: str, note: str = "") -> style.Drawing:
    """Draw each selector's causal excess: a panel for each group and their mean; of many groups only the mean.

    Args:
        table: of `erasure.specificity.selector_table`.
        model: name of the model that was fine-tuned.
        corpus: the corpus on which the neurons were chosen.
        note: what has to be known of the speech it was drawn from; see `rare_cells`.
    """
    groups = [*dict.fromkeys(table["erased"])]
    shown = [MEAN] if len(groups) > MOST_SPELLED_OUT + 1 else groups
    drawn = table[table["erased"].isin(shown)]
    metrics = [rows for _, rows in drawn.groupby("metric", sort=False)]
    selectors, property_ = [*dict.fromkeys(drawn["selector"])], drawn["property"].iloc[0]
    height = 0.9 + len(metrics) * (0.55 + _LINE * len(selectors))
    figure = style.new_figure(max(style.COLUMN, _NAMES + _PANEL * len(shown)), height)
    grid = figure.subplots(len(metrics), len(shown), squeeze=False, sharey=True, sharex="row")
    for row, rows in zip(grid, metrics, strict=True):
        for axes, group in zip(row, shown, strict=True):
            _plot(axes, rows[rows["erased"] == group], selectors)
            erased = f"erased: {style.group_title(group, property_)}"
            if axes in grid[0]:
                axes.set_title(mean_title(len(groups) - 1, property_) if group == MEAN else erased)
        # Room for what stands in brackets.
        left, right = row[0].get_xlim()
        row[0].set_xlim(left, right + 0.25 * (right - left))
        row[len(row) // 2].set_xlabel(measure_title(rows).replace("change of", "causal excess,"))
        row[0].set_yticks(range(len(selectors)), [style.selector_title(one) for one in selectors])
        row[0].set_ylim(len(selectors) - 0.5, -0.5)
    style.legend_below(figure, list(_legend(drawn["seeds"].min())))
    what = f"Erasing neurons of {style.property_title(property_)}, as many chosen in other ways"
    style.heading(figure, what, model, f"found on {corpus}", note)
    return figure, drawn


def _plot(axes: Axes, rows: pd.DataFrame, selectors: list[str]) -> None:
    axes.axvline(0, color=style.REFERENCE, linewidth=0.6, zorder=0)
    for row in rows.itertuples():
        place, colour = selectors.index(row.selector), style.BLUE if row.selector == PAPER else style.REFERENCE
        axes.plot([row.causal_excess_low, row.causal_excess_high], [place, place], color=colour, linewidth=1.2)
        face = colour if row.causal_excess_q <= BEYOND else "white"
        axes.plot([row.causal_excess], [place], marker="o", markersize=4.5, color=colour, markerfacecolor=face)
        if row.causal_excess_q > BEYOND and pd.notna(row.causal_excess_detectable):
            style.write_detectable(axes, place, row.causal_excess_detectable, decimals_of(row.unit))


def _legend(seeds: int) -> Iterator[Line2D]:
    dark = {"color": style.REFERENCE, "markersize": 4.5, "linewidth": 1.2}
    yield Line2D([], [], marker="o", label=f"q ≤ {BEYOND}", **dark)
    yield Line2D([], [], marker="o", markerfacecolor="white", label="not shown (smallest detectable)", **dark)
    yield Line2D([], [], label=interval_label(seeds), **dark)
