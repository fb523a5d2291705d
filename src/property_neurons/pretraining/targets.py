"""Targets of pre-training: the k-means cluster of each frame, of log-Mel (stage 1) or of a hidden layer (stage 2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from sklearn.cluster import MiniBatchKMeans

from property_neurons.errors import ModelError, StoreError
from property_neurons.models.backend import quiet_transformers
from property_neurons.models.loading import load_config
from property_neurons.models.melhubert import MelHubertConfig, MelHubertFeatureExtractor, MelHubertModel
from property_neurons.models.melhubert.features import LogMelStatistics, stack_frames
from property_neurons.pretraining.log_mel import LogMelShard, read_statistics
from property_neurons.progress import progress
from property_neurons.stores.files import atomic_path
from property_neurons.stores.manifests import described_folder, verify_files
from property_neurons.stores.zarr import add_array, new_store, open_store


class Represent(Protocol):
    """What is clustered, made of an utterance's log-Mel frames."""

    frame_ms: int
    """Length of the frames that come out."""

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """From float32 [frames of 10 ms, bins], not normalised, to float32 [frames, size]."""


_FRAMES_PER_SECOND_OF_LOG_MEL = 100


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
        model: in fp32.
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
        self._model = model.eval()
        self._statistics = extractor.statistics
        self._layer = layer

    @torch.inference_mode()
    def __call__(self, frames: np.ndarray) -> np.ndarray:
        features = stack_frames(self._statistics.normalise(frames), self.frame_ms)
        batch = torch.from_numpy(features)[None].to(self._model.device)
        return self._model(batch, output_hidden_states=True).hidden_states[self._layer][0].float().cpu().numpy()


class Centred:
    """What another makes of an utterance, less the mean, which speaker and room add to all frames.

    Args:
        represent: makes it.
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
        ModelError: the model is no MelHuBERT.
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
    found = load_config(folder).model_type
    if found != MelHubertConfig.model_type:
        # Others would be read with weights drawn at random, or fail without a word of why.
        raise ModelError(
            f"targets: expected a MelHuBERT to cluster a layer of, found a {found} in {folder}; name a MelHuBERT of "
            "the config, or cluster log-Mel frames (layer: null)"
        )
    with quiet_transformers():
        encoder = MelHubertModel.from_pretrained(folder, dtype=torch.float32, local_files_only=True).to(device)
        extractor = MelHubertFeatureExtractor.from_pretrained(folder)
    return HiddenFrames(encoder, extractor, layer)


def fit_codebook(
    shards: Sequence[LogMelShard], represent: Represent, *, clusters: int, hours: float, seed: int
) -> np.ndarray:
    """Centroids of mini-batch k-means over the frames of utterances drawn at random, with HuBERT's settings.

    Args:
        shards: where the utterances are drawn from.
        hours: how much speech to fit on, at most.
        seed: of the draw and of k-means.

    Returns:
        float32 [clusters, size]

    Raises:
        StoreError: fewer frames than clusters.
    """
    rng = np.random.default_rng(seed)
    utterances = [(shard, index) for shard in shards for index in range(len(shard.utterances))]
    budget = hours * 3600 * _FRAMES_PER_SECOND_OF_LOG_MEL
    chosen, total = [], 0
    for position in rng.permutation(len(utterances)):
        shard, index = utterances[position]
        chosen.append(shard.frames[shard.offset[index] : shard.offset[index + 1]])
        total += len(chosen[-1])
        if total >= budget:
            break
    sample = _represented(chosen, represent)
    if len(sample) < clusters:
        raise StoreError(
            f"k-means: expected at least {clusters} frames, one per cluster, found {len(sample)}; "
            "lower targets.clusters or raise targets.fit_hours"
        )
    kmeans = MiniBatchKMeans(
        clusters,
        init="k-means++",
        n_init=5,
        batch_size=10_000,
        max_iter=100,
        max_no_improvement=100,
        tol=0.0,
        reassignment_ratio=0.0,
        random_state=seed,
    )
    return kmeans.fit(sample).cluster_centers_.astype(np.float32)


def _represented(chosen: Sequence[np.ndarray], represent: Represent) -> np.ndarray:
    """All frames of the utterances in one array that is allocated once: it is the largest thing in memory."""
    together = represent.frame_ms // 10
    ends = np.cumsum([0, *(-(-len(frames) // together) for frames in chosen)])
    sample = None
    bar = progress(chosen, total=len(chosen), what="frames to cluster", unit="utt")
    for index, frames in enumerate(bar):
        values = represent(frames)
        if sample is None:
            sample = np.empty((ends[-1], values.shape[1]), np.float32)
        sample[ends[index] : ends[index + 1]] = values
    return np.empty((0, 1), np.float32) if sample is None else sample


def write_codebook(path: str | Path, centroids: np.ndarray, frame_ms: int) -> None:
    """Write centroids, float32 [clusters, size], of frames of `frame_ms`, as safetensors."""
    with atomic_path(path) as temporary:
        save_file({"centroids": centroids}, temporary, metadata={"frame_ms": str(frame_ms)})


def read_codebook(path: str | Path) -> np.ndarray:
    """Read centroids, float32 [clusters, size].

    Raises:
        StoreError: the file is absent or no codebook.
    """
    try:
        return load_file(path)["centroids"]
    except (OSError, KeyError, SafetensorError) as error:
        raise StoreError(f"{path}: expected a codebook, found {error}; run the rule that makes it") from None


def nearest(frames: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """The centroid nearest to each frame (the first of equals).

    Args:
        frames: float32 [frames, size].
        centroids: float32 [clusters, size].

    Returns:
        uint16 [frames]
    """
    points, centres = torch.from_numpy(frames), torch.from_numpy(centroids)
    # |x - c|^2 without |x|^2, which is the same for all c.
    distances = torch.addmm(centres.square().sum(1)[None], points, centres.T, beta=1, alpha=-2)
    return distances.argmin(1).numpy().astype(np.uint16)


def write_targets(path: str | Path, shard: LogMelShard, represent: Represent, centroids: np.ndarray) -> None:
    """Write the target store of one shard: the cluster of every frame of `frame_ms` of every utterance.

    Args:
        path: the store (.zarr).
        represent: what the centroids were fitted on.
        centroids: float32 [clusters, size].
    """
    spans = zip(shard.offset[:-1], shard.offset[1:], strict=True)
    targets = [
        nearest(represent(shard.frames[start:end]), centroids)
        for start, end in progress(spans, total=len(shard.utterances), what="targets", unit="utt")
    ]
    with new_store(path) as store:
        add_array(store, "offset", np.cumsum([0, *map(len, targets)]).astype(np.int64))
        add_array(store, "target", np.concatenate([np.empty(0, np.uint16), *targets]))
        store.attrs.update(
            {"utterances": list(shard.utterances), "clusters": len(centroids), "frame_ms": represent.frame_ms}
        )


@dataclass(frozen=True)
class TargetShard:
    """Targets of a shard's utterances.

    offset: int64 [utterances + 1], first target of each.
    target: uint16 [frames].
    clusters: how many there are.
    frame_ms: 10 or 20.
    """

    utterances: tuple[str, ...]
    offset: np.ndarray
    target: np.ndarray
    clusters: int
    frame_ms: int


def open_targets(path: str | Path) -> TargetShard:
    """Open a target store.

    Raises:
        StoreError: it is absent or damaged.
    """
    store = open_store(path)
    attrs = dict(store.attrs)
    return TargetShard(
        utterances=tuple(attrs["utterances"]),
        offset=store["offset"][:],
        target=store["target"][:],
        clusters=attrs["clusters"],
        frame_ms=attrs["frame_ms"],
    )
