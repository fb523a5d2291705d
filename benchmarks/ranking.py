"""Ranking every frame and layer, as a share of the plain forward pass: aim 1 of docs/benchmarks.md.

    python benchmarks/ranking.py --data /path/to/data --out ranking.json

Each method works where it would in use, inside the forward pass on activations just made, and is timed there;
its share is of the plain forward pass of the same utterance right before. Methods take turns in one process.
With one thread, times are CPU times, which other processes on the machine disturb less than wall times; with
more threads they are wall times. The run stops if a method disagrees with the plain loop about any count.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from workload import Utterance, arguments, hubert_base, report, settings, shown, speech, spread

from property_neurons.models.loading import SpeechEncoder
from property_neurons.progress import progress
from property_neurons.ranks.sites import active_neurons
from property_neurons.ranks.topk import rank_neurons

LAMBDA = 0.01

Method = Callable[[torch.Tensor, np.ndarray], None]


def main() -> None:
    parser = arguments(__doc__, utterances=15)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="numbers to measure with (default: 1 2)")
    options = parser.parse_args()
    encoder = hubert_base()
    width = encoder.sites[0].width
    tau = active_neurons(LAMBDA, width)
    with tempfile.TemporaryDirectory() as folder:
        utterances = speech(options.data, options.utterances, Path(folder))
    result = {"settings": settings(utterances, options.data), "tau": tau, "width": width, "share of the forward": {}}
    for threads in options.threads:
        torch.set_num_threads(threads)
        clock = time.process_time if threads == 1 else time.perf_counter
        shares = measure(encoder, utterances, tau, options.repeats, f"{threads} threads", clock)
        result["share of the forward"][threads] = {name: spread(values) for name, values in shares.items()}
    table = result["share of the forward"]
    print("\n| method | " + " | ".join(f"{threads} threads" for threads in table) + " |")
    print("|---|" + "---|" * len(table))
    for name in next(iter(table.values())):
        print(f"| {name} | " + " | ".join(shown(column[name], ".2%") for column in table.values()) + " |")
    report(result, options.out)


def measure(
    encoder: SpeechEncoder, utterances: list[Utterance], tau: int, repeats: int, what: str, clock: Callable[[], float]
) -> dict[str, list[float]]:
    """Time inside the method / time of the plain forward, for each method, utterance and repeat."""
    width = encoder.sites[0].width
    methods: dict[str, Method] = {
        "one pass of abs()": lambda activations, counts: activations.abs(),
        "loop over frames": count_in_a_loop,
        "batched topk + scatter": count_by_scatter,
        "batched topk, ids kept": lambda activations, counts: keep_by_topk(activations, tau),
        f"rank_neurons, ids kept (k = {tau})": lambda activations, counts: rank_neurons(activations, tau),
        f"rank_neurons, ids kept (k = {2 * tau - 1})": lambda activations, counts: rank_neurons(
            activations, 2 * tau - 1
        ),
    }
    shares = {name: [] for name in methods}
    plain_forward(encoder, utterances[0], clock)
    jobs = [(utterance, turn) for turn in range(repeats) for utterance in utterances]
    for index, (utterance, turn) in enumerate(progress(jobs, total=len(jobs), what=what, unit="utt")):
        # Another method goes first each time: what runs right after something else may find a cooler cache.
        names = list(methods)
        names = names[index % len(names) :] + names[: index % len(names)]
        for name in names:
            forward = plain_forward(encoder, utterance, clock)
            counts = np.zeros((len(encoder.sites), width), np.int64)
            inside = 0.0

            def consume(site: int, activations: torch.Tensor, name: str = name, counts: np.ndarray = counts) -> None:
                nonlocal inside
                start = clock()
                methods[name](activations, counts[site])
                inside += clock() - start

            encoder.read(utterance.waveform, consume)
            shares[name].append(inside / forward)
        if turn == 0:
            check(encoder, utterance, tau)
    return shares


def plain_forward(encoder: SpeechEncoder, utterance: Utterance, clock: Callable[[], float]) -> float:
    """Seconds of the forward pass, with nothing attached."""
    values = torch.from_numpy(utterance.waveform)[None].to(encoder.model.device)
    start = clock()
    with torch.inference_mode():
        encoder.model(values)
    return clock() - start


def count_in_a_loop(activations: torch.Tensor, counts: np.ndarray) -> None:
    """The authors' way: each frame by itself, each neuron counted in Python."""
    tau = active_neurons(LAMBDA, activations.shape[1])
    for frame in activations:
        for neuron in frame.abs().topk(tau).indices.tolist():
            counts[neuron] += 1


def count_by_scatter(activations: torch.Tensor, counts: np.ndarray) -> None:
    """All frames at once, counted at once."""
    tau = active_neurons(LAMBDA, activations.shape[1])
    ids = activations.abs().topk(tau, dim=1).indices.ravel().cpu()
    torch.from_numpy(counts).scatter_add_(0, ids, torch.ones_like(ids))


def keep_by_topk(activations: torch.Tensor, k: int) -> np.ndarray:
    """The plain way to the ids that a rank store keeps; among equal values any id may win."""
    return activations.abs().topk(k, dim=1).indices.to(torch.uint16).cpu().numpy()


def check(encoder: SpeechEncoder, utterance: Utterance, tau: int) -> None:
    """Hold the counts of the fast ways against the loop's, in fp32 where ties are next to none.

    Raises:
        RuntimeError: they differ in an utterance without ties at tau.
    """

    def consume(site: int, activations: torch.Tensor) -> None:
        width = activations.shape[1]
        looped, scattered = np.zeros(width, np.int64), np.zeros(width, np.int64)
        count_in_a_loop(activations, looped)
        count_by_scatter(activations, scattered)
        ranked = rank_neurons(activations, tau)
        ours = np.bincount(ranked.ids.ravel(), minlength=width)
        same = np.array_equal(looped, ours) and np.array_equal(looped, scattered)
        if not same and not ranked.ties[tau - 1]:
            raise RuntimeError(f"{utterance.path.name}, site {site}: counts differ from the plain loop's")

    encoder.read(utterance.waveform, consume)


if __name__ == "__main__":
    main()
