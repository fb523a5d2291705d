"""Jobs that rank at the same time, one thread each: how many times one job's throughput they reach together.

    python benchmarks/jobs.py --data /path/to/data --out jobs.json

Every process makes the ranks of the same shard, from audio files to a finished store, as a job of the workflow does;
one process alone and all at once take turns. The clock is the wall's, from the moment when all have loaded the model.
"""

import multiprocessing
import tempfile
import time
from multiprocessing.synchronize import Barrier
from pathlib import Path

import torch
from pipeline import extract, forward
from workload import Utterance, arguments, hubert_base, report, settings, shown, speech, spread

from property_neurons.progress import progress


def main() -> None:
    parser = arguments(__doc__, utterances=16)
    parser.add_argument("--jobs", type=int, default=2, help="at the same time (default %(default)s)")
    options = parser.parse_args()
    spawn = multiprocessing.get_context("spawn")
    start, end = spawn.Barrier(options.jobs + 1), spawn.Barrier(options.jobs + 1)
    alone, together = [], []
    with tempfile.TemporaryDirectory() as name:
        utterances = speech(options.data, options.utterances, Path(name))
        jobs = [
            spawn.Process(target=work, args=(index, utterances, options.repeats, start, end, Path(name)), daemon=True)
            for index in range(options.jobs)
        ]
        for job in jobs:
            job.start()
        for _ in progress(range(options.repeats), total=options.repeats, what="turns", unit="turn"):
            alone.append(waited(start, end))
            together.append(waited(start, end))
        for job in jobs:
            job.join()
    ratio = spread([options.jobs * one / all_ for one, all_ in zip(alone, together, strict=True)])
    print(f"\n{options.jobs} jobs at once, times the throughput of one: {shown(ratio, '.3f')}")
    result = {"settings": settings(utterances, options.data), "jobs": options.jobs, "times one": ratio}
    report(result | {"alone, s": alone, "together, s": together}, options.out)


def waited(start: Barrier, end: Barrier) -> float:
    """Seconds from the start of a turn until all have ended it."""
    start.wait()
    begin = time.perf_counter()
    end.wait()
    return time.perf_counter() - begin


def work(index: int, utterances: list[Utterance], repeats: int, start: Barrier, end: Barrier, folder: Path) -> None:
    """A process's part: in the first turn of each pair the first process alone is at work, in the second all are."""
    torch.set_num_threads(1)
    encoder = hubert_base()
    forward(encoder, utterances[:1])
    for turn in range(2 * repeats):
        start.wait()
        if index == 0 or turn % 2:
            extract(encoder, utterances, folder / f"ranks-{index}.zarr")
        end.wait()


if __name__ == "__main__":
    main()
