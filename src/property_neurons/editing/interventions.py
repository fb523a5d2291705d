"""Interventions on chosen feed-forward neurons: live, while a model runs, or baked into its weights.

`Zero` is the paper's: it erases the neurons. The model gives the same output whether the edit is live or baked, and
with the neurons removed.
"""

import copy
import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import nn

from property_neurons.editing.sets import Masks, check_masks
from property_neurons.editing.statistics import Statistics
from property_neurons.editing.vocabulary import Action
from property_neurons.errors import ModelError
from property_neurons.models.ffn import ffn_sites

PerSite = Sequence[np.ndarray]
"""A value for each neuron, float [neurons] for each feed-forward network, in forward order."""


class Intervention(Protocol):
    """A change of the activations of chosen neurons."""

    def apply(self, activations: torch.Tensor, mask: torch.Tensor, site: int) -> torch.Tensor:
        """The activations with the chosen neurons changed.

        Args:
            activations: float [..., neurons], input of the second linear; not altered.
            mask: bool [neurons], the chosen ones.
            site: number of the feed-forward network, from 0.
        """

    def bake(self, second: nn.Linear, mask: torch.Tensor, site: int) -> None:
        """Change the second linear so that it does the same.

        Raises:
            ModelError: no weights do the same.
        """


@dataclass(frozen=True)
class Zero:
    """Sets the activation to 0 (Table 1)."""

    def apply(self, activations: torch.Tensor, mask: torch.Tensor, site: int) -> torch.Tensor:
        """See `Intervention`."""
        return activations.masked_fill(mask, 0)

    def bake(self, second: nn.Linear, mask: torch.Tensor, site: int) -> None:
        """See `Intervention`."""
        second.weight[:, mask] = 0


@dataclass(frozen=True)
class Scale:
    """Multiplies the activation by a factor. A negative factor flips its sign."""

    factor: float

    def apply(self, activations: torch.Tensor, mask: torch.Tensor, site: int) -> torch.Tensor:
        """See `Intervention`."""
        return torch.where(mask, activations * self.factor, activations)

    def bake(self, second: nn.Linear, mask: torch.Tensor, site: int) -> None:
        """See `Intervention`."""
        second.weight[:, mask] *= self.factor


@dataclass(frozen=True)
class Mean:
    """Holds the activation at its own mean: the neuron carries no information, and later layers see a usual value.

    means: see `statistics.activation_statistics`.
    """

    means: PerSite

    def apply(self, activations: torch.Tensor, mask: torch.Tensor, site: int) -> torch.Tensor:
        """See `Intervention`."""
        return torch.where(mask, _like(self.means[site], activations), activations)

    def bake(self, second: nn.Linear, mask: torch.Tensor, site: int) -> None:
        """See `Intervention`."""
        if second.bias is None:
            raise ModelError("mean in the weights: expected a second linear with a bias, found none; edit it live")
        means = _like(self.means[site], second.weight).double()
        second.bias += (second.weight[:, mask].double() @ means[mask]).to(second.bias.dtype)
        second.weight[:, mask] = 0


@dataclass(frozen=True)
class Clamp:
    """Holds the activation at or below the neuron's own ceiling, such as a percentile. Only live.

    ceilings: see `statistics.activation_statistics`.
    """

    ceilings: PerSite

    def apply(self, activations: torch.Tensor, mask: torch.Tensor, site: int) -> torch.Tensor:
        """See `Intervention`."""
        ceilings = _like(self.ceilings[site], activations)
        return torch.where(mask, torch.minimum(activations, ceilings), activations)

    def bake(self, second: nn.Linear, mask: torch.Tensor, site: int) -> None:
        """See `Intervention`."""
        raise ModelError(
            "clamp: no weights of a linear layer hold its input below a ceiling; use it live, or choose zero, mean or "
            "scale"
        )


ZERO = Zero()


def intervention_of(
    action: Action, *, factor: float = 0.5, percentile: float = 50.0, statistics: Statistics | None = None
) -> Intervention:
    """The intervention that an action names.

    Args:
        statistics: of the model's neurons, for "mean" and "clamp".

    Raises:
        ModelError: an unknown action, a factor that is not finite, a percentile outside 0 to 100, or no
            statistics where they are needed.
    """
    if not math.isfinite(factor):
        raise ModelError(f"scale: expected a finite factor, found {factor}; correct it")
    if not 0 <= percentile <= 100:
        raise ModelError(f"clamp: expected a percentile from 0 to 100, found {percentile}; correct it")
    if action in ("mean", "clamp") and statistics is None:
        raise ModelError(
            f"{action}: expected statistics of the neurons' activations, found none; give speech to measure them on"
        )
    if action == "zero":
        return Zero()
    if action == "scale":
        return Scale(factor)
    if action == "mean":
        return Mean(statistics.means)
    if action == "clamp":
        return Clamp(statistics.percentiles(percentile))
    raise ModelError(f"editing: expected zero, mean, clamp or scale, found {action!r}; choose one of these")


@contextmanager
def edited(model: nn.Module, masks: Masks, intervention: Intervention = ZERO) -> Iterator[nn.Module]:
    """The model with chosen neurons edited, inside the `with` block; after it the model is as before.

    Args:
        model: a base model of a known architecture, or one with a head.
        masks: the chosen neurons; see `sets`.

    Raises:
        ModelError: the set is of another model, or empty.
    """
    base = model.base_model
    sites = ffn_sites(base)
    check_masks(masks, sites, model=_name(base))
    with ExitStack() as hooks:
        for place, (site, mask) in enumerate(zip(sites, masks, strict=True)):
            if mask.any():
                chosen = torch.from_numpy(mask).to(base.device)
                hooks.enter_context(
                    base.get_submodule(site.module).register_forward_pre_hook(
                        lambda _, inputs, chosen=chosen, place=place: (
                            intervention.apply(inputs[0], chosen, place),
                            *inputs[1:],
                        )
                    )
                )
        yield model


@torch.no_grad()
def baked(model: nn.Module, masks: Masks, intervention: Intervention = ZERO) -> nn.Module:
    """A copy of the model whose weights do what `edited` does; the model itself stays as it is.

    Raises:
        ModelError: as `edited`; or no weights do the same.
    """
    changed = copy.deepcopy(model)
    base = changed.base_model
    sites = ffn_sites(base)
    check_masks(masks, sites, model=_name(base))
    for place, (site, mask) in enumerate(zip(sites, masks, strict=True)):
        if mask.any():
            second = base.get_submodule(site.module)
            intervention.bake(second, torch.from_numpy(mask).to(second.weight.device), place)
    return changed


def _name(model: nn.Module) -> str:
    """The model's path, or its class where it was not loaded from a path."""
    return getattr(model, "name_or_path", "") or f"this {type(model).__name__}"


def _like(values: np.ndarray, other: torch.Tensor) -> torch.Tensor:
    return torch.as_tensor(values).to(device=other.device, dtype=other.dtype)
