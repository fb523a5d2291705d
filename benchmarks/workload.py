"""What the ranking and pipeline benchmarks share: the model, the speech, the settings they report."""

import argparse
import datetime
import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import torch

from property_neurons.corpus.audio import SAMPLE_RATE, find_audio, read_audio
from property_neurons.models.backend import transformers
from property_neurons.models.features import RawWaveform
from property_neurons.models.loading import SpeechEncoder

# Deciles of LibriSpeech dev-clean's durations, for runs without the corpus.
_SECONDS = (2.3, 3.1, 4.0, 4.9, 5.9, 7.3, 9.0, 11.6, 16.0)
_VECTOR_FLAGS = ("avx2", "avx512f", "avx512vl", "asimd", "sve")


@dataclass(frozen=True)
class Utterance:
    """A file and what it decodes to: float32 [samples], 16 kHz."""

    path: Path
    waveform: np.ndarray


def arguments(description: str, utterances: int) -> argparse.ArgumentParser:
    """The options every benchmark has."""
    parser = argparse.ArgumentParser(description=description.split("\n", 1)[0])
    parser.add_argument("--data", type=Path, help="folder with LibriSpeech/dev-clean; noise is used without it")
    parser.add_argument("--utterances", type=int, default=utterances, help="how many to read (default %(default)s)")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each measurement (default %(default)s)")
    parser.add_argument("--out", type=Path, help="write the numbers as JSON")
    return parser


def hubert_base() -> SpeechEncoder:
    """HuBERT-base's shape (12 x 768 x 3072) with random weights: speed does not depend on their values."""
    torch.manual_seed(0)
    model = transformers.HubertModel(transformers.HubertConfig())
    return SpeechEncoder(model, RawWaveform(model.config, transformers.Wav2Vec2FeatureExtractor(do_normalize=False)))


def speech(data: Path | None, count: int, folder: Path) -> list[Utterance]:
    """Utterances spread evenly over dev-clean's order of durations, or FLAC noise of such durations in `folder`."""
    if data is None:
        return [_noise(folder / f"noise-{index:03d}.flac", index) for index in range(count)]
    paths = find_audio(data / "LibriSpeech" / "dev-clean")
    paths.sort(key=lambda path: (soundfile.info(path).frames, path.name))
    spread = np.linspace(0, len(paths) - 1, count + 2)[1:-1].round().astype(int)
    chosen = [Utterance(paths[index], read_audio(paths[index])) for index in spread]
    # Long and short in turn, so that no part of a run differs from the others.
    return [chosen[index] for index in np.random.default_rng(0).permutation(count)]


def seconds(utterances: list[Utterance]) -> float:
    """Duration of all utterances."""
    return sum(len(utterance.waveform) for utterance in utterances) / SAMPLE_RATE


def settings(utterances: list[Utterance], data: Path | None) -> dict[str, object]:
    """What a number means nothing without."""
    flags, processor = set(), platform.processor()
    if Path("/proc/cpuinfo").is_file():
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        facts = dict(reversed([[part.strip() for part in line.split(":", 1)] for line in lines if ":" in line]))
        flags, processor = set(facts.get("flags", "").split()), facts.get("model name", processor)
    return {
        "date": datetime.date.today().isoformat(),
        "processor": processor,
        "vector instructions": [flag for flag in _VECTOR_FLAGS if flag in flags],
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "numpy": np.__version__,
        "model": "HuBERT base shape, random weights, fp32",
        "speech": "LibriSpeech dev-clean" if data else "noise",
        "utterances": len(utterances),
        "audio seconds": round(seconds(utterances), 1),
    }


def timed(action: Callable[[], object]) -> tuple[float, float]:
    """Wall time of `action`, and CPU time of the process over all its threads, in seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    action()
    return time.perf_counter() - wall, time.process_time() - cpu


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median and quartiles."""
    low, median, high = np.percentile(values, (25, 50, 75))
    return {"median": median, "low": low, "high": high, "n": len(values)}


def shown(found: dict[str, float], form: str) -> str:
    """Median and quartiles, each in the format `form`."""
    return f"{found['median']:{form}} ({found['low']:{form}}-{found['high']:{form}})"


def report(result: dict[str, object], out: Path | None) -> None:
    """Print the settings, and write everything where asked to."""
    print("\n" + "; ".join(f"{name}: {value}" for name, value in result["settings"].items()))
    if out is not None:
        out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def _noise(path: Path, index: int) -> Utterance:
    samples = int(_SECONDS[(index * 5) % len(_SECONDS)] * SAMPLE_RATE)
    soundfile.write(path, np.random.default_rng(index).normal(0, 0.05, samples), SAMPLE_RATE, subtype="PCM_16")
    return Utterance(path, read_audio(path))
