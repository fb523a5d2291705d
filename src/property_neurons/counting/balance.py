"""Thinning each phone to as many frames in every group, so that no group has more speech than another."""

from dataclasses import dataclass

import numpy as np

from property_neurons.counting.unit_count_store import UnitCounts
from property_neurons.ranks.sites import Site

_MOST = np.iinfo(np.int64).max


def frames_left(n: np.ndarray) -> np.ndarray:
    """How many of one phone's frames are left, as many in every group that has some: int64, shape of `n`.

    Args:
        n: int64 [groups] or [groups, M].
    """
    return np.minimum(n, np.where(n > 0, n, _MOST).min(axis=0))


def thinned(
    counts: np.ndarray, n: np.ndarray, rng: np.random.Generator, most: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """One phone's counts after its frames are thinned to as many in every group that has some.

    Each neuron's frames are sampled without replacement.

    Args:
        counts: int64 [groups, neurons, M], frames in which a neuron is active, under each of M labellings.
        n: int64 [groups, M], frames.
        most: leave so many at most.

    Returns:
        The same two for the frames that are left.
    """
    left = frames_left(n) if most is None else np.minimum(frames_left(n), most)
    return rng.hypergeometric(counts, n[:, np.newaxis] - counts, left[:, np.newaxis]), left


def thinning(units: UnitCounts, site: int, seed: int | None) -> np.random.Generator | None:
    """What samples the frames of one site.

    None where nothing is thinned: without a seed, or where the phone itself has the group, so that no phone is in two.
    """
    return None if seed is None or units.of_phone else np.random.default_rng([seed, 3, site])


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
        n = self.units.phone_cell_n
        for cells in self._cells_of_phones():
            n[cells] = frames_left(n[cells])
        return n

    def phone_cell_counts(self, site: int) -> np.ndarray:
        """The counts of one site for the frames that are left: int64 [cells, neurons]."""
        counts, n = self.units.phone_cell_counts(site).astype(np.int64), self.units.phone_cell_n
        rng = thinning(self.units, site, self.seed)
        for cells in self._cells_of_phones():
            counts[cells] = thinned(counts[cells, :, np.newaxis], n[cells, np.newaxis], rng)[0][..., 0]
        return counts

    def _cells_of_phones(self) -> list[np.ndarray]:
        """The cells of each phone that is thinned: int64 each."""
        phones = np.nonzero(self.units.cells)[1]
        return [] if self.units.of_phone else [np.flatnonzero(phones == phone) for phone in np.unique(phones)]
