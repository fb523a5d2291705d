"""One training, whole: what is in its folder, what it learns, and what a killed one leaves."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from damage import DAMAGES
from safetensors.torch import load_file
from task_inputs import SPEAKERS, make_data, make_job, phones_of, prepared, read_audio, utterances

from property_neurons.corpus import audio
from property_neurons.corpus.recordings import Recording
from property_neurons.errors import StoreError, TaskError
from property_neurons.jobs import locks
from property_neurons.models.loading import load_encoder
from property_neurons.stores import manifests
from property_neurons.stores.files import read_json, read_table
from property_neurons.tasks import train
from property_neurons.tasks.job import TaskJob
from property_neurons.tasks.metrics import score_training
from property_neurons.tasks.stored_states import write_states
from property_neurons.tasks.table import KINDS, read_task_data
from property_neurons.tasks.train import train_task
from property_neurons.training.checkpoints import MarkComplete
from property_neurons.training.trainer import training_arguments

SPEECH = read_audio
METRICS = {
    "phone_recognition": "phone_error_rate",
    "speaker_identification": "speaker_error_rate",
    "f0_reconstruction": "lnf0_mse",
}


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> dict[str, str]:
    return make_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    return prepared(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def stored(tmp_path_factory, model) -> dict[str, str]:
    """The model's stored states of all utterances."""
    folder = tmp_path_factory.mktemp("states") / "tones"
    recordings = [Recording(row.utterance, Path(row.audio), row.n_samples) for row in utterances().itertuples()]
    write_states(folder, load_encoder(Path(model).with_name("tiny")), recordings)
    return {"tones": f"{folder}.manifest.json"}


@pytest.fixture
def job(tmp_path, data, model):
    """A function that gives a job of a kind with some fields changed."""
    return lambda kind="speaker_identification", name="run", **changes: make_job(
        tmp_path, data, model, kind, name, **changes
    )


@pytest.fixture(
    scope="module",
    params=[
        *((kind, "frozen", "all") for kind in KINDS),
        ("speaker_identification", "frozen", "last"),
        ("phone_recognition", "fine_tuned", "all"),
        ("f0_reconstruction", "fine_tuned", "all"),
    ],
    ids=" ".join,
)
def finished(request, tmp_path_factory, data, model) -> TaskJob:
    """A finished training of each kind."""
    kind, mode, layers = request.param
    done = make_job(tmp_path_factory.mktemp("finished"), data, model, kind, mode=mode, settings={"layers": layers})
    train_task(done)
    return done


def result(job: TaskJob, name: str):
    read = read_json if name.endswith("json") else read_table
    return read(Path(job.folder) / name)


def score(job: TaskJob):
    """The metrics of a finished job."""
    return score_training(f"{job.folder}.manifest.json", job.data)


def files_of(job: TaskJob):
    """Size and digest of every file that a job left."""
    return read_json(f"{job.folder}.manifest.json")["files"]


def changed_weights(encoder_folder: Path, model: str):
    """Names of the weights that differ from the prepared model's."""
    tuned = load_encoder(encoder_folder).model.state_dict()
    before = load_encoder(Path(model).with_name("tiny")).model.state_dict()
    assert tuned.keys() == before.keys()
    return [name for name, value in tuned.items() if not torch.equal(value, before[name])]


def run_and_kill(monkeypatch, job: TaskJob, event: str, step: int) -> None:
    plain = getattr(MarkComplete, event)

    def kill(self, args, state, control, **kwargs):
        plain(self, args, state, control, **kwargs)
        if state.global_step == step:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(MarkComplete, event, kill)
        train_task(job)


def steps_taken(monkeypatch, job: TaskJob) -> list[int]:
    """Run a job and say which checkpoints it wrote."""
    plain, seen = MarkComplete.on_save, []

    def note(self, args, state, control, **kwargs):
        plain(self, args, state, control, **kwargs)
        seen.append(state.global_step)

    with monkeypatch.context() as patch:
        patch.setattr(MarkComplete, "on_save", note)
        train_task(job)
    return seen


def test_the_folder_holds_what_it_promises_and_the_work_is_gone(finished):
    tuned = finished.mode == "fine_tuned"
    expected = {"training.json", "scores.tsv", "curves.tsv", "head.safetensors"} | ({"encoder"} if tuned else set())
    assert {path.name for path in Path(finished.folder).iterdir()} == expected
    assert not Path(finished.work).exists()
    manifest = read_json(f"{finished.folder}.manifest.json")
    assert manifest["job"]["settings"] == finished.settings
    assert any(name.startswith("encoder/") for name in manifest["files"]) == tuned


def test_the_metrics_are_those_of_the_scores(finished, data):
    metrics, scores = score(finished), result(finished, "scores.tsv")
    test = read_task_data(finished.data).part("test")
    assert scores["utterance"].astype(str).tolist() == sorted(test["utterance"])
    assert scores["speaker"].astype(str).tolist() == test.sort_values("utterance")["speaker"].tolist()
    assert metrics["metric"] == METRICS[finished.task]
    assert metrics["kind"] == finished.task
    assert metrics["value"] == pytest.approx(sum(scores["error"]) / sum(scores["weight"]), rel=1e-9)
    assert metrics["interval"][0] <= metrics["value"] <= metrics["interval"][1]
    assert metrics["utterances"] == len(test)
    weights = {
        "speaker_identification": [1] * len(test),
        "phone_recognition": [len(phones_of(name)) for name in sorted(test["utterance"])],
        "f0_reconstruction": [
            sum(frames for phone, frames in phones_of(name)[:-1] if phone != "S")
            # The model gives one frame less than there are labels.
            + (phones_of(name)[-1][1] - 1) * (phones_of(name)[-1][0] != "S")
            for name in sorted(test["utterance"])
        ],
    }
    assert scores["weight"].tolist() == weights[finished.task]


def test_the_best_step_is_the_one_with_the_least_dev_value(finished):
    curves = result(finished, "curves.tsv")
    dev, train = (curves[curves["split"] == split].set_index("step") for split in ("dev", "train"))
    assert list(dev.index) == [4, 8, 12]
    assert list(train.index) == [2, 4, 6, 8, 10, 12]
    assert np.isfinite(train[["value", "learning_rate", "grad_norm"]]).all(axis=None)
    best = score(finished)["dev"]
    assert best["step"] == dev["value"].idxmin()
    assert best["value"] == pytest.approx(dev["value"].min(), rel=1e-9)


def test_the_head_that_is_left_is_the_best_one_and_gives_the_scores(finished):
    """Scored again by plain torch, one utterance at a time."""
    weights = load_file(Path(finished.folder) / "head.safetensors")
    tuned = finished.mode == "fine_tuned"
    encoder = load_encoder(Path(finished.folder) / "encoder" if tuned else Path(finished.model).with_name("tiny"))
    table = read_task_data(finished.data).part("test").set_index("utterance")
    for row in result(finished, "scores.tsv").itertuples():
        name = str(row.utterance)
        features = next(encoder.front_end.windows(read_audio(Path(f"{name}.wav")))).values
        with torch.inference_mode():
            states = torch.stack(encoder.model(features, output_hidden_states=True).hidden_states)[:, 0]
        hidden = states[-1]
        assert ("weights" in weights) == (not tuned and finished.settings["layers"] == "all")
        if "weights" in weights:
            hidden = sum(share * state for share, state in zip(weights["weights"].softmax(0), states, strict=True))
        if "projector.weight" in weights:
            hidden = hidden @ weights["projector.weight"].T + weights["projector.bias"]
        if finished.task == "speaker_identification":
            hidden = hidden.mean(0)
        outputs = (hidden @ weights["output.weight"].T + weights["output.bias"]).numpy()
        expected = plain_error(finished.task, outputs, list(table.loc[name, "reference"]))
        assert row.error == pytest.approx(expected, rel=1e-3)


def test_clips_are_scored_one_by_one_and_all_of_an_utterance_together(job):
    clipped = job("speaker_identification", mode="fine_tuned", settings={"test_seconds": 0.14, "test_clips": 3})
    train_task(clipped)
    weights, scores = load_file(Path(clipped.folder) / "head.safetensors"), result(clipped, "scores.tsv")
    encoder = load_encoder(Path(clipped.folder) / "encoder")
    table = read_task_data(clipped.data).part("test").set_index("utterance")
    assert set(scores["weight"]) == {1, 2, 3}
    for row in scores.itertuples():
        name = str(row.utterance)
        waveform, likelihoods = read_audio(Path(f"{name}.wav")), []
        frames = encoder.n_frames(len(waveform))
        number = min(3, frames // 7)
        for part in range(number):
            first = int(((part + 0.5) * frames / number) - 3.5 + 1e-9)
            piece = waveform[320 * first : 320 * (first + 8)]
            with torch.inference_mode():
                hidden = encoder.model(next(encoder.front_end.windows(piece)).values).last_hidden_state[0, :7].mean(0)
            hidden = hidden @ weights["projector.weight"].T + weights["projector.bias"]
            likelihoods.append((hidden @ weights["output.weight"].T + weights["output.bias"]).log_softmax(0))
        right = table.loc[name, "reference"][0]
        assert (row.weight, row.error) == (number, sum(int(one.argmax() != right) for one in likelihoods))
        assert row.utterance_error == (sum(likelihoods).argmax() != right)
    assert score(clipped)["extra"]["utterance_error_rate"] == scores["utterance_error"].mean()


def plain_error(kind, outputs, reference):
    if kind == "speaker_identification":
        return int(outputs.argmax() != reference[0])
    if kind == "f0_reconstruction":
        pairs = zip(outputs[:, 0].tolist(), reference, strict=False)
        return sum((found - target) ** 2 for found, target in pairs if not math.isnan(target))
    best = outputs.argmax(1).tolist()
    units = [one - 1 for place, one in enumerate(best) if one and (place == 0 or best[place - 1] != one)]
    distance = list(range(len(units) + 1))
    for row, wanted in enumerate(reference, start=1):
        before, distance[0] = distance[0], row
        for column, unit in enumerate(units, start=1):
            before, distance[column] = (
                distance[column],
                min(distance[column] + 1, distance[column - 1] + 1, before + (wanted != unit)),
            )
    return distance[-1]


def test_what_is_trained_is_counted(finished):
    heads = {
        "phone_recognition": 3 + (16 * 8 + 8) + (8 * 41 + 41),
        "speaker_identification": 3 + (16 * 8 + 8) + (8 * SPEAKERS + SPEAKERS),
        "f0_reconstruction": 3 + (16 + 1),
    }
    expected = heads[finished.task]
    if finished.settings["layers"] == "last":
        expected -= 3
    if finished.mode == "fine_tuned":
        encoder = load_encoder(Path(finished.model).with_name("tiny")).model
        expected += sum(parameter.numel() for parameter in encoder.parameters()) - 3
    assert score(finished)["trained_parameters"] == expected


def test_a_fine_tuned_model_is_saved_and_is_another_one(finished, model):
    if finished.mode == "frozen":
        return
    changed = changed_weights(Path(finished.folder) / "encoder", model)
    assert "encoder.layers.0.feed_forward.intermediate_dense.weight" in changed
    assert "feature_projection.projection.weight" in changed


def test_f0_is_shown_beside_the_constant_and_r2(finished):
    extra = score(finished)["extra"]
    if finished.task != "f0_reconstruction":
        speakers = {"chance": 1 - 1 / SPEAKERS, "utterance_error_rate": score(finished)["value"]}
        assert extra == (speakers if finished.task == "speaker_identification" else {"units": 40})
        return
    data = read_task_data(finished.data)
    scores = result(finished, "scores.tsv").set_index("utterance")
    trained_on = np.concatenate(data.part("train")["reference"].tolist())
    mean = trained_on[~np.isnan(trained_on)].astype(float).mean()
    tested = []
    for row in data.part("test").itertuples():
        known = row.reference[: (row.n_samples - 80) // 320].astype(float)
        voiced = known[~np.isnan(known)].tolist()
        assert scores.loc[row.utterance, "target_sum"] == pytest.approx(sum(voiced), rel=1e-6)
        tested += voiced
    assert extra["constant_mse"] == pytest.approx(np.mean((np.array(tested) - mean) ** 2), rel=1e-5)
    assert extra["r2"] == pytest.approx(1 - sum(scores["error"]) / (np.var(tested) * len(tested)), rel=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_task_that_can_be_learned_is_learned(kind, job, stored):
    settings = {"steps": 240, "batch_size": 16, "learning_rate": 3e-2, "evaluate_every": 60, "save_every": 1000}
    done = job(kind, states=stored, settings=settings)
    train_task(done)
    metrics = score(done)
    chance = {
        # One unit that is sure to be right, of about three.
        "phone_recognition": 1 - 1 / 3,
        "speaker_identification": 1 - 1 / SPEAKERS,
        "f0_reconstruction": metrics["extra"].get("constant_mse"),
    }
    assert metrics["value"] < chance[kind] / 2


@pytest.mark.parametrize(
    ("kind", "mode", "settings", "event", "step", "saved_later"),
    [
        ("phone_recognition", "fine_tuned", {}, "on_save", 8, [12]),
        ("f0_reconstruction", "frozen", {"crop_seconds": 0.3, "save_every": 6}, "on_evaluate", 8, [12]),
        ("speaker_identification", "frozen", {"evaluate_every": 5}, "on_train_end", 12, []),
    ],
    ids=["after a checkpoint", "after a best state without a checkpoint", "after the last step"],
)
def test_a_killed_training_goes_on_to_the_same_bytes(kind, mode, settings, event, step, saved_later, job, monkeypatch):
    whole, killed = (job(kind, name, mode=mode, settings=settings) for name in ("whole", "killed"))
    train_task(whole)
    run_and_kill(monkeypatch, killed, event, step)
    assert not Path(killed.folder).exists()
    assert not Path(f"{killed.folder}.manifest.json").exists()
    assert (Path(killed.work) / "best.safetensors").exists()
    assert steps_taken(monkeypatch, killed) == saved_later
    assert files_of(killed) == files_of(whole)


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_best_state_is_named_and_the_training_begins_anew(job, monkeypatch, caplog, damage):
    whole, killed = job(name="whole"), job(name="killed")
    train_task(whole)
    run_and_kill(monkeypatch, killed, "on_save", 8)
    damage(Path(killed.work) / "best.safetensors")
    assert steps_taken(monkeypatch, killed) == [4, 8, 12]
    assert "best.safetensors" in caplog.text
    (aside,) = Path(killed.work).parent.glob(f".old/{Path(killed.work).name}-*")
    assert (aside / "checkpoint-8/complete.json").exists()
    assert files_of(killed) == files_of(whole)


@pytest.mark.slow
def test_a_learning_rate_is_chosen_on_dev_and_the_rest_is_that_training_alone(job, monkeypatch):
    kind, rates = "f0_reconstruction", [1e-6, 1e-2]
    several, *alone = (job(kind, f"run{n}", settings={"learning_rate": r}) for n, r in enumerate([rates, *rates]))
    for one in alone:
        train_task(one)
    run_and_kill(monkeypatch, several, "on_save", 12)
    # The first trial has only to be ended, the second is made whole.
    assert steps_taken(monkeypatch, several) == [4, 8, 12]
    tried = result(several, "training.json")["learning_rates"]
    assert tried == {
        str(rate): result(one, "training.json")["dev"]["value"] for rate, one in zip(rates, alone, strict=True)
    }
    best = alone[int(tried["0.01"] < tried["1e-06"])]
    assert result(several, "training.json")["settings"]["learning_rate"] == best.settings["learning_rate"]
    for name in ("head.safetensors", "scores.tsv", "curves.tsv"):
        assert files_of(several)[name] == files_of(best)[name]
    assert not Path(several.work).exists()
    assert score(several)["learning_rates"] == tried


def test_a_task_is_trained_by_one_process_at_a_time(job, monkeypatch):
    monkeypatch.setattr(locks, "_PATIENCE", 0.0)
    twice = job()
    with locks.sole_process(twice.work), pytest.raises(StoreError, match="expected no other process at work"):
        train_task(twice)


def test_the_last_step_is_scored_even_between_two_scorings(job):
    done = job(settings={"steps": 5, "evaluate_every": 3})
    train_task(done)
    curves = result(done, "curves.tsv")
    assert curves.loc[curves["split"] == "dev", "step"].tolist() == [3, 5]


@pytest.mark.slow
def test_a_changed_setting_takes_up_neither_checkpoint_nor_best_state_of_before(job, monkeypatch, caplog):
    before, changed = job(settings={"learning_rate": 1e-1}), job(settings={"learning_rate": 1e-9})
    run_and_kill(monkeypatch, before, "on_save", 8)
    assert (Path(before.work) / "best.safetensors").exists()
    assert steps_taken(monkeypatch, changed) == [4, 8, 12]
    assert "of a training with other settings, data or code" in caplog.text
    (aside,) = Path(before.work).parent.glob(f".old/{Path(before.work).name}-*")
    assert (aside / "checkpoint-8/complete.json").exists()
    assert (aside / "best.safetensors").exists()
    fresh = job(name="fresh", settings={"learning_rate": 1e-9})
    train_task(fresh)
    assert files_of(changed) == files_of(fresh)


def test_a_training_is_known_by_its_settings_inputs_and_code(job, data, tmp_path):
    one = job()
    before = one.identity()
    same = replace(one, folder="elsewhere", work="elsewhere", tensorboard="elsewhere", task="renamed", device="cuda")
    assert same.identity() == before
    assert job(settings={"workers": 2, "save_every": 3}).identity() == before
    others = [
        replace(one, code="new"),
        replace(one, mode="fine_tuned"),
        replace(one, data=data["phone_recognition"]),
        replace(one, states={"tones": "stored"}),
        *(job(settings=changed) for changed in ({"seed": 1}, {"projector": 9}, {"crop_seconds": 1.0})),
    ]
    assert len({before, *(other.identity() for other in others)}) == len(others) + 1
    heads = []
    for content in ("a", "b"):
        (tmp_path / "head").write_text(content)
        manifest = manifests.describe_files(tmp_path, [tmp_path / "head"])
        manifests.write_manifest(tmp_path / "first.manifest.json", manifest)
        heads.append(replace(one, initial=str(tmp_path / "first")).identity())
    assert len({before, *heads}) == 3


@pytest.mark.slow
def test_the_seed_decides(job, stored):
    runs = [job(name=f"run{place}", states=stored, settings={"seed": seed}) for place, seed in enumerate((0, 0, 1))]
    for run in runs:
        train_task(run)
    files = [files_of(run) for run in runs]
    assert files[0] == files[1]
    assert files[0]["head.safetensors"] != files[2]["head.safetensors"]
    assert files[0]["curves.tsv"] != files[2]["curves.tsv"]
    assert score(runs[2])["seed"] == 1


def test_stored_states_train_to_about_the_same(job, stored, monkeypatch):
    live, from_store = job("f0_reconstruction", "live"), job("f0_reconstruction", "stored", states=stored)
    train_task(live)
    monkeypatch.setattr(audio, "read_audio", lambda path: pytest.fail("the audio is not needed"))
    train_task(from_store)
    pd.testing.assert_frame_equal(result(live, "curves.tsv"), result(from_store, "curves.tsv"), rtol=1e-2)
    assert files_of(live)["head.safetensors"] != files_of(from_store)["head.safetensors"]


def test_a_head_is_taken_over_or_refused(job):
    first = job(name="first")
    train_task(first)
    still = {"steps": 1, "learning_rate": 1e-12, "evaluate_every": 1}
    on = job(name="on", initial=first.folder, settings=still)
    train_task(on)
    heads = [load_file(Path(run.folder) / "head.safetensors") for run in (first, on)]
    for name, value in heads[0].items():
        torch.testing.assert_close(heads[1][name], value, atol=1e-9, rtol=0)
    assert result(on, "scores.tsv").equals(result(first, "scores.tsv"))
    with pytest.raises(TaskError, match=r"speaker_identification on tiny, seed 0: expected a head of .*\[5, 16\]"):
        train_task(job(name="other", initial=first.folder, settings={"projector": 5}))
    with pytest.raises(TaskError, match="expected a head of"):
        train_task(job(name="tuned", mode="fine_tuned", initial=first.folder))
    assert not Path(job(name="other").folder).exists()
    head = Path(first.folder) / "head.safetensors"
    head.write_bytes(head.read_bytes()[:-1])
    with pytest.raises(StoreError, match=r"head\.safetensors should be"):
        train_task(on)


def test_a_training_that_starts_from_another_goes_on_in_its_order_and_may_keep_what_it_began_with(job, monkeypatch):
    drawn, piece = [], train.Examples.__getitem__

    def noted(examples, item):
        one = piece(examples, item)
        if examples.table["part"].iloc[0] == "train":
            drawn.append(one["index"])
        return one

    monkeypatch.setattr(train.Examples, "__getitem__", noted)
    whole = job(name="whole", settings={"steps": 15})
    train_task(whole)
    in_one, drawn = drawn, []
    first = job(name="first")
    train_task(first)
    far = {"steps": 3, "learning_rate": 50.0, "evaluate_every": 3, "save_every": 3, "log_every": 1}
    spoilt = job(name="spoilt", initial=first.folder, settings=far)
    train_task(spoilt)
    assert drawn == in_one
    curves = result(spoilt, "curves.tsv").query("split == 'dev'").set_index("step")["value"]
    assert curves.index.tolist() == [0, 3]
    assert curves[0] <= curves[3]
    assert read_json(Path(spoilt.folder) / "training.json")["dev"] == {"step": 0, "value": pytest.approx(curves[0])}
    assert result(spoilt, "scores.tsv").equals(result(first, "scores.tsv"))


def test_without_steps_the_test_part_is_scored_and_nothing_else(job, monkeypatch):
    first = job(name="first")
    train_task(first)
    scored, scores = [], train.TaskTrainer.scores
    monkeypatch.setattr(
        train.TaskTrainer, "scores", lambda self, examples: scored.append(examples) or scores(self, examples)
    )
    only = job(name="only", initial=first.folder, settings={"steps": 0})
    train_task(only)
    assert [set(examples.table["part"]) for examples in scored] == [{"test"}]
    assert result(only, "scores.tsv").equals(result(first, "scores.tsv"))
    assert read_json(Path(only.folder) / "training.json")["dev"] == {"step": 0, "value": None}
    assert result(only, "curves.tsv").empty
    assert files_of(only)["head.safetensors"] == files_of(first)["head.safetensors"]


@pytest.mark.parametrize("mode", ["fine_tuned", "frozen"])
def test_batch_norm_keeps_its_statistics_in_training(tmp_path, mode):
    """Utterances go through a model one by one: a Conformer's would be those of the last few."""
    data = make_data(tmp_path)
    model = prepared(tmp_path, "Wav2Vec2ConformerModel")
    task = make_job(tmp_path, data, model, "phone_recognition", mode=mode, settings={"steps": 2, "evaluate_every": 1})
    train_task(task)
    before = load_encoder(tmp_path / "tiny").model.state_dict()
    means = [name for name in before if "running_mean" in name]
    assert means
    if mode == "fine_tuned":
        after = load_encoder(Path(task.folder) / "encoder").model.state_dict()
        assert all(torch.equal(before[name], after[name]) for name in means)
        assert not torch.equal(*(state[means[0].replace("running_mean", "weight")] for state in (before, after)))


MASKED = {"apply_spec_augment": True, "mask_time_prob": 0.9, "mask_time_length": 2}


@pytest.mark.parametrize(
    ("class_name", "habits", "neurons"),
    [
        ("HubertModel", MASKED | {"layerdrop": 1.0}, "feed_forward.intermediate_dense"),
        ("WhisperEncoder", MASKED | {"encoder_layerdrop": 1.0}, "fc1"),
    ],
)
def test_habits_of_training_are_off_in_it_and_kept_in_the_saved_model(tmp_path, data, class_name, habits, neurons):
    """With every layer skipped and nearly everything masked, the blocks would get no gradient."""
    model = prepared(tmp_path, class_name, **habits)
    settings = {"steps": 2, "evaluate_every": 1, "crop_seconds": 0.2}
    done = make_job(tmp_path, data, model, "phone_recognition", mode="fine_tuned", settings=settings)
    train_task(done)
    changed = changed_weights(Path(done.folder) / "encoder", model)
    assert f"layers.0.{neurons}.weight" in {name.removeprefix("encoder.") for name in changed}
    assert "masked_spec_embed" not in changed
    config = load_encoder(Path(done.folder) / "encoder").model.config
    assert {name: getattr(config, name) for name in habits} == habits


def test_damaged_data_are_found(job, data):
    table = Path(data["speaker_identification"].replace(".manifest.json", ".parquet"))
    whole = table.read_bytes()
    table.write_bytes(whole[:-10])
    try:
        with pytest.raises(StoreError, match=r"speaker_identification\.parquet should be"):
            train_task(job())
    finally:
        table.write_bytes(whole)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["speaker_identification", "phone_recognition"])
def test_accumulated_batches_make_the_same_steps(job, kind):
    """The losses of the batches are averaged, so that clipping and the curve do not depend on what fits a GPU."""
    jobs = [job(kind, name, settings={"accumulation": parts}) for name, parts in (("whole", 1), ("parts", 4))]
    for one in jobs:
        train_task(one)
    pd.testing.assert_frame_equal(*(result(one, "curves.tsv") for one in jobs), rtol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_training_that_diverges_has_no_score(job, kind):
    with pytest.raises(
        TaskError, match=r"utterance \d-\d: expected finite outputs, found NaN .* lower its learning_rate"
    ):
        train_task(job(kind, settings={"learning_rate": 1e38}))


@pytest.mark.slow
def test_a_training_in_bf16_is_scored_in_fp32(job, monkeypatch):
    """As the edited models are that are held against it. One step that hardly learns: the same weights in both."""
    still = {"settings": {"steps": 1, "learning_rate": 1e-12, "evaluate_every": 1, "save_every": 1}}
    made = {}
    for precision in ("fp32", "bf16"):
        half = precision == "bf16"
        monkeypatch.setattr(
            train, "training_arguments", lambda *a, half=half: replace(training_arguments(*a), bf16=half)
        )
        made[precision] = job("f0_reconstruction", precision, mode="fine_tuned", **still)
        train_task(made[precision])
    tables = {name: read_table(Path(one.folder) / "scores.tsv") for name, one in made.items()}
    np.testing.assert_allclose(tables["bf16"]["error"], tables["fp32"]["error"], rtol=1e-6)
