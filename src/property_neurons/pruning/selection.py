"""From scores, protected sets and a budget to the neurons that stay."""

from collections.abc import Sequence

import numpy as np

from property_neurons.errors import ModelError
from property_neurons.pruning.vocabulary import Match


def select(
    scores: Sequence[np.ndarray],
    sizes: Sequence[int],
    *,
    match: Match = "per_layer",
    protected: Sequence[np.ndarray] | None = None,
) -> list[np.ndarray]:
    """The neurons that stay: the lowest scores are removed first, protected neurons only when no others are left.

    Args:
        scores: float [neurons] for each feed-forward network; of equal scores the lower index goes first (and, across
            networks, the earlier network's).
        sizes: neurons that stay in each network, at least one.
        match: what of `sizes` is kept to. "per_layer": each network its own; "uniform": the same total, spread evenly
            (the first networks take what is left over, a network that is too narrow leaves it to the others);
            "global": the same total, wherever the scores are highest, at least one neuron a network.
        protected: bool [neurons] for each network.

    Returns:
        for each network the kept neurons, int64, ascending

    Raises:
        ModelError: sizes, scores and sets do not fit together, or a score is NaN or infinite.
    """
    widths = [len(score) for score in scores]
    if protected is None:
        protected = [np.zeros(width, dtype=bool) for width in widths]
    _check(widths, sizes, protected)
    _check_finite(scores)
    if match == "uniform":
        sizes = _even(sum(sizes), widths)
    orders = [
        np.lexsort((np.arange(len(score)), score, shielded)) for score, shielded in zip(scores, protected, strict=True)
    ]
    if match == "global":
        sizes = _global_sizes(scores, protected, orders, sum(sizes))
    return [np.sort(order[len(order) - size :]) for order, size in zip(orders, sizes, strict=True)]


def _global_sizes(
    scores: Sequence[np.ndarray], protected: Sequence[np.ndarray], orders: Sequence[np.ndarray], total: int
) -> list[int]:
    """How many neurons stay in each network when all compete; the best one of each network always stays."""
    network = np.concatenate([np.full(len(score), place) for place, score in enumerate(scores)])
    score, shielded = np.concatenate(scores), np.concatenate(protected)
    starts = np.cumsum([0, *(len(one) for one in scores)])
    best = np.array([start + order[-1] for start, order in zip(starts[:-1], orders, strict=True)])
    others = np.setdiff1d(np.arange(len(score)), best)
    ranked = others[np.lexsort((others, score[others], shielded[others]))]
    stay = np.concatenate([best, ranked[len(ranked) - (total - len(best)) :]])
    return np.bincount(network[stay], minlength=len(scores)).tolist()


def _even(total: int, widths: Sequence[int]) -> list[int]:
    """Spread neurons evenly: each goes to the network that has fewest, the first among equals."""
    sizes = [0] * len(widths)
    for _ in range(total):
        with_room = [place for place, width in enumerate(widths) if sizes[place] < width]
        sizes[min(with_room, key=sizes.__getitem__)] += 1
    return sizes


def _check(widths: Sequence[int], sizes: Sequence[int], protected: Sequence[np.ndarray]) -> None:
    if not len(widths) == len(sizes) == len(protected):
        raise ModelError(
            f"expected sizes and protected sets of {len(widths)} feed-forward networks, found {len(sizes)} and "
            f"{len(protected)}; were they found on another model?"
        )
    for place, (width, size, shielded) in enumerate(zip(widths, sizes, protected, strict=True), start=1):
        if len(shielded) != width:
            raise ModelError(
                f"feed-forward network {place}: expected a protected set among {width} neurons, found one among "
                f"{len(shielded)}; was it found on another model, or before the model was pruned?"
            )
        if not 1 <= size <= width:
            raise ModelError(
                f"feed-forward network {place}: expected to keep 1 to {width} neurons, found {size}; correct the budget"
            )


def _check_finite(scores: Sequence[np.ndarray]) -> None:
    # NaN would pass for the highest of all.
    for place, score in enumerate(scores, start=1):
        wrong = np.flatnonzero(~np.isfinite(score))
        if len(wrong):
            raise ModelError(
                f"feed-forward network {place}: expected finite scores, found {score[wrong[0]]} for neuron {wrong[0]} "
                f"and {len(wrong) - 1} more; are the weights damaged, or has the training diverged?"
            )
