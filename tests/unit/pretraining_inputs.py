"""Speech-like recordings and small pre-training jobs for tests, made in milliseconds."""

from pathlib import Path
from unittest import mock

import numpy as np

from property_neurons.codebooks.kmeans import fit_codebook
from property_neurons.codebooks.sample import gather
from property_neurons.config.optimisation import Optimisation
from property_neurons.corpus import audio
from property_neurons.corpus.recordings import Recording
from property_neurons.pretraining.assign_targets import write_targets
from property_neurons.pretraining.log_mel import write_log_mel
from property_neurons.pretraining.log_mel_statistics import measure_statistics
from property_neurons.pretraining.log_mel_store import open_log_mel, write_statistics
from property_neurons.pretraining.represent import LogMelFrames
from property_neurons.pretraining.sampled_frames import sample_frames
from property_neurons.pretraining.stage import PretrainingJob
from property_neurons.stores import files

ARCHITECTURE = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 2,
}
CLUSTERS = 8
SPEAKERS = ("11", "22", "33", "44")


def recordings_and_reader(n_per_speaker: int = 3, seed: int = 0):
    """Noise whose spectrum changes every 100 ms, by four speakers of different loudness, and its `read_audio`."""
    rng = np.random.default_rng(seed)
    waveforms = {}
    for level, speaker in enumerate(SPEAKERS, start=1):
        for number in range(n_per_speaker):
            pieces = []
            for _ in range(int(rng.integers(6, 16))):
                piece = rng.standard_normal(1600) * 0.02 * level
                pieces.append(np.convolve(piece, np.ones(int(rng.integers(1, 9))), mode="same"))
            cut = int(rng.integers(0, 700))
            waveforms[f"{speaker}-1-{number:04d}"] = np.concatenate(pieces)[cut:].astype(np.float32)
    recordings = [Recording(name, Path(name), len(waveform)) for name, waveform in waveforms.items()]
    return recordings, lambda path: waveforms[str(path)]


def write_features(folder: Path, coded: bool = False, n_per_speaker: int = 3) -> Path:
    """The log-Mel frames of `recordings_and_reader`; returns their manifest."""
    recordings, reader = recordings_and_reader(n_per_speaker)
    written = folder / ("coded" if coded else ".") / "s-000"
    manifest = written.parent / "s-000.manifest.json"
    with mock.patch.object(audio, "read_audio", reader):
        write_log_mel(written, manifest, recordings, [one.utterance.split("-")[0] for one in recordings], coded=coded)
    return manifest


def small_job(folder: Path, **training) -> PretrainingJob:
    """A job of stage 1 with everything it needs written below `folder`; `training` are fields of `Training`."""
    if not (folder / "targets.manifest.json").exists():
        shard = open_log_mel(write_features(folder))
        statistics = measure_statistics([shard])
        write_statistics(folder / "log_mel.json", statistics)
        represent = LogMelFrames(statistics)
        frames = gather(*sample_frames([shard], represent, hours=1, seed=0))
        codebook = fit_codebook(frames, clusters=CLUSTERS, seed=0)
        write_targets(folder / "targets.zarr", shard, represent, codebook)
    settings = Optimisation(
        steps=12, batch_size=4, learning_rate=1e-3, evaluate_every=4, save_every=4, log_every=2
    ).model_dump() | {"crop_seconds": 1.0, "seed": 0}
    return PretrainingJob(
        name="test",
        log_mel=[str(folder / "s-000.manifest.json")],
        targets=[str(folder / "targets.manifest.json")],
        statistics=str(folder / "log_mel.json"),
        architecture=ARCHITECTURE,
        validation_share=0.2,
        training=settings | training,
        folder=str(folder / "model"),
        work=str(folder / "work"),
    )


def curves_of(job: PretrainingJob):
    """The learning curves that a finished job wrote."""
    return files.read_table(Path(job.folder) / "curves.tsv")
