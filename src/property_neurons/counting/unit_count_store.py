"""A store of counts by unit; `unit_counts` makes it."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import zarr
from scipy.sparse import csr_array

from property_neurons.ranks.sites import Site
from property_neurons.stores.zarr import attributes, open_store

Level = Literal["speaker", "utterance", "stretch", "run", "speaker and group", "speaker, phone and group"]

_OF_SPEAKER = frozenset({"utterance", "stretch", "speaker and group"})

ROW_COLUMNS = ("speaker", "unit", "phone", "group", "n")
_ATTRIBUTES = frozenset(
    "model corpus property level sites lambda tau groups strata phones pools dealings cells".split()  # noqa: SIM905
)


@dataclass(frozen=True)
class UnitCounts:
    """A store of counts by unit and phone; a row is one phone of one unit.

    level: what a unit is.
    groups, phones, speakers: names that the columns index.
    pools: the speakers that count as one, each by itself where there is room; see `speakers`.
    dealings: where units are summed up, how often their labels were dealt to be counted, as they are (0) among them;
        else 1. See `dealt`.
    strata: names of the parts of each group, where `groups` are parts (see `properties.Layout`); else empty.
    cells: bool [groups, phones], those that the property has; where the phone itself has the group, one a phone.
    speaker, unit, phone, group: int32 [rows]. Rows of a unit share its speaker, and its group except where the phone
        itself is the group.
    n: int32 [rows], counted frames.
    """

    model: str
    corpus: str
    property_name: str
    level: Level
    sites: tuple[Site, ...]
    lambda_: float
    tau: tuple[int, ...]
    groups: tuple[str, ...]
    strata: tuple[str, ...]
    phones: tuple[str, ...]
    pools: tuple[tuple[str, ...], ...]
    dealings: int
    cells: np.ndarray
    speaker: np.ndarray
    unit: np.ndarray
    phone: np.ndarray
    group: np.ndarray
    n: np.ndarray
    store: zarr.Group

    @property
    def speakers(self) -> tuple[str, ...]:
        """Of each pool the first, whose name it has."""
        return tuple(pool[0] for pool in self.pools)

    @property
    def pooled(self) -> int:
        """How many speakers count as one, at most."""
        return max(map(len, self.pools), default=1)

    @property
    def of_phone(self) -> bool:
        """Whether the phone itself has the group: then a group is made of its phones, else of all phones in it."""
        return bool((self.cells.sum(axis=0) == 1).all())

    @property
    def phone_cell_groups(self) -> np.ndarray:
        """The group of each cell, groups first: int64, index into `groups`."""
        return np.nonzero(self.cells)[0]

    @property
    def phone_cell_n(self) -> np.ndarray:
        """Counted frames of each cell: int64 [cells]."""
        return self._cell_of_rows @ self.n.astype(np.int64)

    def phone_cell_counts(self, site: int) -> np.ndarray:
        """The counts of one site summed over units: int64 [cells, neurons]."""
        return (self._cell_of_rows @ self.site_counts(site)).toarray()

    def dealt(self, dealing: int) -> "UnitCounts":
        """The same counts with the labels of a dealing; 0: as they are."""
        if not dealing:
            return self
        store = self.store[f"dealt/{dealing}"]
        return replace(self, **{name: store[f"rows/{name}"][:] for name in ROW_COLUMNS}, store=store)

    @property
    def _cell_of_rows(self) -> csr_array:
        number = np.cumsum(self.cells.ravel()).reshape(self.cells.shape) - 1
        rows = np.arange(len(self.n))
        ones = np.ones(len(rows), np.int64)
        return csr_array((ones, (number[self.group, self.phone], rows)), (int(self.cells.sum()), len(rows)))

    def site_counts(self, site: int) -> csr_array:
        """In how many frames of each row each neuron was among the most active: int32 [rows, neurons], sparse."""
        name = f"{site:02d}"
        indptr = np.concatenate([[0], np.cumsum(self.store[f"stored/{name}"][:], dtype=np.int64)])
        shape = (len(self.n), self.sites[site].width)
        # Below 2^31 the same numbers, and no second copy of them.
        return csr_array(
            (self.store[f"values/{name}"][:].view(np.int32), self.store[f"neurons/{name}"][:], indptr), shape
        )


def unit_blocks(level: Level, speaker: np.ndarray, phone: np.ndarray, n_phones: int) -> np.ndarray:
    """Among which units labels may change places, as a number for each unit: int64 [units].

    Speakers among all; utterances, and stretches of frames, among those of one speaker; runs among runs of the same
    phone of one speaker.

    Args:
        speaker, phone: of each unit.
    """
    if level == "speaker":
        return np.zeros(len(speaker), np.int64)
    speaker = speaker.astype(np.int64)
    return speaker if level in _OF_SPEAKER else speaker * n_phones + phone


def open_unit_counts(path: str | Path) -> UnitCounts:
    """Open a store of counts by unit.

    Raises:
        StoreError: the store is absent, damaged or of another kind.
    """
    store = open_store(path)
    remedy = "give the path of such a store, or delete it and run again where an earlier version made it"
    attrs = attributes(store, path, "counts by unit", _ATTRIBUTES, remedy)
    groups, phones = tuple(attrs["groups"]), tuple(attrs["phones"])
    cells = np.zeros((len(groups), len(phones)), dtype=bool)
    cells[tuple(np.array(attrs["cells"], dtype=np.int64).reshape(-1, 2).T)] = True
    return UnitCounts(
        model=attrs["model"],
        corpus=attrs["corpus"],
        property_name=attrs["property"],
        level=attrs["level"],
        sites=tuple(Site(**site) for site in attrs["sites"]),
        lambda_=attrs["lambda"],
        tau=tuple(attrs["tau"]),
        groups=groups,
        strata=tuple(attrs["strata"]),
        phones=phones,
        pools=tuple(map(tuple, attrs["pools"])),
        dealings=attrs["dealings"],
        cells=cells,
        **{name: store[f"rows/{name}"][:] for name in ROW_COLUMNS},
        store=store,
    )
