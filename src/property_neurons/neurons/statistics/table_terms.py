"""Words in the tables of statistics. A module of its own, so that figures depend on no statistic's code."""

import pandas as pd

# In the tables by layer: of all layers together, and of all groups together, that is, of P.
ALL_LAYERS, ALL_GROUPS = 0, ""


def of_all_groups(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of P in a table of statistics, one for each layer in order, without the row of all layers."""
    chosen = table[(table["group"] == ALL_GROUPS) & (table["layer"] != ALL_LAYERS)]
    return chosen.sort_values("layer").reset_index(drop=True)


def of_all_layers(table: pd.DataFrame) -> pd.Series:
    """What the table of the null says of P in all layers together."""
    return table[(table["group"] == ALL_GROUPS) & (table["layer"] == ALL_LAYERS)].iloc[0]
