"""How much each neuron is worth: the lower its score, the sooner it goes."""

from collections.abc import Sequence

import numpy as np
import torch

from property_neurons.counting.count_store import Counts
from property_neurons.errors import ModelError
from property_neurons.models.ffn import ffn_sites

Scores = list[np.ndarray]
"""For each feed-forward network, in forward order, float64 [neurons]."""


def l1_scores(model: "torch.nn.Module", *, bias: bool) -> Scores:
    """||first.weight[i]||_1 (+ |first.bias[i]|) + ||second.weight[:, i]||_1, in float64.

    Args:
        model: a base model, or one with a head.
        bias: whether the bias counts; in the paper's text it does not, in its authors' code it does.
    """
    base = model.base_model
    scores = []
    for site in ffn_sites(base):
        first, second = base.get_submodule(site.first), base.get_submodule(site.module)
        score = first.weight.detach().double().abs().sum(1) + second.weight.detach().double().abs().sum(0)
        if bias and first.bias is not None:
            score = score + first.bias.detach().double().abs()
        scores.append(score.cpu().numpy())
    return scores


def frequency_scores(counts: Counts) -> Scores:
    """The share of the counted frames in which each neuron is among the most active.

    Args:
        counts: of a property of phones or of speakers: its cells, those of no group included, divide all frames
            among them (pitch counts voiced ones alone).

    Raises:
        ModelError: nothing was counted.
    """
    frames = int(counts.n.sum())
    if not frames:
        raise ModelError(
            f"activation frequency: expected counted frames of {counts.model} on {counts.corpus}, found none; "
            "count on a corpus that holds speech"
        )
    return [counts.site_counts(index).sum(axis=0) / frames for index in range(len(counts.sites))]


def neuron_traits(model: "torch.nn.Module", counts: Counts) -> list[np.ndarray]:
    """What matched random sets have in common with a set: the frequency and the L1 norm of each neuron.

    Returns:
        float64 [neurons, 2] of each feed-forward network

    Raises:
        ModelError: the counts are of a model of other widths, or nothing was counted.
    """
    norms = l1_scores(model, bias=True)
    check_widths(counts, [len(one) for one in norms])
    return [np.column_stack(pair) for pair in zip(frequency_scores(counts), norms, strict=True)]


def check_widths(counts: Counts, widths: Sequence[int]) -> None:
    """Hold counts against the widths of the networks of the model that is pruned.

    Raises:
        ModelError: they are of other widths.
    """
    counted = [site.width for site in counts.sites]
    if counted != list(widths):
        raise ModelError(
            f"activation frequency: expected counts of networks of {list(widths)} neurons, found those of "
            f"{counts.model}, of {counted}; count activations of this model"
        )


def random_scores(widths: Sequence[int], seed: int) -> Scores:
    """Scores drawn at random: independent and uniform from 0 to 1, comparable across networks.

    Args:
        widths: neurons of each network.
        seed: of the draw; each network's scores depend on the seed, its place and its width alone.
    """
    drawn = []
    for place, width in enumerate(widths):
        rng = np.random.default_rng([seed, place])
        order = rng.permutation(width)
        drawn.append(np.sort(rng.random(width))[order])
    return drawn
