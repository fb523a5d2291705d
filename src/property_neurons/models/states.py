"""The hidden states of a model: the input of its first Transformer block and the output of each, as tasks use them."""

from collections.abc import Sequence

import torch

from property_neurons.models.features import Window
from property_neurons.models.pruned import base_type


def hidden_states(model: torch.nn.Module, utterances: Sequence[Sequence[Window]]) -> list[torch.Tensor]:
    """The hidden states of some utterances, with gradients where these are enabled.

    MelHuBERT reads them in one padded batch. Every other model reads one unpadded window after the other: padding
    would pass through the group norm of HuBERT's and wav2vec 2.0's front end and change the states.

    Args:
        model: a base model.
        utterances: the windows that its front end cut each utterance into.

    Returns:
        for each utterance float [blocks + 1, speech rows, hidden size]
    """
    if base_type(model.config) == "melhubert":
        return _batched(model, [window for windows in utterances for window in windows])
    return [torch.cat([_one(model, window) for window in windows], dim=1) for windows in utterances]


def _one(model: torch.nn.Module, window: Window) -> torch.Tensor:
    output = model(window.values.to(model.device), output_hidden_states=True)
    return torch.stack([state[0, : window.speech_rows] for state in output.hidden_states])


def _batched(model: torch.nn.Module, windows: Sequence[Window]) -> list[torch.Tensor]:
    lengths = [window.values.shape[1] for window in windows]
    values = torch.nn.utils.rnn.pad_sequence([window.values[0] for window in windows], batch_first=True)
    mask = torch.arange(values.shape[1]) < torch.tensor(lengths)[:, None]
    padded = None if bool(mask.all()) else mask.to(model.device)
    states = model(values.to(model.device), attention_mask=padded, output_hidden_states=True).hidden_states
    together = torch.stack(states, dim=1)
    return [together[index, :, : window.speech_rows] for index, window in enumerate(windows)]
