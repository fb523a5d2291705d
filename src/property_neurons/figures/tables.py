"""Reading the tables that figures draw."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path

import pandas as pd

from property_neurons.figures.published import Published, read_published
from property_neurons.stores.files import read_table


def read_tables(
    paths: Sequence[str | Path], models: Sequence[str], properties: Sequence[str]
) -> dict[str, dict[str, pd.DataFrame]]:
    """The tables of each model and property, given in that order: {model: {property: table}}."""
    tables: dict[str, dict[str, pd.DataFrame]] = {model: {} for model in models}
    for path, (model, name) in zip(paths, product(models, properties), strict=True):
        tables[model][name] = read_table(path)
    return tables


def read_references(path: str | Path, names: dict[str, str | None]) -> dict[str, Published]:
    """The published values of those models that are the paper's: {model: values}; `names` says which."""
    return {model: read_published(path, name) for model, name in names.items() if name is not None}
