"""Activation patterns: the neurons a cell (one phone under one condition) keeps among its most active (section 1)."""

from typing import Protocol

import numpy as np

from property_neurons.neurons.definition import SetDefinition
from property_neurons.ranks.sites import Site


class CellCounts(Protocol):
    """Counts of the cells that sets are made of: those of a count store, or sums over units.

    phone_cell_n: int64 [phone cells], counted frames. phone_cell_groups: int64 [phone cells], index into `groups`.
    """

    sites: tuple[Site, ...]
    lambda_: float
    tau: tuple[int, ...]
    groups: tuple[str, ...]

    @property
    def phone_cell_n(self) -> np.ndarray: ...

    @property
    def phone_cell_groups(self) -> np.ndarray: ...

    def phone_cell_counts(self, site: int) -> np.ndarray:
        """int64 [phone cells, neurons], groups first, phones in the order of `PHONES`."""
        ...


def activation_patterns(
    counts: np.ndarray, n: np.ndarray, definition: SetDefinition, *, lambda_: float, tau: int
) -> np.ndarray:
    """The pattern S of each cell: the neurons active in more than a share of its frames, strictly.

    Args:
        counts: int64 [cells, neurons], frames of a cell in which a neuron was among the `tau` most active.
        n: int64 [cells], frames of a cell.
        definition: of the share, and of cells whose pattern is empty.

    Returns:
        bool [cells, neurons]
    """
    least = definition.least_counts(n, lambda_=lambda_, tau=tau, width=counts.shape[1])
    return counts >= least[:, np.newaxis]


def site_patterns(counts: CellCounts, site: int, definition: SetDefinition) -> np.ndarray:
    """The patterns of a property's phone cells at one site, groups first, phones in the order of `PHONES`.

    Returns:
        bool [phone cells, neurons], rows as in `counts.phone_cells`
    """
    return activation_patterns(
        counts.phone_cell_counts(site),
        counts.phone_cell_n,
        definition,
        lambda_=counts.lambda_,
        tau=counts.tau[site],
    )
