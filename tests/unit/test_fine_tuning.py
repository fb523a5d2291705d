"""Training on from a pruned model, and when it ends."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import small_models
import torch
from pretraining_inputs import CLUSTERS, curves_of, small_job

from property_neurons.errors import ModelError, StoreError
from property_neurons.models.loading import load_encoder
from property_neurons.models.melhubert import MelHubertForPreTraining, MelHubertModel
from property_neurons.models.prepare import LocalFolder, prepare_model
from property_neurons.models.pruned import remove_neurons
from property_neurons.pretraining import stage
from property_neurons.pretraining.stage import run_pretraining
from property_neurons.stores import files, manifests
from property_neurons.training import trainer
from property_neurons.training.trainer import StopWhenFlat

WIDTHS = [5, 9]
STILL = {"steps": 1, "learning_rate": 1e-9, "evaluate_every": 1, "save_every": 1, "log_every": 1}
FLAT = {"steps": 40, "learning_rate": 1e-12, "evaluate_every": 2, "save_every": 2, "log_every": 1, "patience": 3}


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Models this small are slowed down by more of them, a hundredfold where the cores are busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def prepared(model, folder):
    """The folder of a prepared model beside its manifest."""
    source = small_models.save_model(model, folder / "source")
    prepare_model(folder / "initial", folder / "initial.manifest.json", LocalFolder(str(source)))
    return str(folder / "initial")


def tuning_job(folder, model=None, **training):
    """A job that trains on from `model`, or from a MelHuBERT with 5 and 9 neurons and a head for other clusters."""
    job = small_job(folder, **training)
    if not (folder / "initial").exists():
        whole = small_models.small_model("MelHubertModel", num_targets=5, activation_dropout=0.0)
        prepared(model or remove_neurons(whole, [torch.arange(width) for width in WIDTHS]), folder)
    return replace(job, architecture=None, initial=str(folder / "initial"))


def elsewhere(job, name):
    """The same job with folders of its own."""
    base = Path(job.folder).parent
    return replace(job, folder=str(base / name), work=str(base / f"{name}-work"))


def steps_of(job):
    return files.read_json(Path(job.folder) / "metrics.json")["steps"]


def test_training_goes_on_from_the_cut_model_as_it_is(tmp_path):
    job = tuning_job(tmp_path, **STILL)
    run_pretraining(job)
    assert [site.width for site in load_encoder(job.folder).sites] == WIDTHS
    before, after = (MelHubertModel.from_pretrained(one).state_dict() for one in (job.initial, job.folder))
    assert before.keys() == after.keys()
    for name, value in before.items():
        torch.testing.assert_close(after[name], value, atol=1e-6, rtol=0)
    # As many targets as there are clusters, not as the old head had.
    assert len(MelHubertForPreTraining.from_pretrained(job.folder).final_proj.weight) == CLUSTERS


def test_the_input_is_scaled_as_the_cut_model_was_trained(tmp_path):
    job = tuning_job(tmp_path, **STILL)
    of_corpus = files.read_json(job.statistics)
    run_pretraining(job)
    front_end = files.read_json(Path(job.folder) / "preprocessor_config.json")
    for key, values in small_models.STATISTICS.items():
        np.testing.assert_allclose(front_end[key], values)
        assert np.abs(np.subtract(of_corpus[key], values)).max() > 0.5
    # The corpus's own make no difference to what is trained either.
    files.write_json(Path(job.statistics), of_corpus | {"mean": [0.0] * 40})
    again = elsewhere(job, "again")
    run_pretraining(again)
    pd.testing.assert_frame_equal(curves_of(again), curves_of(job))


def test_seeds_share_the_encoder_and_draw_heads_and_crops_of_their_own(tmp_path):
    jobs = [elsewhere(tuning_job(tmp_path, **STILL | {"seed": seed}), f"s{seed}") for seed in (0, 1)]
    for job in jobs:
        run_pretraining(job)
    first, second = (MelHubertForPreTraining.from_pretrained(job.folder) for job in jobs)
    assert (first.final_proj.weight - second.final_proj.weight).abs().max() > 1e-3
    one, other = (model.melhubert.state_dict() for model in (first, second))
    assert max(float((one[name] - other[name]).abs().max()) for name in one) < 1e-6


def test_it_learns_with_the_neurons_that_are_left(tmp_path):
    job = tuning_job(tmp_path, steps=40, learning_rate=3e-3, evaluate_every=40, save_every=40, log_every=20)
    run_pretraining(job)
    losses = curves_of(job).query("split == 'train'")["loss"].tolist()
    assert losses[-1] < losses[0] - 0.05
    before, after = (MelHubertModel.from_pretrained(one).state_dict() for one in (job.initial, job.folder))
    neurons = [name for name in before if "feed_forward" in name and name.endswith("weight")]
    assert len(neurons) == 4
    assert all((after[name] - before[name]).abs().max() > 1e-2 for name in neurons)


def test_only_a_melhubert_is_trained_on(tmp_path):
    job = tuning_job(tmp_path, small_models.small_model("HubertModel"), **STILL)
    with pytest.raises(ModelError, match=f"test: model to train on: .*MelHuBERT, found a hubert in {job.initial}"):
        run_pretraining(job)
    assert not Path(job.folder).exists()


def test_a_model_of_other_log_mel_bins_is_not_trained_on(tmp_path):
    job = tuning_job(tmp_path, small_models.small_model("MelHubertModel", num_mel_bins=80), **STILL)
    with pytest.raises(ModelError, match=r"test: .*expected a MelHuBERT of 40 log-Mel bins, found one of 80 in "):
        run_pretraining(job)
    assert not Path(job.folder).exists()


def test_an_altered_initial_model_is_refused(tmp_path):
    job = tuning_job(tmp_path, **STILL)
    weights = Path(job.initial) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(StoreError, match=r"model.safetensors is not what was written"):
        run_pretraining(job)


def test_a_training_is_another_one_with_another_initial_model_or_patience(tmp_path):
    job = tuning_job(tmp_path)
    known = job.identity()
    assert tuning_job(tmp_path, patience=2).identity() != known
    manifest = Path(f"{job.initial}.manifest.json")
    manifests.write_manifest(manifest, manifests.describe_files(manifest.parent, [manifest]))
    assert job.identity() != known


def stops_at(losses, patience):
    """Validation, from 1, after which the callback ends a training; None if it never does."""
    callback, log = StopWhenFlat(patience), []
    for number, loss in enumerate(losses, start=1):
        control = SimpleNamespace(should_training_stop=False)
        # Points of the training curve lie between.
        log += [{"loss": 0.0, "step": number}, {"eval_loss": loss, "step": number}]
        callback.on_evaluate(None, SimpleNamespace(log_history=log), control)
        if control.should_training_stop:
            return number
    return None


def plainly(losses, patience):
    least, waited = float("inf"), 0
    for number, loss in enumerate(losses, start=1):
        waited = 0 if loss < least else waited + 1
        least = min(least, loss)
        if waited == patience:
            return number
    return None


@pytest.mark.parametrize(
    ("losses", "patience", "last"),
    [
        ([5, 4, 3, 2, 1], 1, None),
        ([5, 6], 1, 2),
        ([5, 5, 5, 5], 2, 3),
        ([5, 6, 4, 7, 3, 3, 8], 2, 7),
        ([5, 6, 7, 4, 9, 8, 7], 3, 7),
        ([5, 6, 7], 3, None),
    ],
)
def test_a_training_ends_when_its_loss_has_not_fallen_for_so_many_validations(losses, patience, last):
    assert stops_at(losses, patience) == last


def test_it_ends_where_a_plain_count_does():
    rng = np.random.default_rng(0)
    found = set()
    for _ in range(300):
        losses, patience = rng.integers(0, 12, size=15).tolist(), int(rng.integers(1, 9))
        assert stops_at(losses, patience) == plainly(losses, patience)
        found.add(stops_at(losses, patience) is None)
    assert found == {True, False}


@pytest.fixture(scope="module")
def flat(tmp_path_factory):
    """A finished training whose loss never falls, with the validations that it may wait for."""
    job = tuning_job(tmp_path_factory.mktemp("flat"), **FLAT)
    run_pretraining(job)
    return job


def test_a_flat_training_ends_before_its_last_step(flat):
    table = curves_of(flat).query("split == 'validation'")
    last = plainly(table["loss"].tolist(), FLAT["patience"])
    assert steps_of(flat) == table["step"].iloc[-1] == FLAT["evaluate_every"] * last < FLAT["steps"]


def test_without_patience_all_steps_are_made(tmp_path):
    job = tuning_job(tmp_path, **FLAT | {"steps": 12, "patience": None})
    run_pretraining(job)
    assert steps_of(job) == 12


def interrupted(job, monkeypatch, kill):
    """Run a job until `kill(patch, stop)` has it stopped, then to its end."""

    def stop(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        kill(patch, stop)
        run_pretraining(job)
    assert not Path(job.folder).exists()
    run_pretraining(job)


def same_training(job, other):
    assert steps_of(job) == steps_of(other)
    pd.testing.assert_frame_equal(curves_of(job), curves_of(other))
    weights = [(Path(one.folder) / "model.safetensors").read_bytes() for one in (job, other)]
    assert weights[0] == weights[1]


@pytest.mark.parametrize("steps_short", [1, 3])
def test_a_killed_training_ends_at_the_same_step(flat, monkeypatch, steps_short):
    job, plain, last = elsewhere(flat, f"killed-{steps_short}"), trainer.ProgressBar.on_step_end, steps_of(flat)

    def kill(patch, stop):
        def on_step_end(self, args, state, control, **kwargs):
            plain(self, args, state, control, **kwargs)
            if state.global_step == last - steps_short:
                stop()

        patch.setattr(trainer.ProgressBar, "on_step_end", on_step_end)

    interrupted(job, monkeypatch, kill)
    same_training(job, flat)


def test_a_training_killed_after_its_last_checkpoint_ends_at_the_same_step(flat, monkeypatch):
    job = elsewhere(flat, "killed-last")
    interrupted(job, monkeypatch, lambda patch, stop: patch.setattr(stage, "learning_curves", stop))
    same_training(job, flat)
