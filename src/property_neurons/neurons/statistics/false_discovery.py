"""One correction for many tests, and what a test could have seen."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control, norm

# Standard deviations beyond a critical value at which 80 studies of 100 exceed it.
POWER = float(norm.ppf(0.80))


def q_values(p: Sequence[float] | np.ndarray) -> np.ndarray:
    """The p-values of one table by Benjamini and Hochberg (1995): the least false discovery rate at which each passes.

    NaN stands for no test; it stays NaN and does not count.
    """
    p = np.asarray(p, np.float64)
    q, known = np.full(p.shape, np.nan), ~np.isnan(p)
    if known.any():
        q[known] = false_discovery_control(p[known])
    return q


def with_q(table: pd.DataFrame) -> pd.DataFrame:
    """A table whose q corrects its p over all rows, those of all layers and all groups among them."""
    return table.assign(q=q_values(table["p"].to_numpy(dtype=np.float64)))
