"""The speech whose activation values are kept, frame by frame: who says what, and in which group of each property."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from property_neurons.activations.store import ActivationStore
from property_neurons.browser.f0 import f0_of
from property_neurons.corpus.frame_store import FrameShard
from property_neurons.corpus.phones import ANY, PAPER_PHONES, Inventory
from property_neurons.counting.join import rank_rows
from property_neurons.counting.layout import NO_GROUP, Layout
from property_neurons.counting.sampling import Sampling, sample_frames
from property_neurons.errors import StoreError
from property_neurons.ranks.store import RankStore


@dataclass(frozen=True)
class Shard:
    """The stores of one shard: of all its speech, and the activation values of some of it.

    of_property: the same frames with what a property reads beside the frame store, for those that read something.
    """

    frames: FrameShard
    ranks: RankStore
    values: ActivationStore
    of_property: Mapping[str, FrameShard] = field(default_factory=dict)

    def frames_of(self, name: str) -> FrameShard:
        """The frames as a property reads them."""
        return self.of_property.get(name, self.frames)


@dataclass(frozen=True)
class Speech:
    """The frames whose values are kept, utterance after utterance, shard after shard.

    utterances: ids [utterances], with who speaks (`speakers`) and, where the corpus says so, the gender (`genders`).
    audio: file of each utterance.
    offset: int64 [utterances + 1], first frame of each.
    inventory: the phones of the corpus.
    label: int8 [frames], index into the labels of `inventory`.
    f0: float32 [frames] Hz; see `f0.f0_of`.
    group: for each property int64 [frames], index into its groups, -1 where it has none and in silence.
    value_rows, rank_rows: for each shard int64 [its frames], rows in its stores.
    """

    utterances: tuple[str, ...]
    speakers: tuple[str, ...]
    genders: tuple[str, ...]
    audio: tuple[str, ...]
    offset: np.ndarray
    inventory: Inventory
    label: np.ndarray
    f0: np.ndarray
    group: Mapping[str, np.ndarray]
    value_rows: tuple[np.ndarray, ...]
    rank_rows: tuple[np.ndarray, ...]

    @cached_property
    def utterance(self) -> np.ndarray:
        """The utterance of each frame: int64 [frames]."""
        return np.repeat(np.arange(len(self.utterances)), np.diff(self.offset))

    @cached_property
    def speaker(self) -> np.ndarray:
        """The speaker of each frame, by number: int64 [frames]."""
        _, number = np.unique(np.array(self.speakers, dtype=object).astype(str), return_inverse=True)
        return number[self.utterance]

    def moment(self, frame: int) -> dict[str, Any]:
        """Who says what in a frame: utterance, speaker, gender, frame of the utterance, time (s), phone, f0 (Hz)."""
        utterance = int(self.utterance[frame])
        of_utterance = frame - int(self.offset[utterance])
        return {
            "utterance": self.utterances[utterance],
            "speaker": self.speakers[utterance],
            "gender": self.genders[utterance],
            "frame": of_utterance,
            "time": round((of_utterance + 0.5) * 0.02, 3),
            "phone": self.inventory.labels[self.label[frame]],
            "f0": float(self.f0[frame]),
        }

    def values(self, shards: Sequence[Shard], site: int) -> np.ndarray:
        """The values of one site: float16 [frames, neurons]."""
        return np.concatenate(
            [shard.values.values(site)[rows] for shard, rows in zip(shards, self.value_rows, strict=True) if len(rows)]
        )

    def active(self, shards: Sequence[Shard], site: int, tau: int) -> np.ndarray:
        """The `tau` most active neurons of each frame: uint16 [frames, tau]."""
        return np.concatenate(
            [shard.ranks.ids(site, tau)[rows] for shard, rows in zip(shards, self.rank_rows, strict=True) if len(rows)]
        )


def read_speech(shards: Sequence[Shard], layouts: Mapping[str, Layout]) -> Speech:
    """Join what is known of the frames whose values are kept.

    A frame that lacks a label, a rank or a value (the last of an utterance, where a model gives one less) is left out.

    Raises:
        StoreError: values of an utterance that the frame store does not have.
        CountingError: ranks and frames do not belong together, or ranks of middle frames alone were kept.
    """
    whole = Sampling(frames="every")
    inventory = shards[0].frames.inventory if shards else PAPER_PHONES
    counted = {*inventory.phones, ANY}
    names, speakers, genders, audio, lengths = [], [], [], [], [0]
    labels, f0, value_rows, ranked = [], [], [], []
    groups: dict[str, list[np.ndarray]] = {name: [] for name in layouts}
    for shard in shards:
        frames, values = shard.frames, shard.values
        position, rows = [], []
        place = {name: index for index, name in enumerate(frames.utterances)}
        lengths_of_shard = []
        for index, name in enumerate(values.utterances):
            if name not in place:
                raise StoreError(
                    f"{values.name}: expected utterances of {frames.name}, found {name}; the two come from different "
                    "versions of the corpus: delete the activation stores and run again"
                )
            own = place[name]
            n = int(min(values.offset[index + 1] - values.offset[index], frames.offset[own + 1] - frames.offset[own]))
            position.append(frames.offset[own] + np.arange(n))
            rows.append(values.offset[index] + np.arange(n))
            lengths_of_shard.append(n)
            names.append(name)
            speakers.append(frames.columns["speaker"][own])
            genders.append(frames.columns.get("gender", ("",) * len(frames.utterances))[own])
            audio.append(values.audio[index])
        position = np.concatenate([np.empty(0, np.int64), *position])
        rows = np.concatenate([np.empty(0, np.int64), *rows])
        rank_row = rank_rows(shard.ranks, frames, position)
        kept = rank_row >= 0
        of_utterance = np.repeat(np.arange(len(lengths_of_shard)), lengths_of_shard)[kept]
        lengths += np.bincount(of_utterance, minlength=len(lengths_of_shard)).tolist()
        position, rows, rank_row = position[kept], rows[kept], rank_row[kept]
        value_rows.append(rows)
        ranked.append(rank_row)
        labels.append(frames.label[position])
        f0.append(f0_of(frames)[position])
        sample = sample_frames(frames, whole)
        for name, layout in layouts.items():
            of_frame = np.full(len(frames.label), NO_GROUP)
            cell_of_frame = layout.cells_of(shard.frames_of(name), sample)
            number = {group: index for index, group in enumerate(layout.groups)}
            of_cell = np.array(
                [number.get(group, NO_GROUP) if label in counted else NO_GROUP for group, label in layout.cells]
                + [NO_GROUP]
            )
            of_frame[sample.position] = of_cell[cell_of_frame]
            groups[name].append(of_frame[position])
    return Speech(
        utterances=tuple(names),
        speakers=tuple(speakers),
        genders=tuple(genders),
        audio=tuple(audio),
        offset=np.cumsum(lengths),
        inventory=inventory,
        label=np.concatenate(labels),
        f0=np.concatenate(f0),
        group={name: np.concatenate(of_shards) for name, of_shards in groups.items()},
        value_rows=tuple(value_rows),
        rank_rows=tuple(ranked),
    )
