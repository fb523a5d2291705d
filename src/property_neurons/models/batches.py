"""Run several utterances through a model at once; each gives the same result as alone and unpadded, to rounding.

MelHuBERT reads padded utterances behind a mask. HuBERT, wav2vec 2.0, WavLM and UniSpeech-SAT read each utterance
alone through their convolutions, whose group norm padding would change, and then all in one padded batch. Whisper
reads several windows at once. Other models read one window after the other.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from property_neurons.models.features import Window
from property_neurons.models.pruned import base_type

# Behind their convolution stack, which must not see padding, these hide it: one convolution for positions, into which
# zeros go, and attention. Where several convolutions follow each other (data2vec, Conformers, SEW) it would spread.
_PADDED_BEHIND_CONVOLUTIONS = frozenset({"hubert", "wav2vec2", "wavlm", "unispeech-sat"})


def reads_batches(config) -> bool:
    """Whether a model of this config reads several windows at once."""
    kind = base_type(config)
    behind = kind in _PADDED_BEHIND_CONVOLUTIONS and not getattr(config, "conv_pos_batch_norm", False)
    return behind or kind in ("melhubert", "whisper")


def forward(model: torch.nn.Module, windows: Sequence[Window], **asked: Any):
    """The model's output for some windows: a row of the batch each, which begins with the window's own rows.

    Args:
        model: a base model.
        windows: one, or several where `reads_batches` says so.
        asked: of the output, as `output_hidden_states`.
    """
    values = [window.values.to(model.device, non_blocking=True) for window in windows]
    if len(values) == 1:
        return model(values[0], **asked)
    kind = base_type(model.config)
    if kind == "whisper":
        return model(torch.cat(values), **asked)
    # Models take their mask in samples, and work out themselves how many features they make.
    mask = _mask(windows, model.device)
    if kind == "melhubert":
        return model(_padded([one[0] for one in values]), attention_mask=mask, **asked)
    features = _padded([model.feature_extractor(one)[0].T for one in values]).transpose(1, 2)
    with _features_given(model, features):
        return model(torch.empty(len(windows), 0, device="meta"), attention_mask=mask, **asked)


@contextmanager
def _features_given(model: torch.nn.Module, features: torch.Tensor) -> Iterator[None]:
    """Replace the output of the model's convolution stack by these features."""
    stack = model.feature_extractor
    stack.forward = lambda _: features
    try:
        yield
    finally:
        del stack.forward


def _padded(items: Sequence[torch.Tensor]) -> torch.Tensor:
    return torch.nn.utils.rnn.pad_sequence(items, batch_first=True)


def _mask(windows: Sequence[Window], device: torch.device) -> torch.Tensor | None:
    """True where a padded batch holds something, bool [items, longest]; None where it holds something everywhere."""
    lengths = [window.values.shape[1] for window in windows]
    if len(set(lengths)) == 1:
        return None
    return torch.arange(max(lengths), device=device) < torch.tensor(lengths, device=device)[:, None]
