"""What k-means clusters for the targets of pre-training: log-Mel frames (stage 1), or a hidden layer (stage 2)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from property_neurons.errors import StoreError
from property_neurons.models.backend import quiet_transformers
from property_neurons.models.log_mel import LogMelStatistics, stack_frames
from property_neurons.models.melhubert import MelHubertFeatureExtractor, MelHubertModel
from property_neurons.models.precision import full_precision
from property_neurons.pretraining.input_model import check_input_model
from property_neurons.pretraining.log_mel_store import read_statistics
from property_neurons.stores.manifests import described_folder, verify_files


class Represent(Protocol):
    """What is clustered, made of an utterance's log-Mel frames."""

    frame_ms: int
    """Length of the frames that come out."""

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """From float32 [frames of 10 ms, bins], not normalised, to float32 [frames, size]."""


@dataclass(frozen=True)
class LogMelFrames:
    """Normalised log-Mel frames, one every 10 ms: what stage 1 clusters."""

    statistics: LogMelStatistics
    frame_ms: int = 10

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        return self.statistics.normalise(frames)


class HiddenFrames:
    """The output of one Transformer block of a trained model: what stage 2 clusters.

    Args:
        model: in fp32. Blocks after the layer are removed, because nothing uses them.
        extractor: its feature extractor.
        layer: number of the block, from 1.

    Raises:
        StoreError: the model has no such block.
    """

    def __init__(self, model: MelHubertModel, extractor: MelHubertFeatureExtractor, layer: int):
        if not 1 <= layer <= model.config.num_hidden_layers:
            raise StoreError(
                f"layer {layer}: expected one of the model's {model.config.num_hidden_layers}; correct targets.layer"
            )
        self.frame_ms = model.config.frame_ms
        model.encoder.layers = model.encoder.layers[:layer]
        self._model = model.eval()
        self._statistics = extractor.statistics
        self._layer = layer

    @full_precision()
    @torch.inference_mode()
    def __call__(self, frames: np.ndarray) -> np.ndarray:
        features = stack_frames(self._statistics.normalise(frames), self.frame_ms)
        batch = torch.from_numpy(features)[None].to(self._model.device)
        states = self._model(batch, output_hidden_states=[self._layer]).hidden_states
        return states[self._layer][0].float().cpu().numpy()


class Centred:
    """Another representation less its mean over the utterance, which removes what speaker and room add to all frames.

    Args:
        represent: the other representation.
    """

    def __init__(self, represent: Represent):
        self.frame_ms = represent.frame_ms
        self._represent = represent

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        values = self._represent(frames)
        return values - values.mean(axis=0, dtype=np.float64).astype(np.float32)


def load_represent(
    statistics: str | Path, model: str | Path | None, *, layer: int | None, centred: bool = False, device: str = "cpu"
) -> Represent:
    """What a stage clusters: log-Mel frames, or with `layer` the output of that block of a checkpoint.

    Args:
        statistics: JSON of the log-Mel statistics.
        model: the manifest of the checkpoint (`x.manifest.json` beside the folder `x`), where there is a layer.
        centred: subtract each utterance's mean.
        device: torch device.

    Raises:
        ModelError: the model is no MelHuBERT, or takes in other log-Mel bins.
        StoreError: a file is absent or altered, or the model has no such layer.
    """
    represent = _load_represent(statistics, model, layer, device)
    return Centred(represent) if centred else represent


def _load_represent(
    statistics: str | Path, model: str | Path | None, layer: int | None, device: str
) -> "LogMelFrames | HiddenFrames":
    if layer is None:
        return LogMelFrames(read_statistics(statistics))
    manifest = Path(model)
    folder = described_folder(manifest)
    verify_files(folder, manifest)
    remedy = "name such a model of the config, or cluster log-Mel frames (layer: null)"
    check_input_model(folder, statistics, "targets: model to cluster a layer of", remedy)
    with quiet_transformers():
        encoder = MelHubertModel.from_pretrained(folder, dtype=torch.float32, local_files_only=True).to(device)
        extractor = MelHubertFeatureExtractor.from_pretrained(folder)
    return HiddenFrames(encoder, extractor, layer)
