"""The pass and what follows it, as ratios to the plain forward pass: aims 2 to 4 of docs/benchmarks.md.

    python benchmarks/pipeline.py --data /path/to/data --out pipeline.json

One thread, as the workflow runs it. Wall times, and CPU times (decoding threads included), which other processes on
the machine disturb less.

2. decode + forward + rank + write, against the plain forward pass of the same shard: shard by shard in turn.
3. all properties from that one pass, against one plain forward pass for each property, as the authors' code does it.
4. counting a property again from stored ranks, against the pass that made them. Labels are made up (runs of 80 ms):
   what counting costs depends on the number of frames, not on what is said in them. Opening a store costs the same
   however much it holds, so the share falls with --per-shard; a shard of the sample holds 20 minutes.
"""

import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import torch
from workload import Utterance, arguments, hubert_base, report, settings, shown, speech, spread, timed

from property_neurons.corpus.audio import SAMPLE_RATE
from property_neurons.corpus.phones import LABELS, PHONES
from property_neurons.corpus.recordings import Recording
from property_neurons.counting.count import count_activations
from property_neurons.counting.properties import (
    CategoryProperty,
    DurationProperty,
    PhoneProperty,
    PitchProperty,
    Property,
)
from property_neurons.counting.sampling import Sampling
from property_neurons.models.loading import SpeechEncoder
from property_neurons.progress import progress
from property_neurons.ranks.extraction import extract_ranks
from property_neurons.stores.zarr import add_array, new_store

LAMBDA, LAMBDA_MAX = 0.01, 0.02
RUN_FRAMES = 4
FRAME_US = 20_000
# The paper's phone classes (single phones are counted along), gender and pitch.
PASSES_OF_THE_AUTHORS = 3
PROPERTIES = (
    PhoneProperty("phone classes"),
    PhoneProperty("single phones", groups="single"),
    CategoryProperty("gender", column="gender"),
    PitchProperty("pitch"),
    DurationProperty("duration"),
)


def main() -> None:
    parser = arguments(__doc__, utterances=96)
    parser.add_argument("--per-shard", type=int, default=16, help="utterances of a shard (default %(default)s)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    encoder = hubert_base()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        utterances = speech(options.data, options.utterances, folder)
        step = options.per_shard
        shards = [utterances[start : start + step] for start in range(0, len(utterances), step)]
        result = {
            "settings": settings(utterances, options.data) | {"utterances per shard": step},
            "clocks": measure(encoder, shards, options.repeats, folder),
        }
    print("\n| aim | " + " | ".join(result["clocks"]) + " |")
    print("|---|" + "---|" * len(result["clocks"]))
    for aim in next(iter(result["clocks"].values())):
        form = ".2%" if aim.startswith("4") else ".3f"
        cells = [shown(found[aim], form) for found in result["clocks"].values()]
        print(f"| {aim} | " + " | ".join(cells) + " |")
    report(result, options.out)


def measure(
    encoder: SpeechEncoder, shards: list[list[Utterance]], repeats: int, folder: Path
) -> dict[str, dict[str, dict[str, float]]]:
    """Clock -> aim -> ratios."""
    forward(encoder, shards[0][:1])
    stores = [(folder / f"ranks-{index:03d}.zarr", folder / f"frames-{index:03d}.zarr") for index in range(len(shards))]
    forwards, passes = np.empty((2, 2, repeats, len(shards)))
    turns = [(turn, index) for turn in range(repeats) for index in range(len(shards))]
    for turn, index in progress(turns, total=len(turns), what="passes", unit="shard"):
        jobs = [
            (forwards, partial(forward, encoder, shards[index])),
            (passes, partial(extract, encoder, shards[index], stores[index][0])),
        ]
        # The one that goes first changes from pair to pair, so that drift of the machine favours neither.
        for seconds, job in reversed(jobs) if (turn + index) % 2 else jobs:
            seconds[:, turn, index] = timed(job)

    for index, (shard, (_, frames)) in enumerate(zip(shards, stores, strict=True)):
        write_frames(frames, shard, index)
    recounts = np.empty((2, len(PROPERTIES), 2 * repeats + 1))
    for turn in range(recounts.shape[2]):
        for index, property_ in enumerate(PROPERTIES):
            recounts[:, index, turn] = timed(partial(count_again, stores, property_, folder / "counts.zarr"))

    found = {}
    for clock, name in enumerate(("wall time", "CPU time")):
        whole_pass = np.median(passes[clock], axis=0).sum()
        ratios = (forwards[clock] / passes[clock]).ravel()
        found[name] = {
            "2. pass / plain forward": spread(1 / ratios),
            f"3. {PASSES_OF_THE_AUTHORS} plain forwards / pass": spread(PASSES_OF_THE_AUTHORS * ratios),
        }
        for index, property_ in enumerate(PROPERTIES):
            found[name][f"4. counting {property_.name} again / pass"] = spread(recounts[clock, index] / whole_pass)
    return found


def forward(encoder: SpeechEncoder, shard: list[Utterance]) -> None:
    """The forward passes of a shard, decoded beforehand, with nothing attached."""
    with torch.inference_mode():
        for utterance in shard:
            encoder.model(torch.from_numpy(utterance.waveform)[None])


def extract(encoder: SpeechEncoder, shard: list[Utterance], store: Path) -> None:
    """From audio files to a finished rank store."""
    recordings = [Recording(utterance.path.stem, utterance.path, len(utterance.waveform)) for utterance in shard]
    extract_ranks(encoder, recordings, store, model="hubert-base-shape", lambda_max=LAMBDA_MAX)


def count_again(stores: list[tuple[Path, Path]], property_: Property, output: Path) -> None:
    """From rank stores and frame stores to a finished count store."""
    count_activations(stores, property_, Sampling(), lambda_=LAMBDA, corpus="benchmark", output=output)


def write_frames(path: Path, shard: list[Utterance], seed: int) -> None:
    """A frame store with made-up labels, speakers and F0."""
    rng = np.random.default_rng(seed)
    n_labels = np.array([len(utterance.waveform) * 50 // SAMPLE_RATE for utterance in shard])
    offset = np.concatenate([[0], np.cumsum(n_labels)])
    label, segment, starts, ends = [], [], [], []
    for n in n_labels:
        run = np.arange(n) // RUN_FRAMES
        segment.append(run + sum(map(len, starts)))
        label.append(rng.integers(len(PHONES), size=run[-1] + 1)[run])
        starts.append(np.arange(run[-1] + 1) * RUN_FRAMES * FRAME_US)
        ends.append(starts[-1] + RUN_FRAMES * FRAME_US)
    f0 = rng.uniform(80, 300, offset[-1])
    f0[rng.random(len(f0)) < 0.4] = np.nan
    with new_store(path) as store:
        store.attrs.update(
            {
                "utterances": [utterance.path.stem for utterance in shard],
                "speakers": [str(index % 4) for index in range(len(shard))],
                "genders": ["MF"[index % 2] for index in range(len(shard))],
                "subsets": ["benchmark"] * len(shard),
                "labels": list(LABELS),
                "frame_us": FRAME_US,
                "pitch": "yaapt",
            }
        )
        add_array(store, "frame_offset", offset)
        add_array(store, "label", np.concatenate(label).astype(np.int8))
        add_array(store, "segment", np.concatenate(segment).astype(np.int32))
        add_array(store, "segment_start", np.concatenate(starts))
        add_array(store, "segment_end", np.concatenate(ends))
        add_array(store, "pitch_offset", offset)
        add_array(store, "f0", f0.astype(np.float32))


if __name__ == "__main__":
    main()
