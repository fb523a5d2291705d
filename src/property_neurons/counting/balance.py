"""Thinning each phone to as many frames in every group, so that no group has more speech than another."""

from dataclasses import dataclass

import numpy as np

from property_neurons.counting.unit_count_store import UnitCounts
from property_neurons.ranks.sites import Site

_MOST = np.iinfo(np.int64).max


def thinned(counts: np.ndarray, n: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """One phone's counts after its frames are thinned to as many in every group that has some.

    Each neuron's frames are sampled without replacement.

    Args:
        counts: int64 [groups, neurons, M], frames in which a neuron is active, under each of M labellings.
        n: int64 [groups, M], frames.

    Returns:
        The same two for the frames that are left.
    """
    left = np.minimum(n, np.where(n > 0, n, _MOST).min(axis=0))
    return rng.hypergeometric(counts, n[:, np.newaxis] - counts, left[:, np.newaxis]), left


def thinning(units: UnitCounts, site: int, seed: int) -> np.random.Generator | None:
    """What samples the frames of one site.

    None where the phone itself has the group: no phone is in two groups, and nothing is thinned.
    """
    return None if units.of_phone else np.random.default_rng([seed, 3, site])


@dataclass(frozen=True)
class BalancedCells:
    """Counts of cells after thinning, as `patterns.CellCounts`: those of the sets of `SiteUnits` with the same seed."""

    units: UnitCounts
    seed: int

    @property
    def sites(self) -> tuple[Site, ...]:
        """As of `units`."""
        return self.units.sites

    @property
    def lambda_(self) -> float:
        """As of `units`."""
        return self.units.lambda_

    @property
    def tau(self) -> tuple[int, ...]:
        """As of `units`."""
        return self.units.tau

    @property
    def groups(self) -> tuple[str, ...]:
        """As of `units`."""
        return self.units.groups

    @property
    def phone_cell_groups(self) -> np.ndarray:
        """As of `units`."""
        return self.units.phone_cell_groups

    @property
    def phone_cell_n(self) -> np.ndarray:
        """Frames that are left of each cell: int64 [cells]."""
        return self._thinned(0)[1]

    def phone_cell_counts(self, site: int) -> np.ndarray:
        """The counts of one site for the frames that are left: int64 [cells, neurons]."""
        return self._thinned(site)[0]

    def _thinned(self, site: int) -> tuple[np.ndarray, np.ndarray]:
        counts, n = self.units.phone_cell_counts(site).astype(np.int64), self.units.phone_cell_n
        rng = thinning(self.units, site, self.seed)
        phones = np.nonzero(self.units.cells)[1]
        for phone in range(len(self.units.phones) if rng else 0):
            cells = np.flatnonzero(phones == phone)
            if len(cells):
                left, n_left = thinned(counts[cells, :, np.newaxis], n[cells, np.newaxis], rng)
                counts[cells], n[cells] = left[..., 0], n_left[:, 0]
        return counts, n
