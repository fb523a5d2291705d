"""The hidden states of a model: the input of its first Transformer block and the output of each, as tasks use them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from property_neurons.models.features import Window
from property_neurons.models.pruned import base_type

# Behind their convolution stack, which must not see padding, these hide it: one convolution for positions, into which
# zeros go, and attention. Where several convolutions follow each other (data2vec, Conformers, SEW) it would spread.
_PADDED_BEHIND_CONVOLUTIONS = frozenset({"hubert", "wav2vec2", "wavlm", "unispeech-sat"})


def hidden_states(model: torch.nn.Module, utterances: Sequence[Sequence[Window]]) -> list[torch.Tensor]:
    """The hidden states of some utterances, with gradients where these are enabled.

    They are those of every utterance read alone and unpadded, to rounding. MelHuBERT reads them in one padded batch;
    HuBERT, wav2vec 2.0, WavLM and UniSpeech-SAT each through their convolutions (whose group norm padding would change)
    and then all in one padded batch; Whisper as many windows at once. Other models read one window after the other.

    Args:
        model: a base model.
        utterances: the windows that its front end cut each utterance into.

    Returns:
        for each utterance float [blocks + 1, speech rows, hidden size]
    """
    windows = [window for own in utterances for window in own]
    kind = base_type(model.config)
    if kind == "melhubert":
        states = _padded(model, windows)
    elif kind == "whisper":
        states = _unpadded(model, torch.cat([window.values for window in windows]), windows)
    elif kind in _PADDED_BEHIND_CONVOLUTIONS and not getattr(model.config, "conv_pos_batch_norm", False):
        states = _padded_behind_convolutions(model, windows)
    else:
        states = [state for window in windows for state in _unpadded(model, window.values, [window])]
    waiting = iter(states)
    return [torch.cat([next(waiting) for _ in own], dim=1) for own in utterances]


def _unpadded(model: torch.nn.Module, values: torch.Tensor, windows: Sequence[Window]) -> list[torch.Tensor]:
    return _of_windows(model(values.to(model.device), output_hidden_states=True), windows)


def _padded(model: torch.nn.Module, windows: Sequence[Window]) -> list[torch.Tensor]:
    values = torch.nn.utils.rnn.pad_sequence([window.values[0] for window in windows], batch_first=True)
    mask = _mask(windows, model.device)
    return _of_windows(model(values.to(model.device), attention_mask=mask, output_hidden_states=True), windows)


def _padded_behind_convolutions(model: torch.nn.Module, windows: Sequence[Window]) -> list[torch.Tensor]:
    features = [model.feature_extractor(window.values.to(model.device))[0].T for window in windows]
    padded = torch.nn.utils.rnn.pad_sequence(features, batch_first=True).transpose(1, 2)
    # The model takes its mask in samples, and works out itself how many features they make; it sees no samples.
    mask = _mask(windows, model.device)
    samples = torch.empty(len(windows), 0, device="meta")
    with _features_given(model, padded):
        return _of_windows(model(samples, attention_mask=mask, output_hidden_states=True), windows)


@contextmanager
def _features_given(model: torch.nn.Module, features: torch.Tensor) -> Iterator[None]:
    """Put these features in place of what the model's convolution stack would make of its input."""
    stack = model.feature_extractor
    stack.forward = lambda _: features
    try:
        yield
    finally:
        del stack.forward


def _mask(windows: Sequence[Window], device: torch.device) -> torch.Tensor | None:
    """True where a padded batch holds something, bool [items, longest]; None where it holds something everywhere."""
    lengths = [window.values.shape[1] for window in windows]
    if len(set(lengths)) == 1:
        return None
    return torch.arange(max(lengths), device=device) < torch.tensor(lengths, device=device)[:, None]


def _of_windows(output, windows: Sequence[Window]) -> list[torch.Tensor]:
    together = torch.stack(output.hidden_states, dim=1)
    return [together[index, :, : window.speech_rows] for index, window in enumerate(windows)]
