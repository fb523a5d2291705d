"""Reading a count store: in how many frames of each cell each neuron was among the most active."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from property_neurons.corpus.group_names import names_problem
from property_neurons.corpus.phones import NEVER_IN_A_SET
from property_neurons.errors import StoreError
from property_neurons.ranks.sites import Site
from property_neurons.stores.zarr import open_store


@dataclass(frozen=True)
class Counts:
    """A count store, its counts read site by site.

    lambda_: share of neurons that count as active; tau: their number, for each site.
    groups: names, in order.
    cells: (group, label); the group is "" for labels that the property gives none.
    n: int64 [cells], counted frames.
    ties: rows of the rank stores in which the lowest index decided which neuron was the last active one, per site.
    unranked: sampled frames of a cell that the model made no frame for (an utterance's last).
    settings: the resolved options.
    """

    model: str
    corpus: str
    property_name: str
    sites: tuple[Site, ...]
    lambda_: float
    tau: tuple[int, ...]
    groups: tuple[str, ...]
    cells: tuple[tuple[str, str], ...]
    n: np.ndarray
    ties: tuple[int, ...]
    unranked: int
    pitch_cuts_hz: tuple[float, float] | None
    settings: dict[str, Any]
    store: zarr.Group

    def site_counts(self, site: int) -> np.ndarray:
        """The counts of one site: int64 [cells, neurons]."""
        return self.store[f"counts/{site:02d}"][:]

    @property
    def phone_cells(self) -> np.ndarray:
        """Indices of the cells that sets are made of: a phone in a group, groups first."""
        in_a_set = [group != "" and label not in NEVER_IN_A_SET for group, label in self.cells]
        return np.flatnonzero(in_a_set)

    @property
    def phone_cell_n(self) -> np.ndarray:
        """Counted frames of each of `phone_cells`: int64."""
        return self.n[self.phone_cells]

    def phone_cell_counts(self, site: int) -> np.ndarray:
        """The counts of one site in `phone_cells`: int64 [phone cells, neurons]."""
        return self.site_counts(site)[self.phone_cells]

    @property
    def phone_cell_groups(self) -> np.ndarray:
        """The group of each of `phone_cells`: int64, index into `groups`."""
        index_of = {group: index for index, group in enumerate(self.groups)}
        return np.array([index_of[self.cells[cell][0]] for cell in self.phone_cells], dtype=np.int64)


def open_counts(path: str | Path) -> Counts:
    """Open a count store.

    Raises:
        StoreError: the store is absent or damaged, or a group in it has no name.
    """
    store = open_store(path)
    attrs = dict(store.attrs)
    if "cells" not in attrs:
        raise StoreError(f"{path}: expected a count store, found {sorted(attrs)}; give the path of a count store")
    if problem := names_problem(attrs["groups"]):
        raise StoreError(
            f"{path}: expected groups with names, found {problem}; correct the property and count it again"
        )
    cuts = attrs["pitch_cuts_hz"]
    return Counts(
        model=attrs["model"],
        corpus=attrs["corpus"],
        property_name=attrs["property"],
        sites=tuple(Site(**site) for site in attrs["sites"]),
        lambda_=attrs["lambda"],
        tau=tuple(attrs["tau"]),
        groups=tuple(attrs["groups"]),
        cells=tuple((group, label) for group, label in attrs["cells"]),
        n=store["n"][:],
        ties=tuple(attrs["ties"]),
        unranked=attrs["unranked"],
        pitch_cuts_hz=None if cuts is None else (cuts[0], cuts[1]),
        settings=attrs["settings"],
        store=store,
    )
