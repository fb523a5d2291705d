"""The usual activation of a neuron over some speech: its mean and percentiles."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch

from property_neurons.errors import ModelError
from property_neurons.models.loading import SpeechEncoder


@dataclass(frozen=True)
class Statistics:
    """means: float64 [neurons] for each feed-forward network, over all frames.

    sample: float32 [frames, neurons] for each, the same randomly sampled frames for all.
    """

    means: list[np.ndarray]
    sample: list[np.ndarray]
    frames: int

    def percentiles(self, percent: float) -> list[np.ndarray]:
        """A percentile (0 to 100) of each neuron over the sampled frames: float64 [neurons] for each network."""
        return [np.percentile(values.astype(np.float64), percent, axis=0) for values in self.sample]


def activation_statistics(
    encoder: SpeechEncoder, waveforms: Iterable[np.ndarray], *, sampled: int = 5000, seed: int = 0
) -> Statistics:
    """Read every neuron over some speech.

    Args:
        waveforms: float32 [samples], 16 kHz, one by one.
        sampled: frames kept for percentiles; every frame has the same chance, and where there are fewer, all are kept.
        seed: of the sample.

    Raises:
        ModelError: no speech, or an utterance that the model cannot read.
    """
    rng = np.random.default_rng(seed)
    sums = [np.zeros(site.width) for site in encoder.sites]
    sample = [np.empty((sampled, site.width), dtype=np.float32) for site in encoder.sites]
    total = 0
    for waveform in waveforms:
        pieces: list[list[torch.Tensor]] = [[] for _ in encoder.sites]
        encoder.read(waveform, lambda site, values, pieces=pieces: pieces[site].append(values.detach().cpu().clone()))
        whole = [torch.cat(parts).float().numpy() for parts in pieces]
        number = total + np.arange(len(whole[0]))
        # Algorithm R: frame t takes a place with the chance sampled / (t + 1); of two for one place the later stays.
        place = np.where(number < sampled, number, rng.integers(0, number + 1))
        taken = place < sampled
        for site, values in enumerate(whole):
            sums[site] += values.sum(axis=0, dtype=np.float64)
            sample[site][place[taken]] = values[taken]
        total += len(number)
    if not total:
        raise ModelError("activation statistics: expected some speech, found none; give at least one utterance")
    return Statistics([one / total for one in sums], [one[: min(total, sampled)] for one in sample], total)
