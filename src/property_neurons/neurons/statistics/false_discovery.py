"""One correction for many tests."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import false_discovery_control


def q_values(p: Sequence[float] | np.ndarray) -> np.ndarray:
    """The p-values of one table by Benjamini and Hochberg (1995): the least false discovery rate at which each passes.

    NaN stands for no test; it stays NaN and does not count.
    """
    p = np.asarray(p, np.float64)
    q, known = np.full(p.shape, np.nan), ~np.isnan(p)
    if known.any():
        q[known] = false_discovery_control(p[known])
    return q
