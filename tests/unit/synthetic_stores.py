"""A small made-up corpus: its frame and rank stores, and its counts by a plain loop straight from the activations."""

import math
import struct
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from property_neurons.corpus.frame_store import FrameShard
from property_neurons.corpus.phones import LABELS, PHONE_CLASSES, PHONES, SILENCE_ID, UNVOICED_CONSONANTS
from property_neurons.stores.zarr import add_array, new_store

WIDTHS = (50, 80)
SITE_NAMES = ("1", "2")
LABELS_IN_USE = ("AH", "IY", "N", "D", "T", "S", "SIL", "SPN")
F0_IN_USE = (80.0, 100.0, 129.25, 150.0, 180.5, 220.0, math.nan, math.nan, math.nan)

CLEAN = {
    "frames": "every",
    "last_run": "keep",
    "equal_neighbours": "separate",
    "pitch_cuts": "tertiles",
    "at_lower_cut": "lower_bin",
    "f0_padding": "end",
    "pitch_phones": "voiced",
}
PUBLISHED = {
    "frames": "segment_mid",
    "last_run": "drop",
    "equal_neighbours": "merge",
    "pitch_cuts": "percentiles_33_66",
    "at_lower_cut": "omit",
    "f0_padding": "front",
    "pitch_phones": "all",
}


@dataclass(frozen=True)
class Utterance:
    """One utterance: segments (start us, end us, label), F0 (or pitch bins), and activations [frames, D] per site."""

    name: str
    subset: str
    speaker: str
    gender: str
    segments: tuple[tuple[int, int, str], ...]
    end_us: int
    f0: tuple[float, ...]
    activations: tuple[np.ndarray, ...]

    @property
    def frames(self) -> list[tuple[str, int]]:
        """(label, segment or -1) of each 20 ms cell: the largest overlap, the earliest on a tie."""
        cells = []
        for cell in range(self.end_us // 20_000):
            low, high = 20_000 * cell, 20_000 * (cell + 1)
            overlaps = [min(high, end) - max(low, start) for start, end, _ in self.segments]
            best = max(range(len(overlaps)), key=lambda index: (overlaps[index], -index), default=-1)
            covered = best >= 0 and overlaps[best] > 0
            cells.append((self.segments[best][2], best) if covered else ("SIL", -1))
        return cells


def make_corpus(seed: int, n_utterances: int = 6, pitch: str = "yaapt") -> list[Utterance]:
    """Utterances with gaps between segments, equal neighbours, F0 at the cuts, tied activations, T off by one."""
    rng = np.random.default_rng(seed)
    corpus = []
    for index in range(n_utterances):
        segments, time = [], 0
        for _ in range(rng.integers(1, 9)):
            time += int(rng.choice([0, 0, 0, 25_000]))
            duration = 1000 * int(rng.choice([15, 40, 60, 61, 100, 101, 130]))
            segments.append((time, time + duration, str(rng.choice(LABELS_IN_USE))))
            time += duration
        time += int(rng.choice([0, 30_000]))
        n_labels = time // 20_000
        n_frames = max(0, n_labels + int(rng.integers(-1, 2)))
        n_pitch = max(0, n_labels + int(rng.integers(-3, 2)))
        values = (-1.0, 0.0, 1.0, 2.0) if pitch == "bins" else F0_IN_USE
        speaker = str(rng.choice(["84", "174", "1272"]))
        corpus.append(
            Utterance(
                name=f"{speaker}-1-{index:04d}",
                subset=("dev-clean", "test-clean")[index % 2],
                speaker=speaker,
                gender="F" if speaker == "84" else "M",
                segments=tuple(segments),
                end_us=time,
                f0=tuple(float(value) for value in rng.choice(values, n_pitch)),
                activations=tuple(
                    np.round(rng.normal(size=(n_frames, width)), 1).astype(np.float32) for width in WIDTHS
                ),
            )
        )
    return corpus


def ranked(activations: np.ndarray) -> list[int]:
    """Neurons of one frame by falling magnitude, the lowest index first among equals."""
    return sorted(range(len(activations)), key=lambda neuron: (-abs(activations[neuron]), neuron))


def write_frames(
    path: Path,
    corpus: list[Utterance],
    pitch: str = "yaapt",
    columns: dict | None = None,
    attributes: dict | None = None,
) -> Path:
    """The frame store of one shard.

    columns: by name, what is known of each utterance, by its name; attributes: others than usual.
    """
    labels, segments, starts, ends = [], [], [], []
    for utterance in corpus:
        labels += [LABELS.index(label) for label, _ in utterance.frames]
        segments += [segment if segment < 0 else segment + len(starts) for _, segment in utterance.frames]
        starts += [start for start, _, _ in utterance.segments]
        ends += [end for _, end, _ in utterance.segments]
    f0 = [value for utterance in corpus for value in utterance.f0]
    with new_store(path) as store:
        store.attrs.update(
            {
                "utterances": [utterance.name for utterance in corpus],
                "speakers": [utterance.speaker for utterance in corpus],
                "genders": [utterance.gender for utterance in corpus],
                "subsets": [utterance.subset for utterance in corpus],
                "columns": {
                    name: [known[utterance.name] for utterance in corpus] for name, known in (columns or {}).items()
                },
                "labels": list(LABELS),
                "frame_us": 20_000,
                "pitch": pitch,
            }
            | (attributes or {})
        )
        add_array(store, "frame_offset", _offsets(len(utterance.frames) for utterance in corpus))
        add_array(store, "label", np.array(labels, dtype=np.int8))
        add_array(store, "segment", np.array(segments, dtype=np.int32))
        add_array(store, "segment_start", np.array(starts, dtype=np.int64))
        add_array(store, "segment_end", np.array(ends, dtype=np.int64))
        if pitch != "none":
            add_array(store, "pitch_offset", _offsets(len(utterance.f0) for utterance in corpus))
            values = np.array(f0, dtype=np.float32)
            add_array(store, *(("pitch_bin", values.astype(np.int8)) if pitch == "bins" else ("f0", values)))
    return path


def write_ranks(
    path: Path,
    corpus: list[Utterance],
    lambda_max: float = 0.1,
    frames: str = "all",
    chosen: dict[str, list[int]] | None = None,
    model: str = "made-up",
) -> Path:
    """The rank store of one shard: every frame of the model, or only those in `chosen` (by utterance)."""
    kept = {
        utterance.name: list(range(len(utterance.activations[0]))) if chosen is None else chosen[utterance.name]
        for utterance in corpus
    }
    kept_ids = [max(1, round(lambda_max * width)) for width in WIDTHS]
    with new_store(path) as store:
        store.attrs.update(
            {
                "model": model,
                "utterances": [utterance.name for utterance in corpus],
                "sites": [
                    {"layer": index + 1, "name": name, "width": width}
                    for index, (name, width) in enumerate(zip(SITE_NAMES, WIDTHS, strict=True))
                ],
                "k": kept_ids,
                "lambda_max": lambda_max,
                "frames": frames,
            }
        )
        add_array(store, "offset", _offsets(len(kept[utterance.name]) for utterance in corpus))
        add_array(
            store, "frame", np.array([frame for utterance in corpus for frame in kept[utterance.name]], dtype=np.int32)
        )
        for site, k in enumerate(kept_ids):
            rows = [utterance.activations[site][frame] for utterance in corpus for frame in kept[utterance.name]]
            ids = np.array([ranked(row)[:k] for row in rows], dtype=np.uint16).reshape(len(rows), k)
            ties = np.zeros(k, dtype=np.int64)
            for row in rows:
                values = [abs(row[neuron]) for neuron in ranked(row)]
                ties += [values[rank] == values[rank + 1] for rank in range(k)]
            add_array(store, f"ranks/{site:02d}", ids)
            add_array(store, f"ties/{site:02d}", ties)
    return path


def write_shards(
    folder: Path, corpus: list[Utterance], n_shards: int = 2, pitch: str = "yaapt", columns: dict | None = None
):
    """(rank store, frame store) of each shard, utterances dealt in turn, each shard sorted by id."""
    shards = []
    for shard in range(n_shards):
        utterances = sorted(corpus[shard::n_shards], key=lambda utterance: utterance.name)
        ranks = write_ranks(folder / f"ranks-{shard}.zarr", utterances)
        shards.append((ranks, write_frames(folder / f"frames-{shard}.zarr", utterances, pitch, columns)))
    return shards


def loop_runs(utterance: Utterance, options: dict[str, str]) -> list[list[int]]:
    """The runs of an utterance as lists of frames."""
    runs: list[list[int]] = []
    frames = utterance.frames
    for index, (label, segment) in enumerate(frames):
        goes_on = bool(runs) and frames[index - 1][0] == label
        if options["equal_neighbours"] == "separate":
            goes_on = goes_on and frames[index - 1][1] == segment
        if goes_on:
            runs[-1].append(index)
        else:
            runs.append([index])
    return runs[:-1] if options["last_run"] == "drop" else runs


def loop_cuts(corpus: list[Utterance], pitch_cuts) -> tuple[float, float]:
    """Percentiles of all voiced F0 by their definition: linear interpolation between order statistics."""
    if not isinstance(pitch_cuts, str):
        return in_single_precision(pitch_cuts)
    voiced = sorted(value for utterance in corpus for value in utterance.f0 if not math.isnan(value))
    cuts = []
    for share in (1 / 3, 2 / 3) if pitch_cuts == "tertiles" else (0.33, 0.66):
        place = share * (len(voiced) - 1)
        below = math.floor(place + 1e-9)
        above = min(below + 1, len(voiced) - 1)
        if voiced[below] == voiced[above]:
            cuts.append(voiced[below])
        else:
            cuts.append(voiced[below] + (place - below) * (voiced[above] - voiced[below]))
    return in_single_precision(cuts)


def in_single_precision(cuts) -> tuple[float, float]:
    """Both cuts as F0 is stored."""
    low, high = struct.unpack("2f", struct.pack("2f", *cuts))
    return low, high


def loop_pitch(utterance: Utterance, cuts: tuple[float, float] | None, options: dict[str, str]) -> list[int]:
    """The pitch bin of each label frame; `cuts` None where `f0` already holds bins."""
    track = []
    for value in utterance.f0:
        if cuts is None:
            track.append(int(value))
        elif math.isnan(value):
            track.append(-1)
        elif value == cuts[0] and options["at_lower_cut"] == "omit":
            continue
        else:
            track.append(0 if value <= cuts[0] else 1 if value <= cuts[1] else 2)
    n_labels = len(utterance.frames)
    while len(track) < n_labels:
        track.insert(0 if options["f0_padding"] == "front" else len(track), -1)
    return track[:n_labels]


def loop_group(utterance: Utterance, frame: int, run: list[int], column: str, pitch: list[int]) -> str | None:
    """The group of one frame, None where it is not counted."""
    label = utterance.frames[frame][0]
    if column == "label":
        return next((name for name, phones in PHONE_CLASSES.items() if label in phones), "")
    if column == "single":
        return label if label in PHONES else ""
    if column == "f0":
        return None if pitch[frame] < 0 else ("low", "middle", "high")[pitch[frame]]
    if column == "duration":
        first, last = utterance.frames[run[0]][1], utterance.frames[run[-1]][1]
        start = utterance.segments[first][0] if first >= 0 else 20_000 * run[0]
        end = utterance.segments[last][1] if last >= 0 else 20_000 * (run[-1] + 1)
        if end - start < 60_000:
            return "< 60 ms"
        return "60-100 ms" if end - start <= 100_000 else "> 100 ms"
    return getattr(utterance, column)


def loop_counts(corpus: list[Utterance], column: str, options: dict, lambda_: float, pitch: str = "yaapt"):
    """Counts as the definition has them, frame by frame, straight from the activations.

    Returns:
        n by (group, label); counts by (site, group, label), each [neurons]; sampled frames without a model frame
    """
    n: dict = defaultdict(int)
    counts: dict = defaultdict(lambda: 0)
    unranked = 0
    cuts = loop_cuts(corpus, options["pitch_cuts"]) if column == "f0" and pitch != "bins" else None
    for utterance in corpus:
        bins = loop_pitch(utterance, cuts, options) if column == "f0" else []
        for run in loop_runs(utterance, options):
            middle = (run[0] + run[-1]) // 2
            for frame in [middle] if options["frames"] == "segment_mid" else run:
                label = utterance.frames[frame][0]
                group = loop_group(utterance, frame, run, column, bins)
                not_a_row = column == "f0" and options["pitch_phones"] == "voiced" and label in UNVOICED_CONSONANTS
                if group is None or not_a_row:
                    continue
                if frame >= len(utterance.activations[0]):
                    unranked += 1
                    continue
                n[group, label] += 1
                for site, width in enumerate(WIDTHS):
                    active = np.zeros(width, dtype=np.int64)
                    active[ranked(utterance.activations[site][frame])[: max(1, round(lambda_ * width))]] = 1
                    counts[site, group, label] = counts[site, group, label] + active
    return n, counts, unranked


def shard_of(segments, n_frames=None, **columns):
    """One utterance of segments (start ms, end ms, label); a frame belongs to the segment that holds its start."""
    label, segment = [], []
    for frame in range(n_frames or segments[-1][1] // 20):
        holding = [index for index, (start, end, _) in enumerate(segments) if start <= 20 * frame < end]
        segment.append(holding[0] if holding else -1)
        label.append(LABELS.index(segments[holding[0]][2]) if holding else SILENCE_ID)
    return FrameShard(
        name="here",
        utterances=("u",),
        kept=np.array([True]),
        columns={"gender": ("M",), "accent": ("southern",)} | columns,
        offset=np.array([0, len(label)]),
        frame_us=20_000,
        label=np.array(label, dtype=np.int8),
        segment=np.array(segment, dtype=np.int32),
        segment_start=np.array([1000 * start for start, _, _ in segments]),
        segment_end=np.array([1000 * end for _, end, _ in segments]),
        pitch="yaapt",
        pitch_offset=np.array([0, len(label)]),
        pitch_values=np.full(len(label), np.nan, dtype=np.float32),
    )


def renamed(utterance: Utterance, name: str) -> Utterance:
    """The same utterance under another id."""
    return replace(utterance, name=name)


def _offsets(lengths) -> np.ndarray:
    return np.cumsum([0, *lengths]).astype(np.int64)
