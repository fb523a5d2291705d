"""Thinning each phone to as many frames in every group, so that no group has more speech than another."""

from dataclasses import dataclass, fields

import numpy as np
from scipy.sparse import csr_array

from property_neurons.counting.unit_count_store import UnitCounts


@dataclass(frozen=True)
class BalancedUnits(UnitCounts):
    """Counts by unit after thinning; `n` says how many frames are left of each row.

    whole: what it was thinned from, row by row.
    """

    whole: UnitCounts
    seed: int

    def site_counts(self, site: int) -> csr_array:
        """The counts of one site for the frames that are left, each neuron's frames sampled without replacement."""
        counts = self.whole.site_counts(site)
        row = np.repeat(np.arange(len(self.n)), np.diff(counts.indptr))
        rng = np.random.default_rng([self.seed, 3, site])
        counts.data = rng.hypergeometric(counts.data, self.whole.n[row] - counts.data, self.n[row]).astype(np.int32)
        counts.eliminate_zeros()
        return counts


def balanced(units: UnitCounts, seed: int) -> UnitCounts:
    """Thin each phone's frames to as many in every group that has some, at random over its rows.

    Where the phone itself has the group, no phone is in two groups, and nothing changes.
    """
    if units.of_phone:
        return units
    rng = np.random.default_rng([seed, 3])
    n = units.n.astype(np.int64)
    for phone in range(len(units.phones)):
        rows = [np.flatnonzero((units.phone == phone) & (units.group == group)) for group in range(len(units.groups))]
        least = min((int(n[one].sum()) for one in rows if len(one)), default=0)
        for one in rows:
            if len(one):
                n[one] = rng.multivariate_hypergeometric(n[one], least, method="marginals")
    own = {field.name: getattr(units, field.name) for field in fields(UnitCounts)}
    return BalancedUnits(**own | {"n": n.astype(np.int32)}, whole=units, seed=seed)
