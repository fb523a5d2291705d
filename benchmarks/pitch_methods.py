"""Speed and agreement of the F0 methods on real speech: the numbers of docs/pitch.md.

    python benchmarks/pitch_methods.py /path/to/data

where the folder holds LibriSpeech/ and alignments/. Methods take turns on each utterance, on one core; speed is in CPU
time, so that a busy machine does not count.
"""

import argparse
import datetime
import itertools
import os
import time
from pathlib import Path
from typing import get_args

import numpy as np

from property_neurons.corpus.audio import find_audio, read_audio
from property_neurons.corpus.framewise import read_pitch_bins
from property_neurons.corpus.pitch import SAMPLE_RATE, Method, estimate_f0, frame_count
from property_neurons.counting.pitch_bins import pitch_ranges
from property_neurons.progress import progress

# Two voiced estimates further apart than this are a gross error (Rabiner et al. 1976; octave errors, in effect).
GROSS = 0.2
# The first pair is what the authors' bins turn out to have been cut by, see `implied_cuts`. The second is the one that
# is stated: test-clean's percentiles 33 and 66 (16000/124, 16000/89), rounded.
CUTS_HZ = ((16000 / 120, 16000 / 85), (129.03, 179.78))


def main() -> None:
    arguments = _arguments()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    dev = find_audio(arguments.data / "LibriSpeech" / "dev-clean")
    test = find_audio(arguments.data / "LibriSpeech" / "test-clean")
    chosen = sorted({*(path for path in dev if path.suffix == ".flac"), *_spread(dev, arguments.per_speaker)})
    others = _spread(test, 1)[:: len({path.parts[-3] for path in test}) // 10]
    bins = read_pitch_bins(arguments.data / "alignments" / "dev-clean" / "pitch-bins-20ms.json.gz")

    seconds = dict.fromkeys(arguments.methods, 0.0)
    tracks = {}
    for method in arguments.methods:
        estimate_f0(read_audio(chosen[0])[: 2 * SAMPLE_RATE], method)
    for path in progress([*chosen, *others], total=len(chosen) + len(others), what="F0", unit="utt"):
        waveform = read_audio(path)
        tracks[path] = {}
        for method in arguments.methods:
            start = time.process_time()
            tracks[path][method] = estimate_f0(waveform, method)
            seconds[method] += time.process_time() - start
        tracks[path]["samples"] = len(waveform)

    minutes = {name: _minutes(tracks, paths) for name, paths in (("dev-clean", chosen), ("test-clean", others))}
    print(f"{datetime.date.today()}; 71-800 Hz; CPU time, one core; ", end="")
    print(", ".join(f"{name} {value:.1f} min" for name, value in minutes.items()))
    print(f"dev-clean: {len(chosen)} utterances, {len({path.parts[-3] for path in chosen})} speakers, ", end="")
    print(f"{sum(path.suffix == '.flac' for path in chosen)} lossless; test-clean: {len(others)} utterances\n")
    total = 60 * sum(minutes.values())
    print("| method | times real time | voiced, dev-clean | voiced, test-clean |\n|---|---|---|---|")
    for method in arguments.methods:
        shares = [np.mean(~np.isnan(_joined(tracks, paths, method))) for paths in (chosen, others)]
        print(f"| {method} | {total / seconds[method]:.0f} | {shares[0]:.1%} | {shares[1]:.1%} |")
    for name, paths in (("dev-clean", chosen), ("test-clean", others)):
        compare_methods(name, [tracks[path] for path in paths], arguments.methods)
    compare_with_authors(tracks, chosen, bins, arguments.methods)
    if "yaapt" in arguments.methods:
        implied_cuts({path: tracks[path]["yaapt"] for path in chosen}, bins)


def compare_methods(name: str, tracks: list[dict], methods: list[str]) -> None:
    """Voicing agreement, gross errors and fine differences of each pair of methods, cell by cell."""
    print(f"\n| {name}: pair | voicing agrees | gross errors (> {GROSS:.0%}) | median difference otherwise |")
    print("|---|---|---|---|")
    for one, other in itertools.combinations(methods, 2):
        pairs = [(track[one], track[other]) for track in tracks]
        lengths = [min(len(a), len(b)) for a, b in pairs]
        a = np.concatenate([a[:n] for (a, _), n in zip(pairs, lengths, strict=True)])
        b = np.concatenate([b[:n] for (_, b), n in zip(pairs, lengths, strict=True)])
        agree = np.mean(np.isnan(a) == np.isnan(b))
        both = ~np.isnan(a) & ~np.isnan(b)
        difference = np.abs(a[both] / b[both] - 1)
        gross = difference > GROSS
        print(f"| {one}, {other} | {agree:.1%} | {gross.mean():.1%} | {np.median(difference[~gross]):.2%} |")


def compare_with_authors(tracks: dict, paths: list[Path], bins: dict[str, np.ndarray], methods: list[str]) -> None:
    """Agreement with the authors' bins, in utterances where they left no frame out, so that cells correspond."""
    whole = [path for path in paths if len(bins[path.stem]) == frame_count("yaapt", tracks[path]["samples"])]
    lossless = [path for path in whole if path.suffix == ".flac"]
    lossy = [path for path in whole if path.suffix != ".flac"]
    print(f"\nAuthors' bins, {len(lossless)} lossless and {len(lossy)} MP3 utterances without an omitted frame")
    print(
        "\n| method | audio | voicing agrees | "
        + " | ".join(f"same bin, {a:.2f}/{b:.2f} Hz" for a, b in CUTS_HZ)
        + " |"
    )
    print("|---|---|---|---|---|")
    for method, (kind, group) in itertools.product(methods, (("lossless", lossless), ("MP3", lossy))):
        f0, theirs = _cells(tracks, group, method, bins)
        voiced = ~np.isnan(f0) & (theirs >= 0)
        agree = np.mean(np.isnan(f0) == (theirs < 0))
        same = [np.mean(pitch_ranges(f0[voiced], cuts) == theirs[voiced]) for cuts in CUTS_HZ]
        print(f"| {method} | {kind} | {agree:.2%} | " + " | ".join(f"{share:.2%}" for share in same) + " |")


def implied_cuts(tracks: dict[Path, np.ndarray], bins: dict[str, np.ndarray]) -> None:
    """The cuts that the authors' bins were made with, as YAAPT's own F0 values (16000 Hz / lag) show them.

    Lower: they left out the frames that equal it, so its number of frames per utterance is the number missing.
    Upper: between the values whose bin changes from middle to high.
    """
    missing = np.array([len(track) - len(bins[path.stem]) for path, track in tracks.items()])
    print(f"\nFrames the authors left out: {missing.sum()} in {(missing > 0).sum()} of {len(missing)} utterances")
    found = []
    for lag in range(100, 150):
        equal = np.array([np.count_nonzero(track == np.float32(SAMPLE_RATE / lag)) for track in tracks.values()])
        found.append((np.corrcoef(equal, missing)[0, 1], lag, equal.sum()))
    for correlation, lag, total in sorted(found, reverse=True)[:3]:
        print(
            f"  {total} frames at 16000/{lag} = {SAMPLE_RATE / lag:.2f} Hz, correlation by utterance {correlation:.2f}"
        )
    whole = [(track, bins[path.stem]) for path, track in tracks.items() if len(track) == len(bins[path.stem])]
    f0, theirs = (np.concatenate(values) for values in zip(*whole, strict=True))
    print("Their bin at YAAPT's F0 (utterances with nothing left out):")
    for lag in (90, 89, 88, 87, 86, 85, 84, 83, 82):
        at = theirs[f0 == np.float32(SAMPLE_RATE / lag)]
        print(f"  16000/{lag} = {SAMPLE_RATE / lag:.2f} Hz: middle {np.mean(at == 1):.1%}, high {np.mean(at == 2):.1%}")


def _cells(tracks: dict, paths: list[Path], method: str, bins: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    f0, theirs = [np.empty(0, np.float32)], [np.empty(0, np.int8)]
    for path in paths:
        n = min(len(tracks[path][method]), len(bins[path.stem]))
        f0.append(tracks[path][method][:n])
        theirs.append(bins[path.stem][:n])
    return np.concatenate(f0), np.concatenate(theirs)


def _joined(tracks: dict, paths: list[Path], method: str) -> np.ndarray:
    return np.concatenate([tracks[path][method] for path in paths])


def _minutes(tracks: dict, paths: list[Path]) -> float:
    return sum(tracks[path]["samples"] for path in paths) / SAMPLE_RATE / 60


def _spread(paths: list[Path], per_speaker: int) -> list[Path]:
    """Some utterances of each speaker, evenly spread over the speaker's list."""
    chosen = []
    for _, group in itertools.groupby(sorted(paths), key=lambda path: path.parts[-3]):
        files = list(group)
        middles = (np.arange(per_speaker) + 0.5) * len(files) / per_speaker
        chosen += [files[index] for index in np.unique(middles.astype(int))]
    return chosen


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder that holds LibriSpeech/ and alignments/")
    parser.add_argument("--per-speaker", type=int, default=3, help="utterances of each dev-clean speaker (1000: all)")
    parser.add_argument("--methods", nargs="+", choices=get_args(Method), default=list(get_args(Method)))
    return parser.parse_args()


if __name__ == "__main__":
    main()
