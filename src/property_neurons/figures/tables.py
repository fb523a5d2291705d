"""Reading the tables that figures draw."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path

import pandas as pd

from property_neurons.stores.files import read_table

ByProperty = dict[str, pd.DataFrame]
"""A table for each property."""


def read_tables(paths: Sequence[str | Path], models: Sequence[str], properties: Sequence[str]) -> dict[str, ByProperty]:
    """The tables of each model and property, given in that order: {model: {property: table}}."""
    tables: dict[str, ByProperty] = {model: {} for model in models}
    for path, (model, name) in zip(paths, product(models, properties), strict=True):
        tables[model][name] = read_table(path)
    return tables
