"""Sets of neurons to edit, from tables and by dose, checked against the model to edit."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from property_neurons.errors import ModelError
from property_neurons.models.ffn import Site
from property_neurons.neurons.groups import NeuronSets
from property_neurons.neurons.membership import check_origin, group_masks, union

Masks = Sequence[np.ndarray]
"""A set of neurons: bool [neurons] for each feed-forward network, in forward order."""


def group_set(
    table: pd.DataFrame,
    groups: Sequence[str],
    widths: Sequence[int],
    *,
    digest: str | None,
    name: str = "neuron table",
) -> list[np.ndarray]:
    """The group neurons (equation 4) of some groups, taken together.

    Args:
        table: what `groups.neuron_table` made.
        groups: names; `F` and `M` of gender, `vowels` of phone, ...
        widths: of the feed-forward networks of the model to edit.
        digest: of that model (its manifest's `digest`), compared with the model on which the table was found. None for
            a model without one: then only the widths are compared.
        name: of the table, for messages.

    Raises:
        ModelError: unknown groups, a table of another model, or no neuron in the set.
    """
    check_origin(table, digest, name=name)
    known = sorted(set(table["group"]))
    unknown = [group for group in groups if group not in known]
    if unknown or not groups:
        raise ModelError(
            f"{name}: expected groups among {', '.join(known) or 'none'}, found "
            f"{', '.join(unknown) or 'none'}; name groups of the table, or find neurons of another property"
        )
    masks = union([group_masks(table, group, widths, name=name) for group in groups])
    if not any(mask.any() for mask in masks):
        raise ModelError(
            f"{name}: expected group neurons of {', '.join(groups)}, found none; lower sigma, or take a larger corpus"
        )
    return masks


def most_exclusive(sets: Sequence[NeuronSets], group: int, share: float) -> list[np.ndarray]:
    """The most exclusive of a group's neurons, over all layers together: a dose of its erasure.

    Exclusiveness is the share of the group's phones whose pattern holds the neuron, minus the largest such share of any
    other group. Among equals the lower layer and number comes first.

    Args:
        sets: of each feed-forward network.
        group: its number.
        share: of the group's neurons, 0 to 1; rounded to whole neurons, half up.

    Returns:
        masks, which may be empty
    """
    ranked = []
    for at, site in enumerate(sets):
        margin = site.share[group] - np.delete(site.share, group, axis=0).max(axis=0, initial=0)
        ranked += [(-margin[neuron], at, neuron) for neuron in np.flatnonzero(site.group_neurons[group])]
    masks = [np.zeros(site.share.shape[1], dtype=bool) for site in sets]
    for _, at, neuron in sorted(ranked)[: math.floor(share * len(ranked) + 0.5)]:
        masks[at][neuron] = True
    return masks


def check_masks(masks: Masks, sites: Sequence[Site], *, model: str = "this model") -> None:
    """Check that a set fits the model to edit.

    Args:
        model: its name, for messages.

    Raises:
        ModelError: other layers or widths than the model's, or an empty set.
    """
    found, expected = [len(mask) for mask in masks], [site.width for site in sites]
    if found != expected:
        raise ModelError(
            f"set of neurons: it is of a model with feed-forward networks of {found} neurons, {model} has "
            f"{expected}; find the neurons on this model (a pruned one numbers its neurons anew)"
        )
    if not any(mask.any() for mask in masks):
        raise ModelError("set of neurons: expected at least one neuron to edit, found none; choose a larger set")
