"""Activation patterns: the neurons a cell (one phone under one condition) keeps among its most active (section 1)."""

from fractions import Fraction
from typing import Literal

import numpy as np

from property_neurons.counting.count_store import Counts

Threshold = Literal["lambda", "tau_over_width"]


def activation_patterns(
    counts: np.ndarray,
    n: np.ndarray,
    *,
    threshold: Threshold,
    lambda_: float,
    tau: int,
    min_count: int = 0,
) -> np.ndarray:
    """The pattern S of each cell: the neurons active in more than a share of its frames, strictly.

    Args:
        counts: int64 [cells, neurons], frames of a cell in which a neuron was among the `tau` most active.
        n: int64 [cells], frames of a cell.
        threshold: the share is `lambda_` (the paper), or `tau` / neurons (the authors' code).
        min_count: cells with fewer frames get an empty pattern, as cells without frames always do.

    Returns:
        bool [cells, neurons]
    """
    share = Fraction(tau, counts.shape[1]) if threshold == "tau_over_width" else Fraction(str(lambda_))
    # counts > share * n, held against the whole part of share * n: exact in integers, where p = counts / n would round.
    most = np.array([share.numerator * int(frames) // share.denominator for frames in n], dtype=np.int64)
    observed = n >= max(1, min_count)
    return (counts > most[:, np.newaxis]) & observed[:, np.newaxis]


def site_patterns(counts: Counts, site: int, *, threshold: Threshold, min_count: int = 0) -> np.ndarray:
    """The patterns of a property's phone cells at one site, groups first, phones in the order of `PHONES`.

    Returns:
        bool [phone cells, neurons], rows as in `counts.phone_cells`
    """
    return activation_patterns(
        counts.site_counts(site)[counts.phone_cells],
        counts.n[counts.phone_cells],
        threshold=threshold,
        lambda_=counts.lambda_,
        tau=counts.tau[site],
        min_count=min_count,
    )
