"""Measuring neurons on calibration speech: activations, and the gradients of a loss."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from property_neurons.corpus.recordings import Recording, decode, recordings_of
from property_neurons.errors import ModelError
from property_neurons.models.backend import quiet_transformers
from property_neurons.models.features import Window
from property_neurons.models.loading import SpeechEncoder, load_encoder
from property_neurons.models.precision import full_precision
from property_neurons.models.states import hidden_states
from property_neurons.progress import progress
from property_neurons.pruning.calibration import Calibration
from property_neurons.pruning.masks import masked
from property_neurons.stores import manifests
from property_neurons.tasks.examples import Examples, collate, waveforms
from property_neurons.tasks.fine_tuned import FineTuned, load_fine_tuned
from property_neurons.tasks.job import TaskTraining


@dataclass(frozen=True)
class Pass:
    """One utterance: its windows, and a function that computes its loss at each call."""

    windows: Sequence[Window]
    loss: Any


def some_of(number: int, utterances: int, seed: int) -> list[int]:
    """The randomly sampled utterances that calibrate, in ascending order; all where there are fewer."""
    return sorted(np.random.default_rng([seed, 6]).permutation(utterances)[:number].tolist())


def calibrating(trained: FineTuned, roots: Mapping[str, str]) -> Examples:
    """The utterances of the training part, the longest first; where training took crops, the middle of each."""
    table, crop = trained.data.part("train"), TaskTraining(**trained.job.settings).crop_seconds
    clips = None if crop is None else (crop, 1)
    return Examples(table, trained.data.kind, waveforms(table, trained.encoder, roots), clips=clips)


def passes_of_task(trained: FineTuned, number: int, seed: int, roots: Mapping[str, str]) -> Iterator[Pass]:
    """Utterances of the task's training part; L is the task's loss."""
    examples = calibrating(trained, roots)
    for index in some_of(number, len(examples), seed):
        batch = collate([examples[index]])
        yield Pass(batch["windows"][0], lambda batch=batch: trained.model(**batch)["loss"])


def passes_without_task(
    encoder: SpeechEncoder, recordings: Sequence[Recording], number: int, seed: int
) -> Iterator[Pass]:
    """Utterances of a corpus; L is a random projection of the last hidden states (see `Calibration`)."""
    chosen = [recordings[index] for index in some_of(number, len(recordings), seed)]
    for index, waveform in enumerate(decode(chosen)):
        windows = list(encoder.front_end.windows(waveform))

        def loss(windows=windows, index=index) -> torch.Tensor:
            states = hidden_states(encoder.model, [windows], [-1])[0][0]
            generator = torch.Generator().manual_seed(seed * 1_000_003 + index)
            return (torch.randn(states.shape, generator=generator).to(states.device) * states).sum()

        yield Pass(windows, loss)


@full_precision()
def calibrate(encoder: SpeechEncoder, passes: Iterator[Pass], *, total: int, task: bool) -> Calibration:
    """Read every neuron, and its gradient, over some utterances, one by one.

    A factor m of a neuron's activations has dL/dm = Σ a dL/da over the frames, at m = 1.

    Args:
        encoder: the model whose losses the passes give, in eval mode.
        total: how many passes, for the progress bar.
        task: whether L is the loss of a task.

    Raises:
        ModelError: no speech, or gradients that are not finite.
    """
    masks = [torch.ones(site.width, device=encoder.model.device, requires_grad=True) for site in encoder.sites]
    magnitude, square, taylor, fisher = ([np.zeros(site.width) for site in encoder.sites] for _ in range(4))
    frames = utterances = 0
    for one in progress(passes, total=total, what="calibration", unit="utterance"):

        def see(site: int, activations: torch.Tensor, windows=one.windows) -> None:
            speech = [row[: window.speech_rows] for row, window in zip(activations, windows, strict=True)]
            values = torch.cat(speech).detach().double()
            magnitude[site] += values.abs().sum(0).cpu().numpy()
            square[site] += values.square().sum(0).cpu().numpy()

        with masked(encoder.model, masks, see), torch.enable_grad():
            gradients = torch.autograd.grad(one.loss(), masks)
        for site, gradient in enumerate(gradients):
            slope = gradient.double().cpu().numpy()
            if not np.isfinite(slope).all():
                raise ModelError(
                    f"calibration, feed-forward network {encoder.sites[site].name}: expected finite gradients, found "
                    "others; are the weights damaged, or has the training diverged?"
                )
            taylor[site] += slope
            fisher[site] += slope**2
        frames += sum(window.speech_rows for window in one.windows)
        utterances += 1
    if not frames:
        raise ModelError("calibration: expected some speech, found none; give at least one utterance")
    return Calibration(
        [one / frames for one in magnitude],
        [one / frames for one in square],
        [one / utterances for one in fisher],
        [one / utterances for one in taylor] if task else None,
    )


def calibrate_on_task(
    training: str | Path, model: str | Path, roots: Mapping[str, str], *, utterances: int, seed: int, device: str
) -> pd.DataFrame:
    """Calibrate a fine-tuned model, or one pruned out of it, on its task's training part and by its loss.

    Args:
        training: manifest of a training of mode fine_tuned.
        model: manifest of the prepared model that is pruned.
        roots: the folder that each corpus's audio paths start from.

    Returns:
        `Calibration.table`, with attrs: model_digest, speech, utterances
    """
    with quiet_transformers():
        trained = load_fine_tuned(training, model=model, device=device)
        passes = passes_of_task(trained, utterances, seed, roots)
        found = calibrate(trained.encoder, passes, total=utterances, task=True)
    speech = f"training part of {trained.job.task}"
    return _described(found, trained.encoder, model, speech, min(utterances, len(trained.data.part("train"))))


def calibrate_on_corpus(
    model: str | Path, table: pd.DataFrame, root: str | Path, *, name: str, utterances: int, seed: int, device: str
) -> pd.DataFrame:
    """Calibrate a model that has no task on a corpus; as `calibrate_on_task`.

    Args:
        table: the corpus's utterances.
        name: of the corpus.
    """
    recordings = recordings_of(table.sort_values("utterance"), root)
    with quiet_transformers():
        encoder = load_encoder(manifests.described_folder(model), manifest=model, device=device)
        passes = passes_without_task(encoder, recordings, utterances, seed)
        found = calibrate(encoder, passes, total=utterances, task=False)
    return _described(found, encoder, model, name, min(utterances, len(recordings)))


def _described(
    found: Calibration, encoder: SpeechEncoder, model: str | Path, speech: str, utterances: int
) -> pd.DataFrame:
    table = found.table(encoder.sites)
    table.attrs = {
        "model_digest": manifests.read_manifest(model)["digest"],
        "speech": speech,
        "utterances": utterances,
    }
    return table
