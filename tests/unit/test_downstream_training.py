"""One downstream training, whole: what is in its folder, and what a killed one leaves."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import small_models

from property_neurons.downstream.data import divide, write_task_data
from property_neurons.downstream.training import TaskJob, run_task
from property_neurons.errors import StoreError, TaskError
from property_neurons.models.loading import load_encoder
from property_neurons.models.prepare import LocalFolder, prepare_model
from property_neurons.storage import read_json, read_table
from property_neurons.training.checkpoints import MarkComplete

SPEAKERS = 4
PER_SPEAKER = 6
SECONDS = 0.4
SETTINGS = {
    "steps": 30,
    "batch_size": 8,
    "learning_rate": 1e-2,
    "evaluate_every": 10,
    "save_every": 10,
    "log_every": 5,
    "projector": 8,
}


def read_audio(path: Path) -> np.ndarray:
    """A tone whose pitch tells the speaker, with noise that tells the utterance."""
    speaker, number = map(int, path.stem.split("-"))
    time = np.arange(round(SECONDS * 16_000)) / 16_000
    noise = np.random.default_rng([speaker, number]).normal(scale=0.01, size=len(time))
    return (0.3 * np.sin(2 * np.pi * (200 + 700 * speaker) * time) + noise).astype(np.float32)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("model")
    small_models.save_model(small_models.small_model("MelHubertModel"), folder / "source")
    prepare_model(folder / "tiny", folder / "tiny.manifest.json", LocalFolder(str(folder / "source")))
    return str(folder / "tiny.manifest.json")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> str:
    names = [(speaker, number) for speaker in range(SPEAKERS) for number in range(PER_SPEAKER)]
    utterances = pd.DataFrame(
        {
            "utterance": [f"{speaker}-{number}" for speaker, number in names],
            "subset": "made",
            "speaker": [str(speaker) for speaker, _ in names],
            "gender": ["F" if speaker % 2 else "M" for speaker, _ in names],
            "audio": [f"{speaker}-{number}.wav" for speaker, number in names],
            "audio_digest": "",
            "n_samples": round(SECONDS * 16_000),
        }
    )
    split = {"by": "utterance", "corpus": "tones", "dev": 0.2, "test": 0.3, "seed": 0}
    table = tmp_path_factory.mktemp("data") / "sid.parquet"
    write_task_data(table, divide({"tones": utterances}, split, "speaker_identification"), "speaker_identification")
    return str(table.with_name("sid.manifest.json"))


@pytest.fixture
def job(tmp_path, model, data):
    """A function that gives a job with some fields changed."""

    def make(name="run", **changes) -> TaskJob:
        settings = SETTINGS | changes.pop("settings", {})
        fields = {"task": "sid", "model_name": "tiny", "mode": "frozen", "data": data, "model": model}
        folders = {"folder": str(tmp_path / name), "work": str(tmp_path / f".{name}.work")}
        return TaskJob(**(fields | folders | changes), roots={"tones": ""}, settings=settings)

    return make


def test_the_folder_tells_the_score_of_every_test_utterance_and_the_best_step(job):
    run_task(job(), read_audio)
    folder = Path(job().folder)
    metrics, scores, curves = (
        read_json(folder / "metrics.json"),
        read_table(folder / "scores.tsv"),
        read_table(folder / "curves.tsv"),
    )
    assert metrics["value"] == scores["error"].sum() / scores["weight"].sum()
    assert len(scores) == metrics["utterances"] == 2 * SPEAKERS
    dev = curves[curves["split"] == "dev"].set_index("step")["value"]
    assert list(dev.index) == [10, 20, 30]
    assert metrics["dev"] == {"step": dev.idxmin(), "value": dev.min()}
    assert metrics["value"] < 0.4 < metrics["extra"]["chance"]
    assert not Path(job().work).exists()
    assert not (folder / "encoder").exists()


def test_a_fine_tuned_model_is_saved_and_is_another_one(job, model):
    run_task(job(mode="fine_tuned"), read_audio)
    tuned = load_encoder(Path(job().folder) / "encoder").model
    before = load_encoder(Path(model).with_name("tiny")).model
    changed = [
        name
        for name, value in tuned.state_dict().items()
        if not np.array_equal(value.numpy(), before.state_dict()[name].numpy())
    ]
    assert "encoder.layers.0.feed_forward.intermediate_dense.weight" in changed
    assert tuned.config.layerdrop == before.config.layerdrop


@pytest.mark.parametrize("mode", ["frozen", "fine_tuned"])
def test_a_killed_training_goes_on_to_the_same_bytes(mode, job, monkeypatch):
    run_task(job("whole", mode=mode), read_audio)
    plain = MarkComplete.on_save

    def kill(self, args, state, control, **kwargs):
        plain(self, args, state, control, **kwargs)
        if state.global_step == 20:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(MarkComplete, "on_save", kill)
        with pytest.raises(KeyboardInterrupt):
            run_task(job("killed", mode=mode), read_audio)
    killed = job("killed", mode=mode)
    assert not Path(killed.folder).exists()
    assert (Path(killed.work) / "checkpoint-20/complete.json").exists()
    run_task(killed, read_audio)
    files = [read_json(f"{job(name).folder}.manifest.json")["files"] for name in ("whole", "killed")]
    assert files[0] == files[1]


def test_a_head_is_taken_over_or_refused(job):
    run_task(job("first"), read_audio)
    first = job("first").folder
    run_task(job("on", initial=first, settings={"steps": 1, "learning_rate": 1e-9, "evaluate_every": 1}), read_audio)
    values = [read_json(Path(job(name).folder) / "metrics.json")["value"] for name in ("first", "on")]
    assert values[0] == values[1]
    with pytest.raises(TaskError, match="expected a head of"):
        run_task(job("other", initial=first, settings={"projector": 5}), read_audio)


def test_damaged_data_are_found(job, data):
    table = Path(data).with_name("sid.parquet")
    whole = table.read_bytes()
    table.write_bytes(whole[:-10])
    try:
        with pytest.raises(StoreError, match=r"sid\.parquet should be"):
            run_task(job(), read_audio)
    finally:
        table.write_bytes(whole)
