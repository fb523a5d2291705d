"""What is known of a model's shape before the model is there."""

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import huggingface_hub

from property_neurons import plan
from property_neurons.config.models import (
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

_BASE = ((3072,) * 12, 94_400_000, 13 * 768)
_WHISPER_TINY = ((1536,) * 4, 8_200_000, 5 * 384)


@dataclass(frozen=True)
class Shape:
    """What is known of a model before it is there.

    widths: neurons of each feed-forward network.
    parameters: about.
    states: values of its hidden states in one frame, (blocks + 1) x hidden size.
    assumed: nothing told, so the shape of a base model is taken.
    """

    widths: tuple[int, ...]
    parameters: int
    states: int
    assumed: bool = False


def shape_of(config: Config, model: str) -> Shape:
    """The shape of a model: as prepared, else by its config.json or the configuration, else that of a base model."""
    prepared = plan.paths.model(config, model)
    with suppress(StoreError):
        content = read_manifest(plan.paths.manifest(prepared))
        states = _shape_in(f"{prepared}/config.json").states
        return Shape(tuple(site["width"] for site in content["sites"]), content["n_parameters"], states)
    section = config.models[model]
    match section:
        case EditedModel() | PrunedModel() | RandomTwinModel() | TunedModel():
            return shape_of(config, section.of)
        case PretrainedModel():
            run = config.pretraining[section.run]
            return shape_of(config, run.starts_from) if run.starts_from else _shape(run.architecture.model_dump())
        case WhisperWheelModel():
            return Shape(*_WHISPER_TINY)
        case HubModel():
            cached = huggingface_hub.try_to_load_from_cache(section.id, "config.json", revision=section.revision)
            return _shape_in(cached) if isinstance(cached, str) else Shape(*_BASE, assumed=True)
    folder = plan.models.source(config, model).get("path")
    return _shape_in(f"{folder}/config.json") if folder else Shape(*_BASE, assumed=True)


def _shape_in(file: str) -> Shape:
    try:
        return _shape(json.loads(Path(file).read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        return Shape(*_BASE, assumed=True)


def _shape(fields: dict) -> Shape:
    layers = fields.get("encoder_layers") or fields["num_hidden_layers"]
    width = fields.get("encoder_ffn_dim") or fields["intermediate_size"]
    hidden = fields.get("d_model") or fields["hidden_size"]
    per_block = 2 if fields.get("model_type") in ("wav2vec2-conformer", "wav2vec2-bert") else 1
    widths = tuple(fields.get("intermediate_sizes") or (width,) * (layers * per_block))
    # Attention, feed-forward networks, and the convolution that tells positions (in 16 groups).
    parameters = layers * 4 * hidden**2 + 2 * hidden * sum(widths) + 8 * hidden**2
    return Shape(widths, parameters, (layers + 1) * hidden)
