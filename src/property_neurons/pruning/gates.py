"""Learnt gates: training finds the neurons that a model needs at a given size.

Every neuron has a hard concrete gate (Louizos, Welling, Kingma, Learning Sparse Neural Networks through L0
Regularization, ICLR 2018); the weights stay fixed. Lagrange multipliers, one for each feed-forward network, hold the
number of open gates to the size (Wang, Wohlwend, Lei, Structured Pruning of Large Language Models, EMNLP 2020).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
import torch

from property_neurons.corpus.recordings import Recording, read_recording, recordings_of
from property_neurons.errors import ModelError
from property_neurons.models.backend import quiet_transformers
from property_neurons.models.loading import SpeechEncoder, load_encoder
from property_neurons.models.precision import full_precision
from property_neurons.models.states import hidden_states
from property_neurons.progress import progress
from property_neurons.pruning.calibrate import calibrating, some_of
from property_neurons.pruning.masks import masked
from property_neurons.stores import manifests
from property_neurons.tasks.examples import collate
from property_neurons.tasks.fine_tuned import FineTuned, load_fine_tuned

TEMPERATURE, LOWEST, HIGHEST = 2 / 3, -0.1, 1.1
"""beta, gamma and zeta of the hard concrete distribution."""
# Gates start open nineteen times in twenty.
_START = math.log(19) + TEMPERATURE * math.log(-LOWEST / HIGHEST)
_RISING = 0.5


@dataclass(frozen=True, kw_only=True)
class Learning:
    """How gates are learnt.

    steps: of Adam, each on `batch_size` utterances; in the first half of them the size falls from the whole width to
        the target.
    learning_rate: of the gates (descent) and of the multipliers (ascent).
    utterances: how many are sampled.
    seed: of the sample, of batches and of gates.
    """

    steps: int
    batch_size: int
    learning_rate: float
    utterances: int
    seed: int = 0


class Losses(Protocol):
    """The loss to keep small, for each utterance, with the gates as they are at the call."""

    def __len__(self) -> int:
        """How many utterances there are."""

    def __call__(self, index: int, gates: Sequence[torch.Tensor]) -> torch.Tensor:
        """The loss of one."""


def gate(log_alpha: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
    """A gate from 0 to 1 for each neuron: min(1, max(0, s (zeta - gamma) + gamma)) with
    s = sigmoid((log u - log(1 - u) + log_alpha) / beta) and u uniform from 0 to 1.
    """
    stretched = torch.sigmoid((uniform.logit() + log_alpha) / TEMPERATURE) * (HIGHEST - LOWEST) + LOWEST
    return stretched.clamp(0, 1)


def open_probability(log_alpha: torch.Tensor) -> torch.Tensor:
    """The probability that each gate is above 0: sigmoid(log_alpha - beta log(-gamma / zeta))."""
    return torch.sigmoid(log_alpha - TEMPERATURE * math.log(-LOWEST / HIGHEST))


@full_precision()
def learn(widths: Sequence[int], sizes: Sequence[int], losses: Losses, learning: Learning, device: str) -> list:
    """Learn the gates of all networks together.

    Args:
        widths, sizes: of each network how many neurons it has, and how many are to be open.

    Returns:
        log_alpha of each network, float64 [neurons]: the higher, the more a neuron is needed

    Raises:
        ModelError: the gates came to something that is not finite.
    """
    log_alphas = [torch.full((width,), _START, device=device, requires_grad=True) for width in widths]
    multipliers = torch.zeros(2, len(widths), device=device, requires_grad=True)
    adam = torch.optim.Adam(
        [
            {"params": log_alphas},
            {"params": [multipliers], "maximize": True},
        ],
        lr=learning.learning_rate,
    )
    rng = torch.Generator().manual_seed(learning.seed)
    shares = torch.tensor([size / width for size, width in zip(sizes, widths, strict=True)], device=device)
    for step in progress(range(learning.steps), total=learning.steps, what="gates", unit="step"):
        loss = torch.zeros((), device=device)
        for index in torch.randint(len(losses), (learning.batch_size,), generator=rng).tolist():
            drawn = [torch.rand(width, generator=rng).clamp(1e-6, 1 - 1e-6).to(device) for width in widths]
            gates = [gate(alpha, uniform) for alpha, uniform in zip(log_alphas, drawn, strict=True)]
            loss = loss + losses(index, gates) / learning.batch_size
        wanted = 1 - (1 - shares) * min(1.0, (step + 1) / (_RISING * learning.steps))
        over = torch.stack([open_probability(alpha).mean() for alpha in log_alphas]) - wanted
        adam.zero_grad()
        (loss + (multipliers[0] * over + multipliers[1] * over**2).sum()).backward()
        adam.step()
    found = [alpha.detach().double().cpu().numpy() for alpha in log_alphas]
    if not all(np.isfinite(one).all() for one in found):
        raise ModelError(
            "gates: expected finite ones, found others; lower pruning.gates.learning_rate, or see that the weights are "
            "not damaged"
        )
    return found


class _OfTask:
    """The task's loss on utterances of its training part."""

    def __init__(self, trained: FineTuned, chosen: Sequence[int], roots: Mapping[str, str]):
        self._trained, self._chosen = trained, chosen
        self._examples = calibrating(trained, roots)

    def __len__(self) -> int:
        return len(self._chosen)

    def __call__(self, index: int, gates: Sequence[torch.Tensor]) -> torch.Tensor:
        batch = collate([self._examples[self._chosen[index]]])
        with masked(self._trained.encoder.model, gates):
            return self._trained.model(**batch)["loss"]


class _OfStates:
    """How far hidden states are from those of the model with all gates open: the mean over coordinates of |h - h'|."""

    def __init__(self, encoder: SpeechEncoder, recordings: Sequence[Recording]):
        self._encoder, self._recordings = encoder, recordings

    def __len__(self) -> int:
        return len(self._recordings)

    def __call__(self, index: int, gates: Sequence[torch.Tensor]) -> torch.Tensor:
        model = self._encoder.model
        windows = [list(self._encoder.front_end.windows(read_recording(self._recordings[index])))]
        outputs = range(1, model.config.num_hidden_layers + 1)
        with torch.no_grad():
            wanted = hidden_states(model, windows, outputs)[0]
        with masked(model, gates):
            return (hidden_states(model, windows, outputs)[0] - wanted).abs().mean()


def gates_of_task(
    training: str | Path,
    model: str | Path,
    roots: Mapping[str, str],
    *,
    size: int | float,
    device: str,
    **learning: Any,
) -> pd.DataFrame:
    """Learn the gates of a fine-tuned model, or of one pruned out of it, by the loss of its task.

    Args:
        training: manifest of a training of mode fine_tuned.
        model: manifest of the prepared model that is pruned.
        roots: the folder that each corpus's audio paths start from.
        size: neurons of each network that stay, or the share of them.
        learning: fields of `Learning`.

    Returns:
        a row for each neuron: layer, site, neuron, log_alpha; with attrs: model_digest, speech, utterances
    """
    how = Learning(**learning)
    with quiet_transformers():
        trained = load_fine_tuned(training, model=model, device=device)
        trained.model.requires_grad_(False)
        chosen = some_of(how.utterances, len(trained.data.part("train")), how.seed)
        losses = _OfTask(trained, chosen, roots)
        speech = f"training part of {trained.job.task}"
        return _table(trained.encoder, losses, size, how, device, model, speech)


def gates_of_corpus(
    model: str | Path,
    table: pd.DataFrame,
    root: str | Path,
    *,
    name: str,
    size: int | float,
    device: str,
    **learning: Any,
) -> pd.DataFrame:
    """Learn the gates of a model that has no task by its own hidden states; as `gates_of_task`.

    Args:
        table: the corpus's utterances.
        name: of the corpus.
    """
    how = Learning(**learning)
    recordings = recordings_of(table.sort_values("utterance"), root)
    with quiet_transformers():
        encoder = load_encoder(manifests.described_folder(model), manifest=model, device=device)
        encoder.model.requires_grad_(False)
        losses = _OfStates(encoder, [recordings[at] for at in some_of(how.utterances, len(recordings), how.seed)])
        return _table(encoder, losses, size, how, device, model, name)


def _table(
    encoder: SpeechEncoder,
    losses: Losses,
    size: int | float,
    how: Learning,
    device: str,
    model: str | Path,
    speech: str,
) -> pd.DataFrame:
    widths = [site.width for site in encoder.sites]
    sizes = [max(1, round(size * width)) if isinstance(size, float) else size for width in widths]
    found = learn(widths, sizes, losses, how, device)
    rows = [
        pd.DataFrame({"layer": site.layer, "site": site.name, "neuron": range(site.width), "log_alpha": own})
        for site, own in zip(encoder.sites, found, strict=True)
    ]
    table = pd.concat(rows, ignore_index=True)
    digest = manifests.read_manifest(model)["digest"]
    table.attrs = {"model_digest": digest, "speech": speech, "utterances": len(losses)}
    return table
