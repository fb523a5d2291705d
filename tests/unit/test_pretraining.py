import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from damage import DAMAGES, removed
from gpu import on_gpu
from pretraining_inputs import ARCHITECTURE, CLUSTERS, curves_of, small_job

from property_neurons.errors import ModelError, StoreError
from property_neurons.jobs import locks
from property_neurons.models.backend import transformers
from property_neurons.models.loading import load_encoder
from property_neurons.models.melhubert import MelHubertForPreTraining
from property_neurons.pretraining import stage
from property_neurons.pretraining.crops import Crops, Masking, collate, hold_out, join_shards
from property_neurons.pretraining.log_mel_store import open_log_mel, read_statistics
from property_neurons.pretraining.represent import load_represent
from property_neurons.pretraining.stage import run_pretraining, unigram_baseline
from property_neurons.pretraining.target_store import open_targets
from property_neurons.stores import files, manifests
from property_neurons.training import trainer
from property_neurons.training.checkpoints import resume_point

STILL = ARCHITECTURE | {"hidden_dropout": 0.0, "activation_dropout": 0.0, "attention_dropout": 0.0}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    job = small_job(tmp_path_factory.mktemp("finished"))
    run_pretraining(job)
    return job


def weights(folder):
    return (Path(folder) / "model.safetensors").read_bytes()


def validation_crops(job):
    shards = [(open_log_mel(job.log_mel[0]), None, open_targets(manifests.store_path(job.targets[0])))]
    train, validation = hold_out(join_shards(shards, 20), job.validation_share)
    settings = {"crop_ms": 1000, "frame_ms": 20, "masking": Masking(), "coded_share": 0.0, "seed": 0}
    return train, Crops(validation, read_statistics(job.statistics), n_crops=len(validation), **settings)


def test_what_a_job_leaves(finished):
    folder = Path(finished.folder)
    manifests.verify_files(folder, f"{folder}.manifest.json")
    assert not Path(finished.work).exists()
    table = curves_of(finished)
    train, validation = (table[table["split"] == split] for split in ("train", "validation"))
    assert train["step"].tolist() == [2, 4, 6, 8, 10, 12]
    assert validation["step"].tolist() == [4, 8, 12]
    assert np.isfinite(table[["loss", "masked_accuracy"]]).all(axis=None)
    metrics = files.read_json(folder / "metrics.json")
    assert metrics["chance"] == 1 / CLUSTERS
    assert metrics["loss"] == pytest.approx(validation["loss"].iloc[-1])
    assert metrics["train"]["speakers"] + metrics["validation"]["speakers"] == 4
    encoder = load_encoder(folder)
    assert [site.width for site in encoder.sites] == [24, 24]


@pytest.mark.slow
def test_it_learns(tmp_path):
    job = small_job(tmp_path, steps=120, learning_rate=5e-3, evaluate_every=60, save_every=60, log_every=20)
    run_pretraining(job)
    metrics = files.read_json(Path(job.folder) / "metrics.json")
    assert metrics["loss"] < metrics["unigram_loss"] - 0.1
    assert metrics["masked_accuracy"] > metrics["unigram_accuracy"] + 0.05


def plain_validation(job):
    """Loss and accuracy of a finished job's model on its masked validation frames, by a plain loop on the CPU."""
    crops = validation_crops(job)[1]
    model = MelHubertForPreTraining.from_pretrained(job.folder).eval()
    total, right, count = 0.0, 0, 0
    with torch.inference_mode():
        for index in range(len(crops)):
            logits = model(**{key: value for key, value in collate([crops[index]]).items() if key != "labels"}).logits
            for frame, label in enumerate(crops[index]["labels"]):
                if label != -100:
                    total -= float(torch.log_softmax(logits[0, frame], 0)[label])
                    right += int(logits[0, frame].argmax()) == label
                    count += 1
    return total / count, right / count


def test_validation_is_the_average_over_its_masked_frames(finished):
    train, crops = validation_crops(finished)
    loss, accuracy = plain_validation(finished)
    metrics = files.read_json(Path(finished.folder) / "metrics.json")
    assert metrics["loss"] == pytest.approx(loss, rel=1e-5)
    assert metrics["masked_accuracy"] == pytest.approx(accuracy)
    labels = np.concatenate([utterance.targets for utterance in train])
    most_frequent = np.bincount(labels).argmax()
    held = np.concatenate([item["labels"] for item in (crops[index] for index in range(len(crops)))])
    baseline = unigram_baseline(train, crops, CLUSTERS)
    assert baseline["unigram_accuracy"] == pytest.approx((held[held >= 0] == most_frequent).mean())


def test_the_loss_counts_masked_frames_only(finished):
    _, crops = validation_crops(finished)
    batch = collate([crops[0], crops[1]])
    model = MelHubertForPreTraining.from_pretrained(finished.folder).eval()
    with torch.inference_mode():
        loss = model(**batch).loss
        logits = model(**{key: value for key, value in batch.items() if key != "labels"}).logits
    plain = torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch["labels"].flatten(), ignore_index=-100)
    assert float(loss) == pytest.approx(float(plain), rel=1e-5)


def test_masked_input_is_not_seen(finished):
    _, crops = validation_crops(finished)
    batch = collate([crops[0]])
    model = MelHubertForPreTraining.from_pretrained(finished.folder).eval()
    altered = batch | {"input_features": batch["input_features"].clone()}
    altered["input_features"][batch["mask_time_indices"]] = 17.0
    with torch.inference_mode():
        assert torch.equal(model(**batch).logits, model(**altered).logits)


@pytest.mark.parametrize("killed_at", [3, 9])
def test_a_killed_job_goes_on_as_if_nothing_had_been(tmp_path, monkeypatch, killed_at):
    undisturbed = small_job(tmp_path)
    run_pretraining(undisturbed)
    job = replace(undisturbed, folder=str(tmp_path / "killed"), work=str(tmp_path / "killed-work"))
    plain = trainer.ProgressBar.on_step_end

    def killing(self, args, state, control, **kwargs):
        plain(self, args, state, control, **kwargs)
        if state.global_step == killed_at:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(trainer.ProgressBar, "on_step_end", killing)
        run_pretraining(job)
    assert not Path(job.folder).exists()
    steps = []
    monkeypatch.setattr(
        trainer.ProgressBar,
        "on_step_end",
        lambda self, args, state, control, **kwargs: steps.append(state.global_step),
    )
    run_pretraining(job)
    assert steps[0] == killed_at // 4 * 4 + 1
    pd.testing.assert_frame_equal(curves_of(job), curves_of(undisturbed))
    assert weights(job.folder) == weights(undisturbed.folder)


def test_a_resumed_training_saves_as_often_as_is_asked_now(tmp_path, monkeypatch):
    job = small_job(tmp_path)
    saved, plain = [], trainer.ProgressBar.on_step_end

    def killing(self, args, state, control, **kwargs):
        if state.global_step == 5:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(trainer.ProgressBar, "on_step_end", killing)
        run_pretraining(job)
    assert plain is trainer.ProgressBar.on_step_end
    marked = trainer.MarkComplete.on_save
    monkeypatch.setattr(
        trainer.MarkComplete,
        "on_save",
        lambda self, args, state, control, **kwargs: (
            saved.append(state.global_step),
            marked(self, args, state, control, **kwargs),
        )[1],
    )
    run_pretraining(replace(job, training=job.training | {"save_every": 2}))
    assert saved == [6, 8, 10, 12]


def write_checkpoint(folder: Path, identity: str) -> None:
    folder.mkdir(parents=True)
    (folder / "optimizer.pt").write_bytes(bytes(range(100)))
    manifests.write_manifest(folder / "complete.json", {"training": identity, **manifests.describe_files(folder)})


def test_torsos_are_removed_and_checkpoints_of_other_trainings_set_aside(tmp_path, caplog):
    work = tmp_path / ".run.work"
    for step, identity in ((4, "this"), (8, "this"), (12, "other")):
        write_checkpoint(work / f"checkpoint-{step}", identity)
    (work / "checkpoint-16").mkdir()
    (work / "checkpoint-20").mkdir()
    (work / "checkpoint-20" / "complete.json").write_text('{"trai')
    assert resume_point(work, "this") == work / "checkpoint-8"
    assert sorted(path.name for path in work.iterdir()) == ["checkpoint-4", "checkpoint-8"]
    others = {path.name.rsplit("-", 2)[0]: path for path in (tmp_path / ".old/run.work").iterdir()}
    assert sorted(others) == ["checkpoint-12", "checkpoint-20"]
    assert f"{work}/checkpoint-12: of a training with other settings" in caplog.text
    assert f"moved to {others['checkpoint-12']}. To go on from it, undo that change" in caplog.text
    assert resume_point(tmp_path / "nowhere", "this") is None
    # Put back, it is gone on from.
    work.rename(tmp_path / "finished")
    others["checkpoint-12"].rename(work.parent / others["checkpoint-12"].name)
    assert resume_point(tmp_path, "other") == tmp_path / "checkpoint-12"


def test_folders_that_are_no_checkpoints_by_their_names_are_left_alone(tmp_path, caplog):
    write_checkpoint(tmp_path / "checkpoint-4", "this")
    write_checkpoint(tmp_path / "checkpoint-4-20261128-132605", "this")
    write_checkpoint(tmp_path / "checkpoint-8-backup", "this")
    assert resume_point(tmp_path, "this") == tmp_path / "checkpoint-4"
    assert len(list(tmp_path.iterdir())) == 3
    assert "checkpoint-8-backup: expected the name of a checkpoint" in caplog.text


def test_the_work_of_another_training_is_set_aside_with_all_that_belongs_to_it(tmp_path, caplog):
    work = tmp_path / ".seed0.work"
    write_checkpoint(work / "checkpoint-8", "other")
    (work / "best.safetensors").write_bytes(b"best")
    assert resume_point(work, "this") is None
    (aside,) = (tmp_path / ".old").iterdir()
    assert str(aside) in caplog.text
    assert (aside / "best.safetensors").read_bytes() == b"best"
    aside.rename(work)
    assert resume_point(work, "other") == work / "checkpoint-8"


@pytest.mark.parametrize("file", ["optimizer.pt", "complete.json"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_taken(tmp_path, file, damage, caplog):
    write_checkpoint(tmp_path / "checkpoint-4", "this")
    write_checkpoint(tmp_path / "checkpoint-8", "this")
    damage(tmp_path / "checkpoint-8" / file)
    assert resume_point(tmp_path, "this") == tmp_path / "checkpoint-4"
    assert not (tmp_path / "checkpoint-8").exists()
    kept = list(tmp_path.parent.glob(f".old/{tmp_path.name}/checkpoint-8-*"))
    assert len(kept) == ((file, damage) != ("complete.json", removed))
    if (file, damage) != ("complete.json", removed):
        # Without its marker it is one that was never finished, which is nothing to worry about.
        assert file in caplog.text
        assert "the checkpoint before" in caplog.text


def test_one_stage_is_trained_by_one_process_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "_PATIENCE", 0.0)
    job = small_job(tmp_path)
    with (
        locks.sole_process(job.work),
        pytest.raises(StoreError, match=f"expected no other process.*process {os.getpid()}"),
    ):
        run_pretraining(job)
    assert not Path(job.folder).exists()


def test_a_training_is_known_by_its_settings_inputs_and_code(tmp_path):
    job = small_job(tmp_path)
    same = replace(job, folder="elsewhere", work="elsewhere", tensorboard="elsewhere")
    assert same.identity() == job.identity()
    busier = replace(job, training=job.training | {"workers": 2, "save_every": 2}, device="cuda")
    assert busier.identity() == job.identity()
    others = [
        replace(job, code="new"),
        replace(job, training=job.training | {"seed": 1}),
        replace(job, validation_share=0.3),
    ]
    statistics = files.read_json(job.statistics)
    before = job.identity()
    assert all(other.identity() != before for other in others)
    files.write_json(tmp_path / "log_mel.json", statistics | {"mean": [0.0] * 40})
    assert job.identity() != before


@pytest.mark.slow
def test_accumulated_batches_make_the_same_steps(tmp_path):
    whole = replace(small_job(tmp_path), architecture=STILL)
    parts = replace(
        small_job(tmp_path, accumulation=4),
        architecture=STILL,
        folder=str(tmp_path / "parts"),
        work=str(tmp_path / "parts-work"),
    )
    run_pretraining(whole)
    run_pretraining(parts)
    pd.testing.assert_frame_equal(curves_of(whole), curves_of(parts), rtol=1e-4)


def test_a_training_that_diverges_is_not_kept(tmp_path):
    job = small_job(tmp_path, learning_rate=1e38)
    with pytest.raises(ModelError, match=r"validation after \d+ steps: expected a finite loss, found .*has diverged"):
        run_pretraining(job)
    assert not Path(job.folder).exists()


@pytest.mark.slow
def test_several_processes_make_the_same_steps(tmp_path):
    whole = replace(small_job(tmp_path), architecture=STILL)
    shared = replace(whole, folder=str(tmp_path / "shared"), work=str(tmp_path / "shared-work"))
    run_pretraining(whole)
    run_pretraining(shared, processes=2)
    pd.testing.assert_frame_equal(curves_of(whole), curves_of(shared), rtol=1e-3)


@pytest.mark.slow
def test_several_processes_leave_out_the_same_layers(tmp_path):
    whole = replace(small_job(tmp_path), architecture=STILL | {"layerdrop": 0.5})
    shared = replace(whole, folder=str(tmp_path / "shared"), work=str(tmp_path / "shared-work"))
    run_pretraining(whole)
    run_pretraining(shared, processes=2)
    pd.testing.assert_frame_equal(curves_of(whole), curves_of(shared), rtol=1e-3)


def test_each_log_mel_file_is_checked_by_one_process(tmp_path, monkeypatch):
    job = small_job(tmp_path)
    several = replace(job, log_mel=job.log_mel * 5, targets=job.targets * 5)
    checked = []
    monkeypatch.setattr(manifests, "verify_files", lambda folder, manifest: checked.append(manifest))
    shards = [stage._open_shards(several, rank, world=3) for rank in range(3)]
    assert len(checked) == 5
    assert [len(own) for own in shards] == [5, 5, 5]
    monkeypatch.undo()
    (Path(job.log_mel[0]).with_suffix("").with_suffix("") / "frames.npy").write_bytes(b"damaged")
    with pytest.raises(StoreError, match=r"frames\.npy"):
        stage._open_shards(several, rank=2, world=3)


@pytest.mark.slow
@pytest.mark.parametrize(("processes", "worse"), [(1, 1e-9), (2, None)])
def test_a_learning_rate_is_chosen_on_validation_and_the_rest_is_that_training_alone(tmp_path, processes, worse):
    # Each rate starts its processes anew, so that several of them choose between no more than two.
    job = small_job(tmp_path, learning_rate=[1e38, 1e-3] if worse is None else [1e38, worse, 1e-3])
    run_pretraining(job, processes=processes)
    metrics = files.read_json(Path(job.folder) / "metrics.json")
    losses = metrics.pop("learning_rates")
    assert losses.pop("1e+38") is None
    assert losses.pop("0.001") == metrics["loss"]
    assert all(metrics["loss"] < loss for loss in losses.values())
    assert list(losses) == ([] if worse is None else ["1e-09"])
    assert metrics["learning_rate"] == 1e-3
    assert not Path(job.work).exists()
    alone = small_job(tmp_path, learning_rate=1e-3)
    alone = replace(alone, folder=str(tmp_path / "alone"), work=str(tmp_path / "alone-work"))
    run_pretraining(alone, processes=processes)
    assert weights(alone.folder) == weights(job.folder)
    assert files.read_json(Path(alone.folder) / "metrics.json") == metrics
    manifests.verify_files(job.folder, f"{job.folder}.manifest.json")


@pytest.mark.slow
def test_a_job_that_was_killed_between_two_learning_rates_goes_on_there(tmp_path, monkeypatch):
    job = small_job(tmp_path, learning_rate=[1e-3, 1e-4])
    trained, train = [], stage._train

    def killed(one):
        trained.append(one.training["learning_rate"])
        if trained == [1e-3, 1e-4]:
            raise KeyboardInterrupt
        train(one)

    monkeypatch.setattr(stage, "_train", killed)
    with pytest.raises(KeyboardInterrupt):
        run_pretraining(job)
    run_pretraining(job)
    assert trained == [1e-3, 1e-4, 1e-4]
    assert len(files.read_json(Path(job.folder) / "metrics.json")["learning_rates"]) == 2


@pytest.mark.slow
def test_a_finished_trial_of_other_settings_is_set_aside(tmp_path, monkeypatch, caplog):
    """A killed job is started again with fewer steps: the trial that had ended is none of its own."""
    job = small_job(tmp_path, learning_rate=[1e-3, 1e-9])
    trained, train = [], stage._train

    def killed(one):
        trained.append((one.training["learning_rate"], one.training["steps"]))
        if len(trained) in (2, 4):
            raise KeyboardInterrupt
        train(one)

    monkeypatch.setattr(stage, "_train", killed)
    fewer = replace(job, training=job.training | {"steps": 4})
    for one in (job, fewer):
        with pytest.raises(KeyboardInterrupt):
            run_pretraining(one)
    # Back to the first settings: the loss is known, but what lies there is the trial of the others.
    run_pretraining(job)
    steps = job.training["steps"]
    assert trained == [(1e-3, steps), (1e-9, steps), (1e-3, 4), (1e-9, 4), (1e-9, steps), (1e-3, steps)]
    assert files.read_json(Path(job.folder) / "metrics.json")["steps"] == steps
    assert manifests.read_manifest(f"{job.folder}.manifest.json")["job"]["training"]["steps"] == steps
    assert "of another training; moved to" in caplog.text


@pytest.mark.slow
def test_a_failed_process_is_told(tmp_path):
    job = replace(small_job(tmp_path), statistics=str(tmp_path / "nothing.json"))
    with pytest.raises(ModelError, match="training processes failed"):
        run_pretraining(job, processes=2)


def test_bf16_is_fp32_on_a_cpu_and_says_so(tmp_path, finished, caplog):
    """There PyTorch's convolutions in bf16 are wrong for some shapes."""
    job = small_job(tmp_path, precision="bf16")
    run_pretraining(job)
    assert "precision: bf16 is for GPUs; on this CPU it is trained in fp32" in caplog.text
    assert weights(job.folder) == weights(finished.folder)


@on_gpu
def test_bf16_learns_about_the_same(tmp_path):
    jobs = [
        replace(small_job(tmp_path / precision, precision=precision), device="cuda", architecture=STILL)
        for precision in ("fp32", "bf16")
    ]
    for job in jobs:
        run_pretraining(job)
    losses = [curves_of(job).query("split == 'validation'")["loss"].to_numpy() for job in jobs]
    np.testing.assert_allclose(*losses, rtol=0.02)
    assert MelHubertForPreTraining.from_pretrained(jobs[1].folder).dtype == torch.float32
    # Validated in float32, without autocast: as a CPU validates the weights that came out.
    for job in jobs:
        validated = files.read_json(Path(job.folder) / "metrics.json")["loss"]
        assert validated == pytest.approx(plain_validation(job)[0], rel=1e-4)


def test_batches_that_cannot_be_divided(tmp_path):
    with pytest.raises(ModelError, match="batch_size 4 does not divide by accumulation 3 x 1 processes"):
        run_pretraining(small_job(tmp_path, accumulation=3))


def test_stage_2_clusters_a_layer_and_may_start_from_stage_1(tmp_path, finished):
    represent = load_represent(finished.statistics, f"{finished.folder}.manifest.json", layer=1)
    shard = open_log_mel(finished.log_mel[0])
    states = represent(shard.frames[: shard.offset[1]])
    assert states.shape == (-(-int(shard.offset[1]) // 2), 16)
    job = replace(
        finished, initial=finished.folder, training=finished.training | {"steps": 1, "learning_rate": 1e-9}, work="w"
    )
    job = replace(job, folder=str(tmp_path / "next"), work=str(tmp_path / "next-work"))
    run_pretraining(job)
    model, old = (MelHubertForPreTraining.from_pretrained(one.folder) for one in (job, finished))
    assert model.final_proj.weight.shape == old.final_proj.weight.shape
    assert (model.final_proj.weight - old.final_proj.weight).abs().max() > 1e-3
    before, after = (transformers.AutoModel.from_pretrained(one.folder).state_dict() for one in (finished, job))
    for name, value in before.items():
        torch.testing.assert_close(after[name], value, atol=1e-6, rtol=0)


def test_tensorboard_gets_the_curves(tmp_path):
    job = replace(small_job(tmp_path), tensorboard=str(tmp_path / "tb"))
    run_pretraining(job)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "tb"))
    events.Reload()
    points = [(event.step, event.value) for event in events.Scalars("eval/masked_accuracy")]
    assert [step for step, _ in points][:3] == [4, 8, 12]
