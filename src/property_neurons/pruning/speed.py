"""How much faster a pruned model is than the unpruned one, as a ratio of times, and how much it computes.

Times depend on the machine and its load; ratios of neighbouring passes hardly do. So the models take turns
(A B A B ...), each pass of one is divided by the next pass of the other, and the result is the median of the ratios.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from property_neurons.errors import ModelError
from property_neurons.models.features import SAMPLING_RATE
from property_neurons.models.ffn import Site, ffn_sites
from property_neurons.models.loading import SpeechEncoder
from property_neurons.progress import progress

REFERENCE = "reference"
SPEED_COLUMNS = ("model", "whole", "encoder", "rounds", "real_time_factor", "macs")

_LEVEL = 0.05


@dataclass(frozen=True)
class PassTime:
    """Wall time of one forward pass, in seconds.

    whole: from the model's input (waveform or log-Mel features) to its output, so with the convolution stack, but
        without what the front end does in front of the model.
    encoder: from entering the first Transformer block to leaving the last.
    """

    whole: float
    encoder: float


def time_pass(model: torch.nn.Module, inputs: Sequence[torch.Tensor]) -> PassTime:
    """Run a model of a known architecture, on the CPU, on each of the windows of one utterance.

    Args:
        inputs: the windows, each as the model takes it in, [1, ...].

    Raises:
        ModelError: the blocks of this class are not known.
    """
    sites = ffn_sites(model)
    marks = []

    def mark(*_: object) -> None:
        marks.append(time.perf_counter())

    with ExitStack() as hooks:
        hooks.enter_context(_block(model, sites[0]).register_forward_pre_hook(mark))
        hooks.enter_context(_block(model, sites[-1]).register_forward_hook(mark))
        start = time.perf_counter()
        for values in inputs:
            model(values)
        whole = time.perf_counter() - start
    return PassTime(whole, sum(marks[1::2]) - sum(marks[::2]))


@torch.inference_mode()
def paired_ratios(
    reference: torch.nn.Module,
    model: torch.nn.Module,
    inputs: tuple[Sequence[torch.Tensor], Sequence[torch.Tensor]],
    rounds: int,
) -> np.ndarray:
    """Let two models take turns, the reference first, and measure how many times faster the other is in each round.

    Args:
        inputs: the windows of one utterance as `reference` takes them in, and as `model` does.

    Returns:
        float64 [rounds, 3]: reference time / model time, of the whole model and of the encoder (see `PassTime`); the
        seconds that the whole model took
    """
    found = np.empty((rounds, 3))
    for row in found:
        before, after = time_pass(reference, inputs[0]), time_pass(model, inputs[1])
        row[:] = before.whole / after.whole, before.encoder / after.encoder, after.whole
    return found


def multiply_accumulates(model: torch.nn.Module, inputs: Sequence[torch.Tensor]) -> int:
    """Multiply-accumulate operations for one utterance: of linear layers, convolutions and attention.

    Args:
        inputs: the windows of the utterance, each as the model takes it in.
    """
    # The fused attention of CPUs is not counted, and in inference mode convolutions with weight norm fail.
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter:
        for values in inputs:
            model(values)
    return counter.get_total_flops() // 2


def measure_speed(
    reference: SpeechEncoder,
    others: Mapping[str, Callable[[], SpeechEncoder]],
    *,
    seconds: float = 10.0,
    rounds: int = 15,
    seed: int = 0,
) -> pd.DataFrame:
    """How many times faster than `reference` other models are on one utterance of noise, with a single thread.

    Args:
        reference: the model to compare with, on the CPU.
        others: what loads each other model, by name; a model is let go before the next one is loaded. Models whose
            parameters have the same shapes share the measurement of the first.
        seconds: least duration of the noise, which fills whole windows of a model that has them (Whisper).
        rounds: passes of each model of a pair; one more, before these, is not counted.
        seed: of the noise.

    Returns:
        a row for each model: model, whole, encoder (medians over the rounds of reference time / model time, see
        `PassTime`), rounds, real_time_factor (seconds that a second of speech takes this machine, a median),
        macs (see `multiply_accumulates`; of a second of speech). The first row, `REFERENCE`, holds the reference
        against itself: how far from 1 it is tells how exact the others are.

    Raises:
        ModelError: a model is not on the CPU, the noise is too short for one, or `rounds` is not positive; another
            model is named `REFERENCE`.
    """
    if rounds < 1 or REFERENCE in others:
        raise ModelError(
            f"speed: expected at least 1 round and no model named {REFERENCE!r}, found {rounds} and "
            f"{', '.join(others) or 'no other models'}; give more rounds, or another name"
        )
    window = reference.window_samples or 1
    samples = window * math.ceil(round(seconds * SAMPLING_RATE) / window)
    seconds = samples / SAMPLING_RATE
    noise = np.random.default_rng(seed).normal(0, _LEVEL, samples).astype(np.float32)
    loaders = {REFERENCE: lambda: reference, **others}
    rows, measured = [], {}
    with _single_thread():
        own = _inputs(REFERENCE, reference, noise)
        for name, load in progress(loaders.items(), total=len(loaders), what="speed", unit="model"):
            other = load()
            inputs = own, _inputs(name, other, noise)
            shapes = tuple((key, value.shape) for key, value in other.model.named_parameters())
            if shapes not in measured:
                # The first pass of a model allocates what later ones reuse.
                passes = paired_ratios(reference.model, other.model, inputs, rounds + 1)[1:]
                whole, encoder, taken = np.median(passes, axis=0).tolist()
                macs = multiply_accumulates(other.model, inputs[1]) / seconds
                measured[shapes] = whole, encoder, rounds, taken / seconds, macs
            rows.append((name, *measured[shapes]))
            # A model goes before the next one comes.
            del other, inputs
    return pd.DataFrame(rows, columns=list(SPEED_COLUMNS))


def _inputs(name: str, encoder: SpeechEncoder, noise: np.ndarray) -> list[torch.Tensor]:
    device = next(encoder.model.parameters()).device
    if device.type != "cpu":
        raise ModelError(f"speed of {name}: expected a model on the CPU, found it on {device}; load it there")
    encoder.n_frames(len(noise))
    return [window.values for window in encoder.front_end.windows(noise)]


@contextmanager
def _single_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _block(model: torch.nn.Module, site: Site) -> torch.nn.Module:
    """The Transformer block that a feed-forward network belongs to."""
    index = str(site.layer - 1)
    blocks, _, _ = site.module.partition(f".{index}.")
    return model.get_submodule(f"{blocks}.{index}")
