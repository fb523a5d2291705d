"""Speech of tones with its references, small prepared models, and trainings on them."""

import math
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import small_models
import synthetic_stores

from property_neurons.config.optimisation import Optimisation
from property_neurons.corpus.phones import LABEL_IDS
from property_neurons.models.prepare import LocalFolder, prepare_model
from property_neurons.stores.files import write_table
from property_neurons.tasks.job import TaskJob
from property_neurons.tasks.make_table import divide, write_task_data
from property_neurons.tasks.table import KINDS

SPEAKERS = 6
PER_SPEAKER = 5
TONES = {"AH": 150.0, "IY": 400.0, "OW": 1000.0, "S": None}
SETTINGS = {
    **Optimisation(
        steps=12, batch_size=4, learning_rate=1e-2, evaluate_every=4, save_every=4, log_every=2
    ).model_dump(),
    "seed": 0,
}


def phones_of(name):
    """Phones of an utterance and how many 20 ms frames each lasts."""
    rng = np.random.default_rng(list(map(int, name.split("-"))))
    order = rng.permutation(list(TONES))[: int(rng.integers(2, 5))]
    return [(str(phone), int(rng.integers(6, 10))) for phone in order]


@cache
def read_audio(path: Path) -> np.ndarray:
    """Tones that tell the phones under a high one that tells the speaker; [s] is noise."""
    speaker, number = map(int, path.stem.split("-"))
    rng = np.random.default_rng([speaker, number])
    pieces = []
    for phone, frames in phones_of(path.stem):
        time = np.arange(320 * frames) / 16_000
        tone = TONES[phone]
        pieces.append(rng.normal(scale=0.1, size=len(time)) if tone is None else 0.3 * np.sin(2 * np.pi * tone * time))
    signal = np.concatenate(pieces)
    time = np.arange(len(signal)) / 16_000
    signal += 0.1 * np.sin(2 * np.pi * (2000 + 800 * speaker) * time) + rng.normal(scale=0.003, size=len(time))
    return signal.astype(np.float32)


def utterances() -> pd.DataFrame:
    names = [f"{speaker}-{number}" for speaker in range(SPEAKERS) for number in range(PER_SPEAKER)]
    return pd.DataFrame(
        {
            "utterance": names,
            "subset": "made",
            "speaker": [name[0] for name in names],
            "gender": ["F" if int(name[0]) % 2 else "M" for name in names],
            "audio": [f"{name}.wav" for name in names],
            "audio_digest": "",
            "n_samples": [320 * sum(frames for _, frames in phones_of(name)) for name in names],
        }
    )


def made_corpus(folder: Path) -> dict[str, list[Path]]:
    """The segments and frames of the utterances."""
    rows, corpus = [], []
    for name in utterances()["utterance"]:
        start, segments, f0 = 0, [], []
        for phone, frames in phones_of(name):
            end = start + 20_000 * frames
            segments.append((start, end, phone))
            rows.append((name, start, end, LABEL_IDS[phone]))
            f0 += [math.nan if TONES[phone] is None else TONES[phone]] * frames
            start = end
        corpus.append(synthetic_stores.Utterance(name, "made", name[0], "F", tuple(segments), start, tuple(f0), ()))
    write_table(folder / "s.parquet", pd.DataFrame(rows, columns=["utterance", "start_us", "end_us", "label"]))
    return {
        "segments": [("made", folder / "s.parquet")],
        "frames": [synthetic_stores.write_frames(folder / "f.zarr", corpus)],
    }


def make_data(folder: Path) -> dict[str, str]:
    """The manifest of each kind of task."""
    inputs = made_corpus(folder)
    manifests = {}
    for kind in KINDS:
        by = "utterance" if kind == "speaker_identification" else "speaker"
        split = {"by": by, "corpus": "tones", "dev": 0.2, "test": 0.3, "seed": 0}
        write_task_data(folder / f"{kind}.parquet", divide({"tones": utterances()}, split, kind), kind, **inputs)
        manifests[kind] = str(folder / f"{kind}.manifest.json")
    return manifests


def prepared(folder: Path, class_name: str = "MelHubertModel", **overrides) -> str:
    small_models.save_model(small_models.small_model(class_name, **overrides), folder / "source")
    prepare_model(folder / "tiny", folder / "tiny.manifest.json", LocalFolder(str(folder / "source")))
    return str(folder / "tiny.manifest.json")


def make_job(folder: Path, data, model, kind, name="run", **changes) -> TaskJob:
    projector = {} if kind == "f0_reconstruction" else {"projector": 8}
    settings = SETTINGS | projector | changes.pop("settings", {})
    fields = {"task": kind, "model_name": "tiny", "mode": "frozen", "data": data[kind], "model": model}
    folders = {"folder": str(folder / name), "work": str(folder / f".{name}.work")}
    return TaskJob(**(fields | folders | changes), roots={"tones": ""}, settings=settings)
