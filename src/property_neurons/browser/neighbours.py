"""Neurons like a neuron: active together with it, or with like weights."""

from pathlib import Path

import numpy as np
from scipy.sparse import csr_array

N_NEIGHBOURS = 5


def coactive(ids: np.ndarray, width: int, neurons: np.ndarray) -> np.ndarray:
    """How much the active frames of some neurons overlap with those of every neuron, by Jaccard's index.

    Args:
        ids: [frames, tau], the active neurons of each frame. neurons: int64 [neurons].

    Returns:
        float64 [neurons, width], 0 where neither is ever active
    """
    frames, tau = ids.shape
    active = csr_array(
        (np.ones(ids.size, np.int32), ids.ravel().astype(np.int32), np.arange(frames + 1) * tau), (frames, width)
    )
    both = (active.T.tocsr()[neurons] @ active).toarray().astype(np.float64)
    n = np.bincount(ids.ravel(), minlength=width)
    either = n[neurons][:, np.newaxis] + n - both
    return np.divide(both, either, out=np.zeros_like(both), where=either > 0)


def cosines(weights: np.ndarray, neurons: np.ndarray) -> np.ndarray:
    """The cosine of some neurons' weights with those of every neuron: float64 [neurons, width].

    Args:
        weights: float [width, inputs or outputs]
    """
    length = np.linalg.norm(weights, axis=1, keepdims=True)
    unit = np.divide(weights, length, out=np.zeros(weights.shape), where=length > 0)
    return unit[neurons] @ unit.T


def nearest(likeness: np.ndarray, neurons: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The neurons most like each neuron, the lower number first among equals, and how like they are.

    Returns:
        neurons int64, likeness float64: both [neurons, N_NEIGHBOURS] (or one less than there are neurons)
    """
    likeness = likeness.copy()
    likeness[np.arange(len(neurons)), neurons] = -np.inf
    n = min(N_NEIGHBOURS, likeness.shape[1] - 1)
    order = np.argsort(-likeness, axis=1, kind="stable")[:, :n]
    return order, np.take_along_axis(likeness, order, axis=1)


def feed_forward_weights(folder: str | Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Weights into and out of the neurons of every site: float64 [neurons, inputs], [neurons, outputs]."""
    # Slow to import, and not needed by whoever reads tables.
    import torch

    from property_neurons.models.ffn import ffn_sites
    from property_neurons.models.loading import load_base_model

    model = load_base_model(Path(folder), dtype=torch.float32)
    return [
        (
            model.get_submodule(site.first).weight.detach().double().numpy(),
            model.get_submodule(site.module).weight.detach().double().numpy().T,
        )
        for site in ffn_sites(model)
    ]
