"""A factor for each neuron's activation, through which gradients flow."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import torch

from property_neurons.models.ffn import ffn_sites


@contextmanager
def masked(
    model: torch.nn.Module,
    masks: Sequence[torch.Tensor],
    see: Callable[[int, torch.Tensor], None] = lambda site, activations: None,
) -> Iterator[None]:
    """Multiply every activation by the factor of its neuron: 0 removes the neuron, 1 leaves it.

    Args:
        model: a base model of a known architecture.
        masks: for each feed-forward network float [neurons].
        see: called as see(number of the network, activations [..., rows, neurons]) before they are multiplied.
    """

    def multiply(index: int, activations: torch.Tensor) -> tuple[torch.Tensor]:
        see(index, activations)
        return (activations * masks[index],)

    with ExitStack() as hooks:
        for index, site in enumerate(ffn_sites(model)):
            second = model.get_submodule(site.module)
            hook = second.register_forward_pre_hook(lambda _, inputs, index=index: multiply(index, inputs[0]))
            hooks.enter_context(hook)
        yield
