"""The items of pre-training: random crops with random masks, each a pure function of its number.

The data set is as long as the training: item i is the i-th crop of the training. Its utterance, place and mask depend
on (seed, i) alone, so a resumed run sees the same crops, and so does another number of workers or devices.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from property_neurons.errors import StoreError
from property_neurons.models.log_mel import FRAMES_OF_10_MS, LogMelStatistics, stack_frames
from property_neurons.models.melhubert.modeling import UNMASKED
from property_neurons.pretraining.log_mel_store import LogMelShard
from property_neurons.pretraining.masking import span_mask
from property_neurons.pretraining.target_store import TargetShard
from property_neurons.pretraining.warping import draw_warp, warp_frequencies
from property_neurons.training import held_out
from property_neurons.training.order import EpochOrder


@dataclass(frozen=True)
class Masking:
    """share: of the frames, if spans did not overlap; span_ms: length of a span."""

    share: float = 0.7
    span_ms: int = 100


@dataclass(frozen=True)
class Utterance:
    """Where an utterance's frames and targets lie, and who speaks.

    frames, coded: float32 [frames of 10 ms, bins]; coded: after MP3 coding, or None.
    targets: uint16 [model frames].
    """

    name: str
    speaker: str
    frames: np.ndarray
    coded: np.ndarray | None
    targets: np.ndarray


def join_shards(
    shards: Sequence[tuple[LogMelShard, LogMelShard | None, TargetShard]], frame_ms: int
) -> list[Utterance]:
    """The utterances of some shards with a target per model frame; 10 ms targets serve 20 ms by every second one.

    Args:
        shards: frames, those after MP3 coding if any are wanted, and targets.

    Raises:
        StoreError: frames and targets are of different utterances or lengths.
    """
    utterances = []
    for features, coded, targets in shards:
        if features.utterances != targets.utterances or (coded and coded.utterances != features.utterances):
            raise StoreError("pre-training: log-Mel frames and targets hold different utterances; make both again")
        step = frame_ms // targets.frame_ms
        if step not in (1, 2):
            raise StoreError(
                f"pre-training: expected targets every {frame_ms} ms or twice as often, found one every "
                f"{targets.frame_ms} ms; take them from a model of {frame_ms} ms"
            )
        for index, (name, speaker) in enumerate(zip(features.utterances, features.speakers, strict=True)):
            span = slice(features.offset[index], features.offset[index + 1])
            chosen = targets.target[targets.offset[index] : targets.offset[index + 1] : step]
            expected = -(-(span.stop - span.start) // FRAMES_OF_10_MS[frame_ms])
            if len(chosen) != expected:
                raise StoreError(
                    f"utterance {name}: expected {expected} targets, found {len(chosen)}; make the targets again"
                )
            after_mp3 = None if coded is None else coded.frames[span]
            utterances.append(Utterance(name, speaker, features.frames[span], after_mp3, chosen))
    return utterances


def hold_out(utterances: Sequence[Utterance], share: float) -> tuple[list[Utterance], list[Utterance]]:
    """Divide utterances into those to train on and those to validate on, by speaker (`training.held_out`).

    Raises:
        StoreError: one side would be empty.
    """
    speakers = [utterance.speaker for utterance in utterances]
    parts = held_out.hold_out(utterances, speakers, [len(utterance.frames) for utterance in utterances], share)
    if not all(parts):
        raise StoreError(
            f"pre-training: expected speakers to train on and others to validate on, found {len(set(speakers))} "
            "speakers; name a corpus of several speakers, or another validation_share"
        )
    return parts


class Crops(torch.utils.data.Dataset):
    """`n_crops` random crops of utterances, epoch by epoch: each epoch goes through all utterances in a new order.

    Args:
        utterances: to crop from.
        statistics: of the log-Mel frames.
        n_crops: length of the data set.
        crop_ms: length of a crop; a shorter utterance is taken whole.
        frame_ms: of the model.
        masking: shares and spans.
        coded_share: of the crops that are taken from the MP3-coded audio, where there is some.
        frequency_warp: strength of vocal tract length perturbation; 0 = none.
        seed: of everything random.
    """

    def __init__(
        self,
        utterances: Sequence[Utterance],
        statistics: LogMelStatistics,
        *,
        n_crops: int,
        crop_ms: int,
        frame_ms: int,
        masking: Masking,
        coded_share: float,
        seed: int,
        frequency_warp: float = 0.0,
    ):
        self._utterances = utterances
        self._statistics = statistics
        self._n_crops = n_crops
        self._crop = crop_ms // frame_ms
        self._frame_ms = frame_ms
        self._masking = masking
        self._coded_share = coded_share
        self._frequency_warp = frequency_warp
        self._seed = seed
        self._order = EpochOrder(len(utterances), seed)

    def __len__(self) -> int:
        return self._n_crops

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        """Crop number `index`: input_features [frames, size], mask_time_indices [frames], labels [frames]."""
        utterance = self._utterances[self._order[index]]
        rng = np.random.default_rng([self._seed, index])
        length = min(self._crop, len(utterance.targets))
        start = int(rng.integers(len(utterance.targets) - length + 1))
        coded = rng.random() < self._coded_share and utterance.coded is not None
        together = FRAMES_OF_10_MS[self._frame_ms]
        frames = (utterance.coded if coded else utterance.frames)[start * together : (start + length) * together]
        mask = span_mask(length, self._masking.share, self._masking.span_ms // self._frame_ms, rng)
        if self._frequency_warp:
            frames = warp_frequencies(frames, draw_warp(self._frequency_warp, rng))
        targets = utterance.targets[start : start + length].astype(np.int64)
        return {
            "input_features": stack_frames(self._statistics.normalise(frames), self._frame_ms),
            "mask_time_indices": mask,
            "labels": np.where(mask, targets, UNMASKED),
        }


def collate(items: Sequence[Mapping[str, np.ndarray]]) -> dict[str, torch.Tensor]:
    """Crops of different lengths to one padded batch, with attention_mask [crops, frames]."""
    lengths = [len(item["labels"]) for item in items]
    shape = (len(items), max(lengths))
    batch = {
        "input_features": torch.zeros(*shape, items[0]["input_features"].shape[1]),
        "mask_time_indices": torch.zeros(shape, dtype=torch.bool),
        "labels": torch.full(shape, UNMASKED, dtype=torch.int64),
        "attention_mask": torch.zeros(shape, dtype=torch.bool),
    }
    for row, (item, length) in enumerate(zip(items, lengths, strict=True)):
        for name in ("input_features", "mask_time_indices", "labels"):
            batch[name][row, :length] = torch.from_numpy(item[name])
        batch["attention_mask"][row, :length] = True
    return batch
