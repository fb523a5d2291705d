"""Selectors of other studies, for comparison with the sets of equations 3 to 5.

In `SELECTORS` "active" means among the lambda most active neurons of a frame, because ranks hold no activation values.
The studies count a neuron active above 0 (Tang et al. 2024) or above a 95th percentile (arXiv 2602.15307), and compare
mean activations. `SELECTORS` apply their formulas to the share of frames in which a neuron is active; `of_values`
applies them to activation values, where these are stored.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from property_neurons.neurons.statistics.selectivity import group_entropy
from property_neurons.neurons.statistics.vocabulary import VALUE_SELECTORS

_OFTEN_ACTIVE = 95


@dataclass(frozen=True)
class Activity:
    """How active the neurons of one site are in each group, on each of M parts of the speakers.

    active: float64 [groups, neurons, M], mean over phones of p(active | phone, group).
    effect: float64 [groups, neurons, M], the same less p(active | phone, other groups).
    average_precision: float64 [groups, neurons, M], of how active a neuron is in a unit, for the units of the group.

    NaN where there is nothing to compare.
    """

    active: np.ndarray
    effect: np.ndarray
    average_precision: np.ndarray


def activation_probability(activity: Activity) -> np.ndarray:
    """p(active | group), whatever the neuron does in the other groups (arXiv 2601.03115)."""
    return activity.active


def entropy(activity: Activity) -> np.ndarray:
    """Lowest entropy over groups among neurons that are often active (LAPE, Tang et al. 2024; AAPE, arXiv 2602.15307).

    Often active: p(active | group) is at or above the 95th percentile over the site's neurons and groups. If more
    neurons are wanted, those nearest to the percentile follow.
    """
    often = np.nanpercentile(activity.active, _OFTEN_ACTIVE, axis=(0, 1))
    unevenness = np.log2(len(activity.active)) - group_entropy(np.nan_to_num(activity.active))
    # Below 0 are those that are not often active: the first of them are the most active.
    return np.where(activity.active >= often, unevenness, activity.active - 1)


def mean_difference(activity: Activity) -> np.ndarray:
    """Mean activation difference of being active (0 or 1): the mean in the group less the mean in the other groups.

    arXiv 2601.03115 and 2603.17231 take the mean of the activation itself: see `of_values`.
    """
    return activity.effect


def contrast(activity: Activity) -> np.ndarray:
    """p(active | group) less the largest p(active | other group): the margin over the second (after arXiv 2601.03115).

    With two groups it differs from `mean_difference` only by the phones that one of the groups lacks.
    """
    known = np.nan_to_num(activity.active)
    rest = [np.delete(known, group, axis=0).max(axis=0, initial=0.0) for group in range(len(known))]
    return activity.active - np.stack(rest)


def average_precision(activity: Activity) -> np.ndarray:
    """Average precision of the neuron as a detector of the group's units (Suau et al., arXiv 2005.07647)."""
    return activity.average_precision


def probeless(activity: Activity) -> np.ndarray:
    """Sum over the other groups of the absolute difference of means (Antverg and Belinkov, ICLR 2022).

    Neurons that are less active in the group count like those that are more active. Two groups get the same neurons.
    """
    return np.nansum(np.abs(activity.active[:, np.newaxis] - activity.active), axis=1)


Selector = Callable[[Activity], np.ndarray]
SELECTORS: Mapping[str, Selector] = MappingProxyType(
    {
        "activation_probability": activation_probability,
        "entropy": entropy,
        "mean_difference": mean_difference,
        "contrast": contrast,
        "average_precision": average_precision,
        "probeless": probeless,
    }
)
"""By name: activity -> scores [groups, neurons, M], of which a selector takes the highest of each group."""


def of_values(difference: np.ndarray, loud: np.ndarray, sizes: np.ndarray) -> dict[str, np.ndarray]:
    """What selectors of activation values choose: by name (`vocabulary.VALUE_SELECTORS`) bool [groups, neurons, M].

    value_difference: the largest mean value in the group less the mean in the others (arXiv 2601.03115, 2603.17231).
    value_entropy: as `entropy`, where a neuron is active above its own 95th percentile (AAPE, arXiv 2602.15307).
    value_entropy_1_percent: as published, without regard to `sizes`: the hundredth of the site's neurons with the
        lowest entropy over groups, each in the group in which it is most often above its percentile.

    Args:
        difference: float64 [groups, neurons, M], mean over phones of the difference of means; NaN where there is none.
        loud: float64 [groups, neurons, M], mean over phones of the share of frames above the neuron's percentile.
        sizes: int64 [groups, M], how many of each group are chosen; none of a group without a difference.
    """
    by_entropy = entropy(Activity(loud, difference, difference))
    # A group without stored speech among the speakers has no score: the neurons of the lowest numbers would be chosen.
    sizes = np.where(np.isnan(difference).all(axis=1), 0, sizes)
    return dict(
        zip(
            VALUE_SELECTORS,
            (highest(difference, sizes), highest(by_entropy, sizes), _lowest_hundredth(loud)),
            strict=True,
        )
    )


def _lowest_hundredth(loud: np.ndarray) -> np.ndarray:
    loud = np.nan_to_num(loud)
    # A neuron that never changes is nowhere above its percentile; its entropy is NaN, which comes last.
    uneven = -group_entropy(loud)[np.newaxis]
    hundredth = np.full((1, loud.shape[2]), -(-loud.shape[1] // 100))
    in_its_group = np.arange(len(loud))[:, np.newaxis, np.newaxis] == loud.argmax(axis=0)
    return highest(uneven, hundredth) & loud.any(axis=0) & in_its_group


def highest(scores: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """The neurons of each group with the highest scores; among equals the lower number. NaN comes last.

    Args:
        scores: float64 [groups, neurons, M]
        sizes: int64 [groups, M]

    Returns:
        bool [groups, neurons, M]
    """
    order = np.argsort(-np.nan_to_num(scores, nan=-np.inf), axis=1, kind="stable")
    chosen = np.zeros(scores.shape, dtype=bool)
    np.put_along_axis(chosen, order, np.arange(scores.shape[1])[:, np.newaxis] < sizes[:, np.newaxis], axis=1)
    return chosen
