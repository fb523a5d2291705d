"""From patterns to group neurons and property neurons (equations 3 to 5)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from property_neurons.errors import CountingError, printable, some_of
from property_neurons.neurons.definition import SetDefinition
from property_neurons.neurons.patterns import CellCounts, site_patterns

_COLUMN_TYPES = {
    "layer": "int64",
    "site": "str",
    "group": "str",
    "neuron": "int64",
    "share": "float64",
    "exclusive": "bool",
    "width": "int64",
}


@dataclass(frozen=True)
class NeuronSets:
    """The neuron sets of one layer.

    share: float64 [groups, neurons], share of a group's phones whose pattern holds the neuron.
    members: bool [groups, neurons], N_i of equation 3.
    group_neurons: bool [groups, neurons], G_i of equation 4. A neuron is in at most one.
    """

    share: np.ndarray
    members: np.ndarray
    group_neurons: np.ndarray

    @property
    def property_neurons(self) -> np.ndarray:
        """P of equation 5: bool [neurons]."""
        return self.group_neurons.any(axis=0)


def neuron_sets(
    patterns: np.ndarray,
    group_of_row: np.ndarray,
    n_groups: int,
    definition: SetDefinition,
    kept: np.ndarray | None = None,
    names: Sequence[str] = (),
) -> NeuronSets:
    """The neurons that at least a share sigma of a group's phones have in their pattern, and no other group has.

    A group of one phone takes that phone's pattern, whatever sigma (above 0) is.

    Args:
        patterns: bool [rows, neurons]
        group_of_row: int [rows], 0 <= group < `n_groups`; each group has at least one row.
        kept: bool [rows], rows that count among their group's phones; None for all. A group that keeps none has no
            member.
        names: of the groups, for messages.

    Raises:
        CountingError: there is no group, or one without a row: every neuron would be in its set.
    """
    rows = np.bincount(group_of_row, minlength=n_groups)
    empty = [names[group] if names else str(group + 1) for group in np.flatnonzero(rows[:n_groups] == 0)]
    if empty or not n_groups:
        raise CountingError(
            f"neuron sets of {n_groups} groups: expected at least one phone in each, found none in "
            f"{some_of([printable(name) for name in empty]) or 'any'}; give each group phones, and count again"
        )
    kept = np.ones(len(patterns), dtype=bool) if kept is None else kept
    sizes = np.bincount(group_of_row[kept], minlength=n_groups)
    holding = np.stack([patterns[kept & (group_of_row == group)].sum(axis=0) for group in range(n_groups)])
    members = (holding >= definition.needed(sizes)[:, np.newaxis]) & (sizes > 0)[:, np.newaxis]
    return NeuronSets(
        share=holding / np.maximum(sizes, 1)[:, np.newaxis],
        members=members,
        group_neurons=members & (members.sum(axis=0) == 1),
    )


def site_sets(counts: CellCounts, definition: SetDefinition) -> list[NeuronSets]:
    """The neuron sets of every feed-forward network, in the model's order."""
    return [
        neuron_sets(
            site_patterns(counts, index, definition),
            counts.phone_cell_groups,
            len(counts.groups),
            definition,
            definition.kept(counts.phone_cell_n),
            counts.groups,
        )
        for index in range(len(counts.sites))
    ]


def neuron_table(counts: CellCounts, definition: SetDefinition) -> pd.DataFrame:
    """Every member of every N_i: layer, site, group, neuron, share, exclusive (in G_i), width.

    `layer` numbers the sites from 1 in the model's order (a block with two feed-forward layers has two).
    A layer without members has no row: see `layer_summary`.
    """
    tables = []
    found = site_sets(counts, definition)
    for index, (site, sets) in enumerate(zip(counts.sites, found, strict=True)):
        group, neuron = np.nonzero(sets.members)
        tables.append(
            pd.DataFrame(
                {
                    "layer": index + 1,
                    "site": site.name,
                    "group": np.array(counts.groups, dtype=object)[group],
                    "neuron": neuron,
                    "share": sets.share[group, neuron],
                    "exclusive": sets.group_neurons[group, neuron],
                    "width": site.width,
                }
            ).astype(_COLUMN_TYPES)
        )
    return pd.concat(tables, ignore_index=True)


def layer_summary(table: pd.DataFrame, counts: CellCounts) -> pd.DataFrame:
    """Sizes of the sets in every layer and group, zeros included.

    Returns:
        layer, site, width, group, members (|N_i|), group_neurons (|G_i|), property_neurons (|P|, repeated per group)
    """
    layers = range(1, len(counts.sites) + 1)
    cells = pd.MultiIndex.from_product([layers, counts.groups], names=["layer", "group"])
    sizes = table.groupby(["layer", "group"])["exclusive"].agg(members="size", group_neurons="sum")
    summary = sizes.reindex(cells, fill_value=0).astype("int64").reset_index()
    sites = [counts.sites[layer - 1] for layer in summary["layer"]]
    summary.insert(1, "site", [site.name for site in sites])
    summary.insert(2, "width", [site.width for site in sites])
    # The G_i of a layer share no neuron, so their sizes add up to that of their union P.
    summary["property_neurons"] = summary.groupby("layer")["group_neurons"].transform("sum")
    return summary
