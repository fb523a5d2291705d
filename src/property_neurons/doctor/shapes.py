"""What is known of a model's shape before the model is there."""

import json
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import huggingface_hub

from property_neurons import plan
from property_neurons.config.models import (
    DistilledModel,
    EditedModel,
    HubModel,
    PretrainedModel,
    PrunedModel,
    RandomTwinModel,
    TunedModel,
    WhisperWheelModel,
)
from property_neurons.config.root import Config
from property_neurons.errors import StoreError
from property_neurons.stores.manifests import read_manifest

_BASE = ((3072,) * 12, 94_400_000, 12, 768)
_WHISPER_SECONDS = 30.0
# Model types that take log-Mel features.
_LOG_MEL = ("melhubert", "wav2vec2-bert", "whisper")
_MOST_BLOCKS = 10_000
_WIDEST = 1 << 20
_WHISPER_TINY = ((1536,) * 4, 8_200_000, 4, 384)


@dataclass(frozen=True)
class Shape:
    """What is known of a model before it is there.

    widths: neurons of each feed-forward network.
    parameters: about.
    blocks, hidden_size: Transformer blocks, and values of one hidden state.
    reads_waveform: by convolutions; other models read log-Mel features.
    window_seconds: length of the windows that it reads, however short the utterance (Whisper); 0 where there are none.
    assumed: nothing told, so the shape of a base model is taken.
    """

    widths: tuple[int, ...]
    parameters: int
    blocks: int
    hidden_size: int
    assumed: bool = False
    reads_waveform: bool = True
    window_seconds: float = 0.0

    @property
    def states(self) -> int:
        """Values of all hidden states in one frame: of the input of the first block, and of the output of each."""
        return (self.blocks + 1) * self.hidden_size


def shape_of(config: Config, model: str) -> Shape:
    """The shape of a model: as prepared, else by its config.json or the configuration, else that of a base model."""
    prepared = plan.paths.model(config, model)
    with suppress(StoreError):
        content = read_manifest(plan.paths.manifest(prepared))
        widths = tuple(site["width"] for site in content["sites"])
        return replace(
            _shape_in(f"{prepared}/config.json"), widths=widths, parameters=content["n_parameters"], assumed=False
        )
    section = config.models[model]
    match section:
        case DistilledModel() | EditedModel() | PrunedModel() | RandomTwinModel() | TunedModel():
            return shape_of(config, section.of)
        case PretrainedModel():
            return shape_of_run(config, section.run)
        case WhisperWheelModel():
            seconds = section.window_seconds or _WHISPER_SECONDS
            return Shape(*_WHISPER_TINY, reads_waveform=False, window_seconds=seconds)
        case HubModel():
            cached = huggingface_hub.try_to_load_from_cache(section.id, "config.json", revision=section.revision)
            return _shape_in(cached) if isinstance(cached, str) else Shape(*_BASE, assumed=True)
    folder = plan.models.source(config, model).get("path")
    return _shape_in(f"{folder}/config.json") if folder else Shape(*_BASE, assumed=True)


def shape_of_run(config: Config, run: str) -> Shape:
    """The shape of the model that a pre-training run trains."""
    section = config.pretraining[run]
    if section.starts_from:
        return shape_of(config, section.starts_from)
    return _shape(section.architecture.model_dump() | {"model_type": "melhubert"})


def _shape_in(file: str) -> Shape:
    try:
        return _shape(json.loads(Path(file).read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return Shape(*_BASE, assumed=True)


def _shape(fields: dict) -> Shape:
    layers = fields.get("encoder_layers") or fields["num_hidden_layers"]
    width = fields.get("encoder_ffn_dim") or fields["intermediate_size"]
    hidden = fields.get("d_model") or fields["hidden_size"]
    if not 0 < layers <= _MOST_BLOCKS:
        raise ValueError(f"num_hidden_layers: found {layers}")
    if not 0 < max(width, hidden) <= _WIDEST:
        raise ValueError(f"intermediate_size, hidden_size: found {width}, {hidden}")
    per_block = 2 if fields.get("model_type") in ("wav2vec2-conformer", "wav2vec2-bert") else 1
    widths = tuple(fields.get("intermediate_sizes") or (width,) * (layers * per_block))
    # Attention, feed-forward networks, and the convolution that tells positions (in 16 groups).
    parameters = layers * 4 * hidden**2 + 2 * hidden * sum(widths) + 8 * hidden**2
    model_type = str(fields.get("model_type")).removeprefix("pruned-")
    return Shape(
        widths,
        parameters,
        layers,
        hidden,
        reads_waveform=model_type not in _LOG_MEL,
        window_seconds=_WHISPER_SECONDS if model_type == "whisper" else 0.0,
    )
