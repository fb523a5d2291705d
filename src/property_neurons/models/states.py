"""The hidden states of a model: the input of its first Transformer block and the output of each, as tasks use them."""

from collections.abc import Sequence

import torch

from property_neurons.models.batches import forward, reads_batches
from property_neurons.models.features import Window


def hidden_states(
    model: torch.nn.Module, utterances: Sequence[Sequence[Window]], states: Sequence[int] | None = None
) -> list[torch.Tensor]:
    """The hidden states of some utterances, with gradients where these are enabled.

    They are those of every utterance read alone and unpadded, to rounding; see `models.batches`.

    Args:
        model: a base model.
        utterances: the windows that its front end cut each utterance into.
        states: the wanted ones; 0 is the input of the first block, -1 the output of the model; None = all. No others
            are kept.

    Returns:
        for each utterance float [states, speech rows, hidden size]
    """
    windows = [window for own in utterances for window in own]
    batches = [windows] if reads_batches(model.config) else [[window] for window in windows]
    waiting = iter([state for batch in batches for state in _states(model, batch, states)])
    return [torch.cat([next(waiting) for _ in own], dim=1) for own in utterances]


def _states(model: torch.nn.Module, windows: Sequence[Window], states: Sequence[int] | None) -> list[torch.Tensor]:
    # Given numbers, transformers puts None in the place of the others.
    wanted = forward(model, windows, output_hidden_states=True if states is None else list(states)).hidden_states
    together = torch.stack(wanted if states is None else [wanted[number] for number in states], dim=1)
    return [together[index, :, : window.speech_rows] for index, window in enumerate(windows)]
