"""What is clustered: the frames of speech of a layer or of the log-Mel, or their mean over each utterance.

Means of speakers are made of those of their utterances (`sampled_points`).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from property_neurons.clustering.vocabulary import Of
from property_neurons.corpus.frame_store import FrameShard
from property_neurons.corpus.recordings import Recording, decode, naming
from property_neurons.errors import ModelError, StoreError
from property_neurons.jobs.devices import job_device
from property_neurons.models.loading import SpeechEncoder, load_encoder
from property_neurons.probing.representations import block_paths, layer_outputs, log_mel_frames
from property_neurons.progress import progress
from property_neurons.stores.manifests import described_folder

Represent = Callable[[np.ndarray], np.ndarray]
"""From a waveform, float32 [samples] of 16 kHz, to its 20 ms frames, float32 [frames, width]."""


def of_layer(encoder: SpeechEncoder | None, layer: int | None) -> Represent:
    """The output of a block of a model (from 1), or, without one, log-Mel frames in pairs.

    Raises:
        ModelError: the model has no such block.
    """
    if encoder is None:
        return log_mel_frames
    layers = len(block_paths(encoder))
    if not 1 <= layer <= layers:
        raise ModelError(f"clusters: expected one of the {layers} layers of the model, found layer {layer}; correct it")
    return lambda waveform: layer_outputs(encoder, waveform)[layer - 1]


def represent_of(job: Any, layer: int | None) -> Represent:
    """What is clustered: a layer of the model of the job, or, without one, log-Mel frames.

    Raises:
        ModelError: the model has no such layer, or cannot be read.
        StoreError: the model is not as it was written.
    """
    if not job.input.model:
        return of_layer(None, None)
    manifest = Path(job.input.model)
    device = job_device(job.config.get("device", "auto"), job.resources)
    return of_layer(load_encoder(described_folder(manifest), manifest=manifest, device=device), layer)


@dataclass(frozen=True)
class Utterance:
    """A kept utterance of a shard: where its frames are, and its recording.

    of_speech: bool [frames], those that are not silence.
    """

    name: str
    speaker: str
    place: int
    of_speech: np.ndarray
    recording: Recording


def utterances_of(frames: FrameShard, recordings: Iterable[Recording]) -> list[Utterance]:
    """The utterances of a shard that are kept and recorded.

    Raises:
        StoreError: the recordings are not those of the frame store.
    """
    place_of = {name: place for place, name in enumerate(frames.utterances)}
    recordings = list(recordings)
    if strange := [one.utterance for one in recordings if one.utterance not in place_of]:
        raise StoreError(f"{frames.name}: expected labels of {strange[0]}, found none; run the corpus rules again")
    of_speech, speakers = frames.of_speech, frames.columns["speaker"]
    return [
        Utterance(
            frames.utterances[place],
            speakers[place],
            place,
            of_speech[frames.offset[place] : frames.offset[place + 1]],
            recording,
        )
        for recording, place in ((one, place_of[one.utterance]) for one in recordings)
        if frames.kept[place]
    ]


def points_of(
    utterances: Sequence[Utterance], represent: Represent, of: Of
) -> Iterator[tuple[Utterance, np.ndarray, np.ndarray]]:
    """The points of utterances: of the frames without the label silence, as far as the model gives them.

    Yields:
        the utterance; bool [frames], its frames that are clustered; float32 [points, width]: one point for each of
        these frames, or their mean alone, or none where all are silent

    Raises:
        AudioError, ModelError: an utterance cannot be read; the message names it.
    """
    waveforms = decode([one.recording for one in utterances])
    together = zip(utterances, waveforms, strict=True)
    for utterance, waveform in progress(together, total=len(utterances), what="representing", unit="utterance"):
        with naming(utterance.name):
            values = represent(waveform)
        own = utterance.of_speech.copy()
        # Some models give no frame for the last label.
        own[len(values) :] = False
        points = values[: len(own)][own[: len(values)]]
        if of != "frames" and len(points):
            points = points.mean(axis=0, keepdims=True, dtype=np.float64).astype(np.float32)
        yield utterance, own, points
