"""Criteria: scores of neurons. The neuron with the lowest score is removed first.

In a feed-forward network h = W2 f(W1 x + b1) + b2, neuron i has the row W1[i], the bias b1[i] and the column W2[:, i];
a_i is its activation, the i-th coordinate of f(W1 x + b1).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import numpy as np
import torch

from property_neurons.counting.count_store import Counts
from property_neurons.errors import ModelError
from property_neurons.models.ffn import ffn_sites
from property_neurons.pruning.calibration import Calibration

Scores = list[np.ndarray]
"""For each feed-forward network, in forward order, float64 [neurons]."""


@dataclass(frozen=True)
class Evidence:
    """The evidence from which a criterion scores neurons.

    model: a base model, or one with a head.
    counts: its activation counts of a property whose cells, with those of no group, divide all frames among them: a
        property of phones or speakers, not pitch, which counts voiced frames alone.
    calibration: measures of its neurons on calibration speech.
    gates: log_alpha of each neuron's learnt gate (`gates.learn`).
    bias: whether norms include b1. The paper's text leaves it out; its authors' code includes it.
    seed: of random scores.
    """

    model: "torch.nn.Module"
    counts: Counts | None = None
    calibration: Calibration | None = None
    gates: Scores | None = None
    bias: bool = True
    seed: int = 0

    @property
    def widths(self) -> list[int]:
        """Neurons of each network."""
        return [site.width for site in ffn_sites(self.model.base_model)]

    def calibrated(self) -> Calibration:
        """The calibration.

        Raises:
            ModelError: there is none, or it is of another model.
        """
        if self.calibration is None:
            raise ModelError("pruning: expected values of the neurons on calibration speech, found none; give them")
        found, expected = [len(one) for one in self.calibration.square], self.widths
        if found != expected:
            raise ModelError(
                f"pruning: expected the calibration of networks of {expected} neurons, found that of {found}; "
                "calibrate the model that is pruned"
            )
        return self.calibration

    def counted(self) -> Counts:
        """The counts.

        Raises:
            ModelError: there are none, they are of another model, or nothing was counted.
        """
        if self.counts is None:
            raise ModelError("activation frequency: expected activation counts, found none; give them")
        counted = [site.width for site in self.counts.sites]
        if counted != self.widths:
            raise ModelError(
                f"activation frequency: expected counts of networks of {self.widths} neurons, found those of "
                f"{self.counts.model}, of {counted}; count activations of this model"
            )
        if not int(self.counts.n.sum()):
            raise ModelError(
                f"activation frequency: expected counted frames of {self.counts.model} on {self.counts.corpus}, found "
                "none; count on a corpus that holds speech"
            )
        return self.counts


class Criterion(Protocol):
    """A criterion: one way to score neurons."""

    def scores(self, evidence: Evidence) -> Scores:
        """The score of every neuron.

        Raises:
            ModelError: the evidence that the criterion needs is absent, or of another model.
        """


class L1Norm:
    """||W1[i]||_1 (+ |b1[i]|) + ||W2[:, i]||_1.

    Li et al., Pruning Filters for Efficient ConvNets, ICLR 2017; the paper's baseline.

    >>> scores = L1Norm().scores(Evidence(model))
    """

    def scores(self, evidence: Evidence) -> Scores:
        """See `Criterion`."""
        return _weights(
            evidence, lambda first, bias, second: first.abs().sum(1) + bias.abs() * evidence.bias + second.abs().sum(0)
        )


class L2Norm:
    """sqrt(||W1[i]||_2² (+ b1[i]²) + ||W2[:, i]||_2²): the length of the vector of all weights of the neuron.

    Han et al., Learning both Weights and Connections for Efficient Neural Networks, NeurIPS 2015, for a neuron.

    >>> scores = L2Norm().scores(Evidence(model, bias=False))
    """

    def scores(self, evidence: Evidence) -> Scores:
        """See `Criterion`."""

        def length(first: torch.Tensor, bias: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
            return (first.square().sum(1) + bias.square() * evidence.bias + second.square().sum(0)).sqrt()

        return _weights(evidence, length)


class Frequency:
    """The share of the counted frames in which a_i is among the most active of its layer, from stored ranks.

    Property neurons are found in the same counts (Lin, Lee, Tang, SLT 2024).

    >>> scores = Frequency().scores(Evidence(model, counts=open_counts("results/counts/model/corpus/phone")))
    """

    def scores(self, evidence: Evidence) -> Scores:
        """See `Criterion`."""
        counts = evidence.counted()
        frames = int(counts.n.sum())
        return [counts.site_counts(index).sum(axis=0) / frames for index in range(len(counts.sites))]


class Magnitude:
    """E[|a_i|] over the frames of calibration speech.

    Hu et al., Network Trimming, arXiv 1607.03250, where it is the share of activations above zero; GELU has no zeros.

    >>> scores = Magnitude().scores(Evidence(model, calibration=calibration))
    """

    def scores(self, evidence: Evidence) -> Scores:
        """See `Criterion`."""
        return evidence.calibrated().magnitude


class Wanda:
    """||W2[:, i]||_2 sqrt(E[a_i²]): the size of what the neuron adds to its layer's output.

    Sun et al., A Simple and Effective Pruning Approach for Large Language Models, ICLR 2024, where |W_ji| sqrt(E[a_i²])
    scores a weight; here the weights of a column are taken together.

    >>> scores = Wanda().scores(Evidence(model, calibration=calibration))
    """

    def scores(self, evidence: Evidence) -> Scores:
        """See `Criterion`."""
        lengths = _weights(evidence, lambda first, bias, second: second.square().sum(0).sqrt())
        return [length * np.sqrt(square) for length, square in zip(lengths, evidence.calibrated().square, strict=True)]


class Taylor:
    """|E[Σ a_i dL/da_i]|: the first-order change of the mean loss when the neuron is removed; the sum is over frames.

    Molchanov et al., Pruning Convolutional Neural Networks for Resource Efficient Inference, ICLR 2017, where the
    absolute value is that of each utterance, inside the mean. Outside of it, as here, what helps one utterance as much
    as it harms another is 0, and so is every neuron of a model that has converged on the calibration speech.

    >>> scores = Taylor().scores(Evidence(model, calibration=calibration))
    """

    def scores(self, evidence: Evidence) -> Scores:
        """See `Criterion`."""
        slopes = evidence.calibrated().taylor
        if slopes is None:
            raise ModelError(
                "pruning by taylor: expected the gradients of a task's loss, found a model without a task; prune a "
                "model that is fine-tuned on one, or take fisher"
            )
        return [np.abs(slope) for slope in slopes]


class Fisher:
    """E[(Σ a_i dL/da_i)²]: the diagonal of the empirical Fisher information of a factor of the neuron's activations.

    Theis et al., Faster gaze prediction with dense networks and Fisher pruning, arXiv 1801.05787; Kwon et al., A Fast
    Post-Training Pruning Framework for Transformers, NeurIPS 2022, for Transformers.

    >>> scores = Fisher().scores(Evidence(model, calibration=calibration))
    """

    def scores(self, evidence: Evidence) -> Scores:
        """See `Criterion`."""
        return evidence.calibrated().fisher


class LearntGates:
    """log_alpha_i of a hard concrete gate on a_i, learnt for the size of the pruned model: a trained baseline.

    Louizos, Welling, Kingma, Learning Sparse Neural Networks through L0 Regularization, ICLR 2018; see `gates`.

    >>> scores = LearntGates().scores(Evidence(model, gates=read_gates(table, widths)))
    """

    def scores(self, evidence: Evidence) -> Scores:
        """See `Criterion`."""
        if evidence.gates is None:
            raise ModelError("pruning by l0: expected learnt gates, found none; give them")
        return evidence.gates


class Random:
    """Independent and uniform from 0 to 1. The scores of a network depend on the seed, its place and its width.

    >>> scores = Random().scores(Evidence(model, seed=1))
    """

    def scores(self, evidence: Evidence) -> Scores:
        """See `Criterion`."""
        return random_scores(evidence.widths, evidence.seed)


CRITERIA: MappingProxyType[str, Criterion] = MappingProxyType(
    {
        "norm": L1Norm(),
        "l2": L2Norm(),
        "frequency": Frequency(),
        "magnitude": Magnitude(),
        "wanda": Wanda(),
        "taylor": Taylor(),
        "fisher": Fisher(),
        "l0": LearntGates(),
        "random": Random(),
    }
)


def neuron_traits(model: "torch.nn.Module", counts: Counts | None, *, bias: bool = True) -> list[np.ndarray]:
    """The traits by which random sets are matched: the frequency and the L1 norm of each neuron.

    Args:
        bias: whether the bias counts in the norm.

    Returns:
        float64 [neurons, 2] of each feed-forward network

    Raises:
        ModelError: as `Evidence.counted`.
    """
    evidence = Evidence(model, counts, bias=bias)
    return [np.column_stack(pair) for pair in zip(Frequency().scores(evidence), L1Norm().scores(evidence), strict=True)]


def random_scores(widths: Sequence[int], seed: int) -> Scores:
    """See `Random`."""
    drawn = []
    for place, width in enumerate(widths):
        rng = np.random.default_rng([seed, place])
        order = rng.permutation(width)
        drawn.append(np.sort(rng.random(width))[order])
    return drawn


def _weights(evidence: Evidence, score: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]) -> Scores:
    """A score made of W1 [neurons, size], b1 [neurons], zeros where there is none, and W2 [size, neurons]; float64."""
    base = evidence.model.base_model
    found = []
    for site in ffn_sites(base):
        first, second = base.get_submodule(site.first), base.get_submodule(site.module)
        rows, columns = first.weight.detach().double(), second.weight.detach().double()
        bias = rows.new_zeros(len(rows)) if first.bias is None else first.bias.detach().double()
        found.append(score(rows, bias, columns).cpu().numpy())
    return found
