"""The items of a training: utterances in random order, each a pure function of its number."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
import torch

from property_neurons.corpus.recordings import Recording, read_recording
from property_neurons.models.features import SAMPLES_PER_FRAME, SAMPLING_RATE
from property_neurons.models.loading import SpeechEncoder
from property_neurons.tasks.heads import UNLABELLED
from property_neurons.tasks.stored_states import StateStore
from property_neurons.tasks.table import Kind
from property_neurons.training.order import EpochOrder, LengthGroupedOrder


class Source(Protocol):
    """Gives the input of the trained part for one utterance."""

    def __call__(self, index: int, first: int, frames: int | None) -> dict[str, Any]:
        """Utterance `index`, from 20 ms frame `first`, `frames` long (None: to the end)."""

    def n_frames(self, index: int) -> int:
        """Its 20 ms frames."""


class Waveforms:
    """Model input, made when it is asked for, in any process: the model runs where it is trained.

    Args:
        encoder: gives the front end.
        recordings: of the utterances.
    """

    def __init__(self, encoder: SpeechEncoder, recordings: Sequence[Recording]):
        self._front_end = encoder.front_end
        self._recordings = recordings

    def n_frames(self, index: int) -> int:
        """20 ms frames of utterance `index`."""
        return self._front_end.n_frames(self._recordings[index].n_samples)

    def __call__(self, index: int, first: int, frames: int | None) -> dict[str, Any]:
        """windows, and rows: int64 [frames], the model's row of each 20 ms frame."""
        waveform = read_recording(self._recordings[index])
        if frames is not None:
            start = first * SAMPLES_PER_FRAME
            waveform = waveform[start : start + self._samples(frames)]
        # Whisper counts a begun hop as a frame and gives one for it.
        rows = torch.from_numpy(self._front_end.rows_of_frames(len(waveform))[:frames])
        return {"windows": list(self._front_end.windows(waveform)), "rows": rows}

    def _samples(self, frames: int) -> int:
        """One hop more than the frames take up, so that as many come out as a whole utterance gives there.

        Not where the hop alone would open a window of silence.
        """
        samples = frames * SAMPLES_PER_FRAME
        window = self._front_end.window_samples
        return samples + (SAMPLES_PER_FRAME if window is None or samples % window else 0)


def task_recordings(table: pd.DataFrame, roots: Mapping[str, str]) -> list[Recording]:
    """The recordings of a task's utterances; see `TaskJob` for `roots`."""
    return [Recording(row.utterance, Path(roots[row.corpus]) / row.audio, row.n_samples) for row in table.itertuples()]


def waveforms(table: pd.DataFrame, encoder: SpeechEncoder, roots: Mapping[str, str]) -> Waveforms:
    """The waveforms of a task's utterances; see `TaskJob` for `roots`."""
    return Waveforms(encoder, task_recordings(table, roots))


class StoredStates:
    """Hidden states that were stored before (`stored_states.write_states`).

    Args:
        stores: of the corpora that the utterances are in.
        utterances: (corpus, utterance) of each.
    """

    def __init__(self, stores: Mapping[str, StateStore], utterances: Sequence[tuple[str, str]]):
        self._places = [(stores[corpus], *stores[corpus].span(utterance)) for corpus, utterance in utterances]

    def n_frames(self, index: int) -> int:
        """20 ms frames of utterance `index`."""
        _, start, end = self._places[index]
        return end - start

    def __call__(self, index: int, first: int, frames: int | None) -> dict[str, Any]:
        """states: float16 [states, frames, hidden size]."""
        store, start, end = self._places[index]
        end = end if frames is None else start + first + frames
        return {"states": torch.from_numpy(np.array(store.values[start + first : end])).transpose(0, 1)}


class Examples(torch.utils.data.Dataset):
    """Utterances with their references.

    Args:
        table: of one part of the task.
        kind: of the task.
        source: gives each utterance; its numbers are the rows of `table`.
        n_examples: length of the data set, for training: each epoch goes through all utterances in a new order, and
            item i depends on (seed, i) and `group_by_length` alone. None gives every utterance once, the longest
            first, whole or in clips.
        crop_seconds: longest piece of an utterance, drawn at random, in training; None for none.
        seed: of order and crops.
        first: number of the first item, where an earlier training has drawn those before it.
        group_by_length: utterances per batch, which are then of similar lengths (`LengthGroupedOrder`); None for a
            free order.
        clips: length in seconds and number of the clips of each utterance, where it is not given whole; see
            `clip_starts`.
    """

    def __init__(
        self,
        table: pd.DataFrame,
        kind: Kind,
        source: Source,
        *,
        n_examples: int | None = None,
        crop_seconds: float | None = None,
        seed: int = 0,
        first: int = 0,
        group_by_length: int | None = None,
        clips: tuple[float, int] | None = None,
    ):
        self.table = table
        self._kind = kind
        self._source = source
        self._n_examples = n_examples
        self._crop = None if crop_seconds is None else _frames(crop_seconds)
        self._seed, self._first = seed, first
        self._references = table["reference"].tolist()
        longest_first = np.argsort(-table["n_samples"].to_numpy(), kind="stable").tolist()
        self._pieces = [piece for index in longest_first for piece in self._pieces_of(index, clips)]
        if group_by_length is None:
            self._drawn = EpochOrder(len(table), seed)
        else:
            frames = [source.n_frames(index) for index in range(len(table))]
            lengths = frames if self._crop is None else np.minimum(frames, self._crop)
            self._drawn = LengthGroupedOrder(lengths, seed, group_by_length)

    def __len__(self) -> int:
        return len(self._pieces) if self._n_examples is None else self._n_examples

    def __getitem__(self, item: int) -> dict[str, Any]:
        """What the source gives, with index (the row of the table) and label."""
        if self._n_examples is None:
            index, first, frames = self._pieces[item]
        else:
            index = self._drawn[self._first + item]
            first, frames = self._piece(self._first + item, self._source.n_frames(index))
        length = self._source.n_frames(index) if frames is None else frames
        return self._source(index, first, frames) | {"index": index, "label": self._label(index, first, length)}

    def _pieces_of(self, index: int, clips: tuple[float, int] | None) -> list[tuple[int, int, int | None]]:
        if clips is None:
            return [(index, 0, None)]
        length = _frames(clips[0])
        n_frames = self._source.n_frames(index)
        if n_frames <= length:
            return [(index, 0, None)]
        return [(index, first, length) for first in clip_starts(n_frames, length, clips[1])]

    def _piece(self, item: int, n_frames: int) -> tuple[int, int | None]:
        if self._crop is None or n_frames <= self._crop:
            return 0, None
        return int(np.random.default_rng([self._seed, item]).integers(n_frames - self._crop + 1)), self._crop

    def _label(self, index: int, first: int, length: int) -> torch.Tensor:
        reference = self._references[index]
        if self._kind != "f0_reconstruction":
            return torch.from_numpy(np.array(reference, np.int64))
        # Tracks start with the utterance and may end some frames before it: those are unvoiced.
        label = np.full(length, np.nan, np.float32)
        known = np.asarray(reference, np.float32)[first : first + length]
        label[: len(known)] = known
        return torch.from_numpy(label)


def clip_starts(n_frames: int, length: int, number: int) -> list[int]:
    """The first frames of clips that do not overlap, each in the middle of one of as many equal parts.

    Args:
        n_frames: of the utterance, `length` at least.
        length: of a clip, in frames.
        number: of clips; fewer where so many do not fit.
    """
    number = min(number, n_frames // length)
    return [((2 * part + 1) * n_frames // number - length) // 2 for part in range(number)]


def _frames(seconds: float) -> int:
    return round(seconds * SAMPLING_RATE / SAMPLES_PER_FRAME)


def collate(items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Examples to one batch: states [examples, states, frames, size] padded (float16, as they were stored), or windows
    and rows; labels padded.
    """
    batch: dict[str, Any] = {"index": torch.tensor([item["index"] for item in items])}
    if "states" in items[0]:
        states = [item["states"].transpose(0, 1) for item in items]
        batch["states"] = torch.nn.utils.rnn.pad_sequence(states, batch_first=True).transpose(1, 2)
        batch["lengths"] = torch.tensor([len(one) for one in states])
    else:
        batch["windows"] = [item["windows"] for item in items]
        batch["rows"] = [item["rows"] for item in items]
    labels = [item["label"] for item in items]
    if labels[0].is_floating_point():
        batch["labels"] = torch.nn.utils.rnn.pad_sequence(labels, batch_first=True, padding_value=float("nan"))
    else:
        batch["labels"] = torch.nn.utils.rnn.pad_sequence(labels, batch_first=True, padding_value=UNLABELLED)
    return batch
