"""Neuron tables as masks: which neurons of each feed-forward network are in a set."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from property_neurons.errors import ModelError, some_of


def property_masks(table: pd.DataFrame, widths: Sequence[int], *, name: str = "neuron table") -> list[np.ndarray]:
    """The property neurons P (equation 5) of a neuron table: bool [neurons] for each feed-forward network.

    Args:
        table: what `groups.neuron_table` made: its exclusive rows are the group neurons, whose union P is.
        widths: of the networks of the model that the masks are for.
        name: of the table, for messages.

    Raises:
        ModelError: the table is of a model of other widths, or names a neuron that is not there.
    """
    return _masks(table[table["exclusive"]], widths, name)


def group_masks(
    table: pd.DataFrame, group: str, widths: Sequence[int], *, name: str = "neuron table"
) -> list[np.ndarray]:
    """The group neurons G (equation 4) of one group: bool [neurons] for each feed-forward network.

    Raises:
        ModelError: the table is of a model of other widths, or names a neuron that is not there.
    """
    return _masks(table[table["exclusive"] & (table["group"] == group)], widths, name)


def layer_masks(rows: pd.DataFrame, widths: Sequence[int]) -> list[np.ndarray]:
    """The neurons that rows of `layer` (from 1) and `neuron` name: bool [neurons] for each feed-forward network."""
    masks = [np.zeros(width, dtype=bool) for width in widths]
    for layer, part in rows.groupby("layer"):
        masks[layer - 1][part["neuron"].to_numpy()] = True
    return masks


def union(masks: Iterable[Sequence[np.ndarray]]) -> list[np.ndarray]:
    """The neurons that are in any of several sets, network by network."""
    return [np.logical_or.reduce(parts) for parts in zip(*masks, strict=True)]


def check_origin(table: pd.DataFrame, digest: str | None, *, name: str = "neuron table") -> None:
    """Check that a table was found (`attrs["model_digest"]`) on the model that it is used on.

    Args:
        digest: of the model's manifest; None checks nothing, nor does a table that does not say.

    Raises:
        ModelError: they differ.
    """
    found = table.attrs.get("model_digest")
    if None not in (found, digest) and found != digest:
        raise ModelError(
            f"{name}: found on the model {table.attrs.get('model')} (digest {found}), used on one of digest {digest}; "
            "find the neurons on this model"
        )


def _masks(rows: pd.DataFrame, widths: Sequence[int], name: str) -> list[np.ndarray]:
    unnamed = rows["group"].isna() | (rows["group"].astype("str").str.strip() == "")
    if unnamed.any():
        raise ModelError(
            f"{name}: expected a group for each neuron, found none for {int(unnamed.sum())}; name all groups of the "
            "property and find its neurons again"
        )
    for layer, part in rows.groupby("layer"):
        found = int(part["width"].iloc[0])
        if not 1 <= layer <= len(widths) or found != widths[layer - 1]:
            model = f"{widths[layer - 1]} neurons" if 1 <= layer <= len(widths) else f"only {len(widths)} layers"
            raise ModelError(
                f"{name}: layer {layer} was found on a model with {found} neurons there, this model has {model}; "
                "find the neurons on this model"
            )
        beyond = part["neuron"][~part["neuron"].between(0, found - 1)]
        if len(beyond):
            raise ModelError(
                f"{name}: expected neurons from 0 to {found - 1} in layer {layer}, found "
                f"{some_of(sorted(set(map(str, beyond))))}; find the neurons on this model"
            )
    return layer_masks(rows, widths)
