"""Small random models of every class whose neurons can be read, built in milliseconds.

Two blocks, 24 neurons a feed-forward network, the frame rates of the real models, dropout on in training mode.
"""

from pathlib import Path

import numpy as np
import torch

from property_neurons.models import melhubert
from property_neurons.models.backend import quiet_transformers, transformers
from property_neurons.models.folder import depends_on_normalising
from property_neurons.models.loading import whisper_encoder_class

WIDTH = 24
N_BLOCKS = 2
WHISPER_WINDOW = 50
"""Rows in a window of the small Whisper: one second instead of thirty."""
STATISTICS = {"mean": np.linspace(8, 14, 40), "std": np.linspace(2, 5, 40)}
"""Log-Mel statistics of the small MelHuBERT, unlike those of any signal here."""

_BLOCKS = {
    "hidden_size": 16,
    "num_hidden_layers": N_BLOCKS,
    "num_attention_heads": 2,
    "intermediate_size": WIDTH,
    # Ten times the usual spread, so that activations differ clearly from neuron to neuron and frame to frame.
    "initializer_range": 0.2,
    "activation_dropout": 0.5,
}
_CONVOLUTIONS = {"conv_dim": (8,) * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2}

_CONFIGS = {
    "HubertModel": ("HubertConfig", _BLOCKS | _CONVOLUTIONS),
    "Wav2Vec2Model": ("Wav2Vec2Config", _BLOCKS | _CONVOLUTIONS),
    "WavLMModel": ("WavLMConfig", _BLOCKS | _CONVOLUTIONS),
    "UniSpeechSatModel": ("UniSpeechSatConfig", _BLOCKS | _CONVOLUTIONS),
    "Data2VecAudioModel": (
        "Data2VecAudioConfig",
        _BLOCKS | _CONVOLUTIONS | {"num_conv_pos_embeddings": 2, "conv_pos_kernel_size": 5},
    ),
    "SEWModel": ("SEWConfig", _BLOCKS | _CONVOLUTIONS | {"conv_dim": (8,) * 13}),
    "Wav2Vec2ConformerModel": ("Wav2Vec2ConformerConfig", _BLOCKS | _CONVOLUTIONS),
    "Wav2Vec2BertModel": ("Wav2Vec2BertConfig", _BLOCKS),
    "MelHubertModel": (
        "MelHubertConfig",
        _BLOCKS | {"num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2, "num_targets": 8},
    ),
    "WhisperEncoder": (
        "WhisperConfig",
        {
            "d_model": 16,
            "encoder_layers": N_BLOCKS,
            "encoder_attention_heads": 2,
            "encoder_ffn_dim": WIDTH,
            "decoder_layers": 1,
            "decoder_attention_heads": 2,
            "decoder_ffn_dim": WIDTH,
            "max_source_positions": WHISPER_WINDOW,
            "max_target_positions": 4,
            "vocab_size": 8,
            "pad_token_id": 0,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "decoder_start_token_id": 1,
            "init_std": 0.2,
            "activation_dropout": 0.5,
        },
    ),
}
CLASS_NAMES = list(_CONFIGS)


def small_config(class_name: str, **overrides):
    """The transformers config of a small model; `overrides` change its fields."""
    config_class, fields = _CONFIGS[class_name]
    return find_class(config_class)(**(fields | overrides))


def small_model(class_name: str, seed: int = 0, **overrides) -> torch.nn.Module:
    """A small random model in eval mode; any class of the config's family, with or without a head, may be named.

    Args:
        class_name: one of `CLASS_NAMES`.
        seed: of the weights.
        overrides: config fields.
    """
    return build(
        find_class(class_name),
        small_config(class_name, **overrides),
        seed,
    )


def find_class(name: str) -> type:
    """A model or config class by its name, be it transformers' or our own."""
    if name == "WhisperEncoder":
        return whisper_encoder_class()
    return getattr(melhubert, name, None) or getattr(transformers, name)


def build(model_class: type, config, seed: int = 0) -> torch.nn.Module:
    """A model of `model_class` with random weights, the same for the same seed, in eval mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return model_class(config).eval()


def save_model(model: torch.nn.Module, folder: Path, do_normalize: bool | None = None) -> Path:
    """Write a `from_pretrained` folder.

    Args:
        model: any transformers model.
        folder: made if need be.
        do_normalize: what preprocessor_config.json says about the waveform; None = no such file.
    """
    with quiet_transformers():
        model.save_pretrained(folder)
    save_preprocessor(model.config, folder)
    if do_normalize is not None:
        transformers.Wav2Vec2FeatureExtractor(do_normalize=do_normalize).save_pretrained(folder)
    return folder


def save_preprocessor(config, folder: Path) -> None:
    """Write the preprocessor_config.json without which a model is not complete; nothing where it is."""
    if config.model_type == "melhubert":
        melhubert_extractor(config.frame_ms, config.num_mel_bins).save_pretrained(folder)
    elif depends_on_normalising(config.to_dict()):
        transformers.Wav2Vec2FeatureExtractor(do_normalize=False).save_pretrained(folder)


def melhubert_extractor(frame_ms: int = 20, num_mel_bins: int = 40) -> melhubert.MelHubertFeatureExtractor:
    """The feature extractor of the small MelHuBERT; other than 40 bins are as they are."""
    statistics = STATISTICS if num_mel_bins == 40 else {}
    return melhubert.MelHubertFeatureExtractor(**statistics, frame_ms=frame_ms, num_mel_bins=num_mel_bins)


def waveform(n_samples: int, seed: int = 0):
    """Speech-like noise, float32 [n_samples]: an offset, a swelling amplitude, values within [-1, 1]."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(n_samples, generator=generator)
    envelope = 0.1 + 0.05 * torch.sin(torch.arange(n_samples) / 3000)
    return (0.02 + noise * envelope).clamp(-1, 1).numpy()
