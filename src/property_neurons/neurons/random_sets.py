"""Random sets of neurons: the control for sets that were found."""

from collections.abc import Sequence

import numpy as np
from scipy import stats

from property_neurons.errors import ModelError

NEAREST = 10
"""Among how many of the nearest neurons that are left a partner is drawn."""


def random_sets(widths: Sequence[int], sizes: Sequence[int], seed: int | Sequence[int]) -> list[np.ndarray]:
    """Random sets of neurons, as large as given sets: the control for the protection of these.

    Args:
        widths: neurons of each network.
        sizes: neurons to draw in each.

    Returns:
        bool [neurons] for each network

    Raises:
        ModelError: a size is above the width.
    """
    drawn = []
    for place, (width, size) in enumerate(zip(widths, sizes, strict=True)):
        if not 0 <= size <= width:
            raise ModelError(
                f"feed-forward network {place + 1}: expected a set of 0 to {width} neurons, found {size}; was the set "
                "found on another model?"
            )
        chosen = np.zeros(width, dtype=bool)
        # Another stream than that of `random_scores`.
        chosen[np.random.default_rng([*np.atleast_1d(seed), place, 1]).permutation(width)[:size]] = True
        drawn.append(chosen)
    return drawn


def random_sets_like(sets: Sequence[np.ndarray], seed: int | Sequence[int]) -> list[np.ndarray]:
    """Random sets as large, network by network, as given ones: bool [neurons] for each; see `random_sets`."""
    return random_sets([len(one) for one in sets], [int(one.sum()) for one in sets], seed)


def matched_partners(
    own: np.ndarray,
    traits: np.ndarray,
    seed: int | Sequence[int],
    *,
    others: np.ndarray | None = None,
    nearest: int = NEAREST,
) -> np.ndarray:
    """A similar neuron for each neuron of a set: the control for what activation frequency and norm explain.

    Traits are compared by their ranks within the layer. The set's neurons are visited in random order; each takes one
    of the `nearest` neurons outside the set that no other has taken, drawn at random. Neurons of `others` are taken
    where none is left beside them, and those of the set itself last (a set of more than half of the layer).

    Args:
        own: bool [neurons] of one layer.
        traits: float [neurons, traits], such as activation frequency and norm.
        others: bool [neurons], the sets of the other groups of the property: what is often active is mostly theirs,
            and a control that holds them harms those groups. None for none.

    Returns:
        int64 [neurons of the set, in ascending order], each once
    """
    width, members = len(own), np.flatnonzero(own)
    ranks = np.column_stack([stats.rankdata(column) for column in traits.T]) / width
    rng = np.random.default_rng(seed)
    theirs = np.zeros(width, dtype=bool) if others is None else others & ~own
    # In the order in which they are drawn from.
    pools = [~own & ~theirs, theirs.copy(), own.copy()]
    partners = np.empty(len(members), dtype=np.int64)
    for place in rng.permutation(len(members)):
        free = next(pool for pool in pools if pool.any())
        left = np.flatnonzero(free)
        distance = np.square(ranks[left] - ranks[members[place]]).sum(axis=1)
        near = np.lexsort((left, distance))[:nearest]
        partners[place] = left[rng.choice(near)]
        free[partners[place]] = False
    return partners


def matched_sets(sets: Sequence[np.ndarray], traits: Sequence[np.ndarray], seed: int) -> list[np.ndarray]:
    """Random sets of the partners of given ones, network by network: bool [neurons] for each; see `matched_partners`.

    Args:
        traits: float [neurons, traits] of each network.

    Raises:
        ModelError: sets and traits are of other widths.
    """
    found, expected = [len(one) for one in sets], [len(one) for one in traits]
    if found != expected:
        raise ModelError(f"matched sets: expected sets of networks of {expected} neurons, found {found}")
    drawn = []
    for place, (own, values) in enumerate(zip(sets, traits, strict=True)):
        chosen = np.zeros(len(own), dtype=bool)
        chosen[matched_partners(own, values, [seed, place, 2])] = True
        drawn.append(chosen)
    return drawn
