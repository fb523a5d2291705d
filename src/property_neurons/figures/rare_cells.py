"""The line of a figure about cells with too few frames for a reliable pattern."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from property_neurons.counting.count_store import Counts, open_counts
from property_neurons.figures import style
from property_neurons.neurons.cells import cell_table, pattern_cells
from property_neurons.stores.files import read_table
from property_neurons.stores.manifests import store_path


def read_note(paths: Sequence[str | Path], properties: Sequence[str]) -> str:
    """As `rare_cells_note`, of the tables of cells of these properties, given in that order."""
    return rare_cells_note({name: read_table(path) for path, name in zip(paths, properties, strict=True)})


def rare_cells_note(cells: Mapping[str, pd.DataFrame]) -> str:
    """The line of a figure that draws from rare cells: how many of how many, by property; "" where there are none.

    Args:
        cells: by property, of `neurons.cells.cell_table`.
    """
    found = [
        f"{style.property_title(name)} {table['rare'].sum()} of {len(pattern_cells(table))}"
        for name, table in cells.items()
        if table["rare"].any()
    ]
    return f"Too little speech (cells of fewer than 1/λ frames): {', '.join(found)}" if found else ""


def read_counts_note(manifest: str | Path) -> str:
    """As `rare_cells_note`, of the counts of one property."""
    counts = open_counts(store_path(manifest))
    return rare_cells_note({counts.property_name: cell_table(counts)})


def rare_phone_note(counts: Counts, phone: str) -> str:
    """The same for a figure of the one cell of a phone."""
    cells = cell_table(counts)
    cell = cells[cells["label"] == phone].iloc[0]
    return f"Too little speech: {cell['n']} frames, fewer than 1/λ" if cell["rare"] else ""
