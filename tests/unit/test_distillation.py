"""Recovery without labels: small models of every class learn to give their unpruned model's states."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import small_models
import torch

from property_neurons.corpus.recordings import Recording
from property_neurons.errors import ModelError
from property_neurons.models.ffn import ffn_sites
from property_neurons.models.loading import load_encoder
from property_neurons.models.prepare import LocalFolder, prepare_model
from property_neurons.models.states import hidden_states
from property_neurons.pruning import distillation
from property_neurons.pruning.distillation import (
    Distillation,
    DistillationJob,
    Pieces,
    _read_alike,
    distil,
    hold_out,
    state_loss,
)
from property_neurons.pruning.prune import Cut, prune_model
from property_neurons.stores import files, manifests

SETTINGS = {
    "steps": 6,
    "batch_size": 2,
    "accumulation": 1,
    "learning_rate": 1e-4,
    "schedule": "constant",
    "warmup_steps": 0,
    "precision": "fp32",
    "evaluate_every": 3,
    "save_every": 3,
    "log_every": 3,
    "workers": 0,
    "seed": 0,
    "crop_seconds": 0.4,
}


@pytest.fixture(scope="module")
def speech(tmp_path_factory):
    """A corpus of five utterances of three speakers: its folder, its table."""
    from scipy.io import wavfile

    folder = tmp_path_factory.mktemp("speech")
    rows = []
    for number in range(5):
        wave = small_models.waveform(5000 + 1500 * number, seed=number)
        wavfile.write(folder / f"u{number}.wav", 16000, (wave * 32767).astype(np.int16))
        rows.append((f"u{number}", f"s{number % 3}", f"u{number}.wav", len(wave)))
    table = pd.DataFrame(rows, columns=["utterance", "speaker", "audio", "n_samples"])
    files.write_table(folder / "utterances.parquet", table)
    manifests.write_manifest(folder / "checked.json", manifests.describe_files(folder, [folder / "utterances.parquet"]))
    return folder, table


def job_of(folder, speech, **settings):
    return DistillationJob(
        name="student",
        model=str(folder / "cut.manifest.json"),
        teacher=str(folder / "whole.manifest.json"),
        corpus=str(speech[0] / "checked.json"),
        validation_share=0.3,
        settings=SETTINGS | settings,
        folder=str(folder / "student"),
        manifest=str(folder / "student.manifest.json"),
        work=str(folder / ".student.work"),
    )


def made(class_name, folder):
    """A prepared small model, and the same with half of its neurons."""
    source = small_models.save_model(small_models.small_model(class_name), folder / "source")
    prepare_model(folder / "whole", folder / "whole.manifest.json", LocalFolder(str(source)))
    cut = Cut("random", keep=0.5)
    prune_model(folder / "cut", folder / "cut.manifest.json", folder / "whole.manifest.json", cut, neurons={})
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("class_name", small_models.CLASS_NAMES)
def test_every_architecture_comes_nearer_to_its_unpruned_states(class_name, tmp_path, speech):
    folder = made(class_name, tmp_path)
    distil(job_of(folder, speech), speech[1], speech[0])
    encoder = load_encoder(folder / "student", manifest=folder / "student.manifest.json")
    assert [site.width for site in encoder.sites] == [small_models.WIDTH // 2] * len(encoder.sites)
    record = files.read_json(folder / "student/distillation.json")
    assert record["loss_after"] < record["loss_before"]
    curves = files.read_table(folder / "student/curves.tsv")
    assert curves.loc[curves["split"] == "validation", "step"].tolist() == [0, 3, 6]
    assert curves["loss"].notna().all()
    assert not (folder / ".student.work").exists()


def recordings(speech):
    folder, table = speech
    return [Recording(row.utterance, folder / row.audio, row.n_samples) for row in table.itertuples()]


def test_the_losses_are_their_formulas():
    rng = np.random.default_rng(0)
    student, teacher = rng.normal(size=(2, 2, 3, 5))
    distances, angles = [], []
    for layer in range(2):
        for frame in range(3):
            one, other = student[layer, frame], teacher[layer, frame]
            distances.append(sum(abs(a - b) for a, b in zip(one, other, strict=True)) / 5)
            cosine = one @ other / np.sqrt((one @ one) * (other @ other))
            angles.append(np.log(1 + np.exp(-cosine)))
    given = torch.from_numpy(student), torch.from_numpy(teacher)
    assert float(state_loss(*given, "l1")) == pytest.approx(np.mean(distances))
    assert float(state_loss(*given, "cosine")) == pytest.approx(np.mean(angles))
    assert float(state_loss(*given, "l1_cosine", 2.0)) == pytest.approx(np.mean(distances) + 2 * np.mean(angles))


def test_a_loss_of_chosen_layers_is_of_these(tmp_path, speech):
    folder = made("HubertModel", tmp_path)
    student, teacher = (load_encoder(folder / name) for name in ("cut", "whole"))
    pieces = Pieces(recordings(speech)[:2], teacher.front_end, 3200)
    batch = distillation.collate([pieces[0], pieces[1]])
    states = [hidden_states(one.model, batch["windows"]) for one in (student, teacher)]
    for layers, chosen in ((None, [1, 2]), ([2], [2])):
        settings = Distillation(**SETTINGS | {"layers": layers})
        found = distillation.Distiller(student.model, teacher.model, settings)(**batch)["loss"]
        together = [torch.cat([one[chosen] for one in own], dim=1) for own in states]
        assert float(found) == pytest.approx(float(state_loss(*together)), rel=1e-5)
    # The unpruned model has nothing to learn but the constant of the angle.
    own = distillation.Distiller(teacher.model, teacher.model, Distillation(**SETTINGS))(**batch)["loss"]
    assert float(own) == pytest.approx(np.log1p(np.exp(-1)), rel=1e-4)


@pytest.mark.slow
def test_a_killed_distillation_goes_on_to_the_same_weights(tmp_path, speech, monkeypatch):
    folder = made("MelHubertModel", tmp_path)
    job = job_of(folder, speech)
    distil(job, speech[1], speech[0])
    whole = files.read_json(folder / "student.manifest.json")["files"]["model.safetensors"]
    curves = files.read_table(folder / "student/curves.tsv")
    again = replace(job, folder=str(folder / "again"), manifest=str(folder / "again.manifest.json"))
    step = distillation.DistillationTrainer.training_step

    def killed(self, *args, **kwargs):
        if self.state.global_step == 4:
            raise KeyboardInterrupt
        return step(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(distillation.DistillationTrainer, "training_step", killed)
        with pytest.raises(KeyboardInterrupt):
            distil(again, speech[1], speech[0])
    assert (folder / ".student.work/checkpoint-3").is_dir()
    assert not (folder / "again").exists()
    distil(again, speech[1], speech[0])
    assert files.read_json(folder / "again.manifest.json")["files"]["model.safetensors"] == whole
    pd.testing.assert_frame_equal(files.read_table(folder / "again/curves.tsv"), curves)


@pytest.mark.slow
def test_a_distillation_ends_when_it_is_flat(tmp_path, speech):
    folder = made("MelHubertModel", tmp_path)
    flat = {"learning_rate": 1e-12, "steps": 30, "evaluate_every": 1, "save_every": 1, "log_every": 1, "patience": 2}
    distil(job_of(folder, speech, **flat), speech[1], speech[0])
    assert files.read_json(folder / "student/distillation.json")["steps"] < 30


@pytest.mark.slow
def test_a_learning_rate_is_chosen_on_the_speech_held_out(tmp_path, speech):
    folder = made("WhisperEncoder", tmp_path)
    losses = {}
    for rate in (1e-7, 1e-3):
        distil(job_of(folder, speech, learning_rate=rate), speech[1], speech[0])
        losses[str(rate)] = files.read_json(folder / "student/distillation.json")["loss_after"]
        whole = files.read_json(folder / "student.manifest.json")["files"]["model.safetensors"]
    distil(job_of(folder, speech, learning_rate=[1e-7, 1e-3]), speech[1], speech[0])
    record = files.read_json(folder / "student/distillation.json")
    assert record["learning_rates"] == losses
    assert record["settings"]["learning_rate"] == 1e-3
    assert files.read_json(folder / "student.manifest.json")["files"]["model.safetensors"] == whole


def test_what_does_not_fit_is_refused(tmp_path, speech):
    folder = made("MelHubertModel", tmp_path)
    with pytest.raises(ModelError, match="expected layers from 1 to 2, found 3"):
        distil(job_of(folder, speech, layers=[1, 3]), speech[1], speech[0])
    other = small_models.save_model(small_models.small_model("MelHubertModel", num_hidden_layers=3), tmp_path / "other")
    prepare_model(folder / "deep", folder / "deep.manifest.json", LocalFolder(str(other)))
    job = replace(job_of(folder, speech), teacher=str(folder / "deep.manifest.json"))
    with pytest.raises(ModelError, match="hidden size 16 and 3 blocks, as the one it learns from, found 16 and 2"):
        distil(job, speech[1], speech[0])
    slow = small_models.save_model(small_models.small_model("MelHubertModel", frame_ms=10), tmp_path / "slow")
    prepare_model(folder / "fine", folder / "fine.manifest.json", LocalFolder(str(slow)))
    job = replace(job_of(folder, speech), teacher=str(folder / "fine.manifest.json"))
    with pytest.raises(ModelError, match="given speech in the same form as the one it learns from, found another"):
        distil(job, speech[1], speech[0])
    # The same waveform, but a row for every 40 ms.
    for name in ("SEWModel", "HubertModel"):
        made_of = small_models.save_model(small_models.small_model(name), tmp_path / f"{name}-source")
        prepare_model(folder / name, folder / f"{name}.manifest.json", LocalFolder(str(made_of)))
    squeezed, whole = (load_encoder(folder / name) for name in ("SEWModel", "HubertModel"))
    assert not _read_alike(squeezed, whole)
    assert not _read_alike(whole, squeezed)
    assert _read_alike(whole, whole)
    with pytest.raises(ModelError, match="and others to validate on, found 1 speakers"):
        hold_out(recordings(speech)[:2], ["a", "a"], 0.5)


def test_speakers_are_in_one_part_and_pieces_are_drawn_once(speech):
    parts = hold_out(recordings(speech), speech[1]["speaker"].tolist(), 0.3)
    names = [{one.utterance for one in part} for part in parts]
    assert not names[0] & names[1]
    assert len(names[0] | names[1]) == 5
    speakers = [set(speech[1].set_index("utterance").loc[sorted(own), "speaker"]) for own in names]
    assert not speakers[0] & speakers[1]
    model = small_models.small_model("MelHubertModel")
    small_models.save_preprocessor(model.config, speech[0])
    encoder = load_encoder(small_models.save_model(model, speech[0] / "model"))
    pieces, again = (Pieces(parts[0], encoder.front_end, 1600, n_pieces=9, seed=seed) for seed in (1, 1))
    for item in (0, 8):
        assert torch.equal(pieces[item][0].values, again[item][0].values)
        assert pieces[item][0].values.shape[1] == encoder.front_end.n_frames(1600)
    assert len(ffn_sites(model)) == 2
