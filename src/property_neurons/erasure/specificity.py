"""Whether a selector chooses neurons of the group's own: how their erasure harms the group, and others."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from property_neurons.erasure.conditions import GROUP
from property_neurons.erasure.report import (
    FIXED,
    Cell,
    Measured,
    add_causal_excess,
    cell_of,
    column_of,
    measured_runs,
)
from property_neurons.erasure.table_terms import MEAN, OTHERS, OWN
from property_neurons.neurons.statistics.false_discovery import q_values
from property_neurons.neurons.statistics.vocabulary import PAPER

_ESTIMATED = ("causal_excess", "over_paper")
COLUMNS = [
    *FIXED,
    *("selector", "sigma", "neurons", "neurons_per_layer", "own", "others", "random_own", "random_others"),
    *(column_of(name, of) if of else name for name in _ESTIMATED for of in ("", "low", "high", "p", "q", "detectable")),
    *("utterances", "speakers", "draws", "seeds"),
]


def selector_table(study: str, folders: Sequence[str | Path]) -> pd.DataFrame:
    """A row (`COLUMNS`) for each measure, selector and erased group, and for the mean over these groups.

    own, others: change of the error of the group, and of all others, by erasing the neurons that the selector chooses
        for it. random_own, random_others: the same by random neurons like these, mean over draws.
    causal_excess: own less others, less the same of random neurons. over_paper: causal_excess less that of the sets of
        equations 3 to 5. Both have a 95 % interval, p, q (p corrected over the table) and the detectable difference;
        see `estimates.Estimate`. The mean is over these groups alone: groups are not resampled.

    Empty for a study without selectors, without draws, or whose test part has one group alone.

    Args:
        folders: of the study's seeds, written by `erasure.erase_groups`.

    Raises:
        StoreError: as `report.erasure_tables`.
    """
    rows = [row for measured in measured_runs(study, folders) for row in _rows(measured)]
    table = pd.DataFrame(rows, columns=COLUMNS)
    for name in _ESTIMATED:
        table[column_of(name, "q")] = q_values(table[column_of(name, "p")].astype("float64"))
    return table


def _rows(measured: Measured) -> Iterator[dict[str, Any]]:
    conditions = measured.runs[0].conditions
    selectors = list(dict.fromkeys(conditions.loc[conditions["kind"] == GROUP, "selector"]))
    groups = [group for group in measured.erased if group in measured.tested]
    if len(selectors) < 2 or len(measured.tested) < 2:
        return
    paper: list[Cell] = []
    for selector in selectors:
        cells = [_cell(measured, selector, group) for group in groups]
        cells.append(_mean(cells))
        if selector == PAPER:
            paper = cells
        for cell, of_paper in zip(cells, paper, strict=True):
            if selector != PAPER:
                _add_over_paper(cell, of_paper)
            yield cell.row


def _cell(measured: Measured, selector: str, group: str) -> Cell:
    at = {"erased": group, "sigma": measured.sigma, "dose": 1.0, "selector": selector}
    own, others = (cell_of(measured, at, part) for part in (OWN, OTHERS))
    add_causal_excess(own, others)
    changes = {"own": own.row["delta"], "others": others.row["delta"]}
    changes |= {"random_own": own.row["random_mean"], "random_others": others.row["random_mean"]}
    units = min(own.row["units"], others.row["units"])
    return Cell(own.row | changes | {"selector": selector, "units": units}, own.values, own.resampled, own.drawn)


def _mean(cells: Sequence[Cell]) -> Cell:
    table = pd.DataFrame([cell.row for cell in cells])
    means = {name: table[name].mean() for name in ("neurons", "own", "others", "random_own", "random_others")}
    row = cells[0].row | means | {"erased": MEAN, "neurons_per_layer": "", "units": table["units"].min()}
    row |= {"utterances": table["utterances"].sum(), "speakers": table["speakers"].max()}
    mean = Cell(row)
    values = np.mean([cell.values["causal_excess"] for cell in cells], axis=0)
    resampled = np.mean([cell.resampled["causal_excess"] for cell in cells], axis=0)
    drawn = np.mean([cell.drawn["causal_excess"] for cell in cells], axis=0)
    mean.add("causal_excess", values, resampled, row["units"], drawn)
    return mean


def _add_over_paper(cell: Cell, paper: Cell) -> None:
    name = "causal_excess"
    more, resampled, drawn = (
        getattr(cell, of)[name] - getattr(paper, of)[name] for of in ("values", "resampled", "drawn")
    )
    cell.add("over_paper", more, resampled, cell.row["units"], drawn)
