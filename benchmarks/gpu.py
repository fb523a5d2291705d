"""What a GPU makes of the pass that ranks neurons: aim 7 of docs/benchmarks.md.

    python benchmarks/gpu.py --data /path/to/data --out gpu.json

1. Ranking every frame and layer inside the forward pass, against the authors' loop over frames, re-created, on the same
   activations of the same card, and as a share of the forward pass. The clock waits for the card.
2. Ranks of bf16 and of fp32 activations of the same frames: in how far they agree, and how often the values tie.
3. Hours of speech an hour, from audio files to a finished rank store, with 1, 2, 4, ... threads that decode, in the
   batches that jobs read by default.
4. The largest memory of the card in that pass.

All in float32 as the jobs compute it, but for the second.

`--device cpu` runs the same on a CPU, where only its agreement says anything.
"""

import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from ranking import LAMBDA, measure
from workload import Utterance, arguments, hubert_base, report, seconds, settings, shown, speech, spread, timed

from property_neurons.corpus.recordings import Recording
from property_neurons.models.loading import SpeechEncoder
from property_neurons.models.precision import full_precision
from property_neurons.progress import progress
from property_neurons.ranks.batching import seconds_at_once
from property_neurons.ranks.extraction import extract_ranks
from property_neurons.ranks.sites import active_neurons
from property_neurons.ranks.topk import Ranked, rank_neurons

LAMBDA_MAX = 0.02
LOOP = "loop over frames"


@dataclass(frozen=True)
class Agreement:
    """How the neurons above a cut compare between two precisions, over all frames and layers.

    rows: frames times layers.
    common: mean share of a row's active neurons that both have.
    same_set, same_order: share of rows with the same active neurons; with the same, in the same order.
    tied: share of rows with a tie at the cut, for each precision.
    """

    rows: int
    common: float
    same_set: float
    same_order: float
    tied: tuple[float, float]


def main() -> None:
    parser = arguments(__doc__, utterances=32)
    parser.add_argument("--device", default="cuda", help="torch device (default %(default)s)")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    doubled = [1 << power for power in range(cores.bit_length()) if 1 << power <= cores]
    parser.add_argument("--decoders", type=int, nargs="+", default=doubled, metavar="N", help="threads that decode")
    parser.add_argument("--agreement", type=int, default=8, help="utterances that bf16 reads (default %(default)s)")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error(f"torch {torch.__version__} finds no GPU; run it where there is one, or with --device cpu")
    encoder = hubert_base()
    encoder.model.to(options.device)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        utterances = speech(options.data, options.utterances, folder)
        clock = time.perf_counter if options.device == "cpu" else _waiting_clock
        tau = active_neurons(LAMBDA, encoder.sites[0].width)
        with full_precision():
            # The forward pass that ranking is a share of, too.
            shares = measure(encoder, utterances, tau, options.repeats, options.device, clock)
        _forget_peak(options.device)
        speeds = throughput(encoder, utterances, options.decoders, options.repeats, folder)
        peak = _peak(options.device)
    result = {
        "settings": settings(utterances, options.data) | _card(options.device),
        "share of the forward": {name: spread(found) for name, found in shares.items()},
        "times faster than the loop": {
            name: spread(np.divide(shares[LOOP], found)) for name, found in shares.items() if name != LOOP
        },
        "hours of speech an hour": {count: spread(found) for count, found in speeds.items()},
        "largest memory, MB": peak,
        "bf16 against fp32": vars(agreement(encoder, utterances[: options.agreement], tau)),
    }
    print("\n| method | share of the forward pass | times faster than the loop |\n|---|---|---|")
    for name, found in result["share of the forward"].items():
        faster = result["times faster than the loop"].get(name)
        print(f"| {name} | {shown(found, '.2%')} | {shown(faster, '.1f') if faster else '1'} |")
    print("\n| threads that decode | hours of speech an hour |\n|---|---|")
    for count, found in result["hours of speech an hour"].items():
        print(f"| {count} | {shown(found, '.0f')} |")
    print(f"\nlargest memory of the card: {'none' if peak is None else f'{peak:.0f} MB'}")
    print("bf16 against fp32: " + "; ".join(f"{name} {value}" for name, value in result["bf16 against fp32"].items()))
    report(result, options.out)


def throughput(
    encoder: SpeechEncoder, utterances: Sequence[Utterance], decoders: Sequence[int], repeats: int, folder: Path
) -> dict[int, list[float]]:
    """Hours of speech an hour of wall time, for each number of decoding threads; they take turns."""
    recordings = [Recording(utterance.path.stem, utterance.path, len(utterance.waveform)) for utterance in utterances]
    speeds = {count: [] for count in decoders}
    turns = [(turn, count) for turn in range(repeats) for count in (decoders if turn % 2 else reversed(decoders))]
    for _, count in progress(turns, total=len(turns), what="decoders", unit="pass"):
        job = partial(
            extract_ranks,
            encoder,
            recordings,
            folder / "ranks.zarr",
            model="hubert-base-shape",
            lambda_max=LAMBDA_MAX,
            decoders=count,
            batch_seconds=seconds_at_once(None, encoder.model.device.type),
        )
        speeds[count].append(seconds(utterances) / timed(job)[0])
    return speeds


def agreement(encoder: SpeechEncoder, utterances: Sequence[Utterance], tau: int) -> Agreement:
    """Rank the same frames in fp32 and in bf16, weights and activations both; leaves the model in bf16."""
    exact = [_ranks(encoder, utterance, tau) for utterance in utterances]
    encoder.model.to(torch.bfloat16)
    rounded = [_ranks(encoder, utterance, tau) for utterance in utterances]
    fp32, bf16 = ([ranked for sites in found for ranked in sites] for found in (exact, rounded))
    pairs = [(one.ids.astype(np.int64), other.ids.astype(np.int64)) for one, other in zip(fp32, bf16, strict=True)]
    common = np.concatenate([_in_common(one, other) for one, other in pairs])
    same = np.concatenate([(one == other).all(axis=1) for one, other in pairs])
    tied = [sum(int(ranked.ties[tau - 1]) for ranked in found) / len(common) for found in (fp32, bf16)]
    return Agreement(
        len(common), float(common.mean() / tau), float((common == tau).mean()), float(same.mean()), tuple(tied)
    )


def _ranks(encoder: SpeechEncoder, utterance: Utterance, tau: int) -> list[Ranked]:
    """The `tau` most active neurons of every frame, site by site."""
    found = []
    model = encoder.model
    windows = [window.values.to(model.device, model.dtype) for window in encoder.front_end.windows(utterance.waveform)]
    hooks = [
        model.get_submodule(site.module).register_forward_pre_hook(
            lambda _, inputs: found.append(rank_neurons(inputs[0][0], tau))
        )
        for site in encoder.sites
    ]
    try:
        with torch.inference_mode(), full_precision():
            for values in windows:
                model(values)
    finally:
        for hook in hooks:
            hook.remove()
    return found


def _in_common(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """How many ids each row of both has: int64 [rows], from int64 [rows, k] twice."""
    return (one[:, :, np.newaxis] == other[:, np.newaxis, :]).sum(axis=(1, 2))


def _waiting_clock() -> float:
    torch.cuda.synchronize()
    return time.perf_counter()


def _card(device: str) -> dict[str, object]:
    if device == "cpu":
        return {"device": "cpu"}
    return {"device": torch.cuda.get_device_name(), "cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()}


def _forget_peak(device: str) -> None:
    if device != "cpu":
        torch.cuda.reset_peak_memory_stats()


def _peak(device: str) -> float | None:
    return None if device == "cpu" else torch.cuda.max_memory_allocated() / 1e6


if __name__ == "__main__":
    main()
