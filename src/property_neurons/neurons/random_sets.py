"""Random sets of neurons: the control for sets that were found."""

from collections.abc import Sequence

import numpy as np

from property_neurons.errors import ModelError


def random_sets(widths: Sequence[int], sizes: Sequence[int], seed: int) -> list[np.ndarray]:
    """Sets of neurons drawn at random, as large as given ones: the control for protecting these.

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
        chosen[np.random.default_rng([seed, place, 1]).permutation(width)[:size]] = True
        drawn.append(chosen)
    return drawn


def random_sets_like(sets: Sequence[np.ndarray], seed: int) -> list[np.ndarray]:
    """Random sets as large, network by network, as given ones: bool [neurons] for each; see `random_sets`."""
    return random_sets([len(one) for one in sets], [int(one.sum()) for one in sets], seed)
