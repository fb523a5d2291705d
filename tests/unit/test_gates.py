"""Gates that are learnt: their distribution, the size they are held to, and which neurons they leave."""

import numpy as np
import pandas as pd
import pytest
import small_models
import torch
from scipy.io import wavfile
from task_inputs import make_data, make_job, prepared, read_audio

from property_neurons.corpus import audio
from property_neurons.errors import ModelError
from property_neurons.models.prepare import LocalFolder, prepare_model
from property_neurons.pruning.calibrate import calibrating
from property_neurons.pruning.criteria import Evidence, LearntGates
from property_neurons.pruning.gates import Learning, gate, gates_of_corpus, gates_of_task, learn, open_probability
from property_neurons.pruning.gates_table import read_gates
from property_neurons.pruning.masks import masked
from property_neurons.pruning.prune import Cut, prune_model
from property_neurons.stores import files
from property_neurons.tasks.examples import collate
from property_neurons.tasks.fine_tuned import load_fine_tuned
from property_neurons.tasks.train import train_task

QUICK = {"steps": 120, "batch_size": 2, "learning_rate": 0.1, "utterances": 2, "seed": 0}


def test_a_gate_is_open_as_often_as_it_says():
    generator = torch.Generator().manual_seed(0)
    uniform = torch.rand(200_000, generator=generator).clamp(1e-6, 1 - 1e-6)
    for log_alpha in (-2.0, 0.0, 1.5):
        gates = gate(torch.tensor(log_alpha), uniform)
        assert gates.min() >= 0
        assert gates.max() <= 1
        assert float((gates > 0).float().mean()) == pytest.approx(
            float(open_probability(torch.tensor(log_alpha))), abs=5e-3
        )


class Needed:
    """A loss that some neurons of two networks, of 12 and 8, keep small."""

    needed = ([0, 5, 7], [2, 3])

    def __len__(self):
        return 4

    def __call__(self, index, gates):
        return sum((1 - own[chosen]).square().sum() for own, chosen in zip(gates, self.needed, strict=True))


@pytest.mark.slow
def test_the_needed_neurons_are_left_and_no_more_than_the_size():
    found = learn([12, 8], [3, 2], Needed(), Learning(**QUICK), "cpu")
    for own, needed in zip(found, Needed.needed, strict=True):
        assert set(np.argsort(own)[-len(needed) :]) == set(needed)
    shares = [float(open_probability(torch.from_numpy(own)).mean()) for own in found]
    assert shares == pytest.approx([3 / 12, 2 / 8], abs=0.08)
    again = learn([12, 8], [3, 2], Needed(), Learning(**QUICK), "cpu")
    assert all(np.array_equal(*pair) for pair in zip(found, again, strict=True))


def test_gates_that_are_not_numbers_are_refused():
    class Broken(Needed):
        def __call__(self, index, gates):
            return gates[0].sum() * float("nan")

    with pytest.raises(ModelError, match="gates: expected finite ones"):
        learn([4], [2], Broken(), Learning(**QUICK | {"steps": 2}), "cpu")


def test_a_model_is_pruned_by_the_gates_of_its_own_states(tmp_path):
    source = small_models.save_model(small_models.small_model("MelHubertModel"), tmp_path / "source")
    model = tmp_path / "whole.manifest.json"
    prepare_model(tmp_path / "whole", model, LocalFolder(str(source)))
    wave = small_models.waveform(4000)
    wavfile.write(tmp_path / "u.wav", 16000, (wave * 32767).astype(np.int16))
    speech = pd.DataFrame({"utterance": ["u"], "audio": ["u.wav"], "n_samples": [len(wave)]})
    few = QUICK | {"steps": 3}
    table = gates_of_corpus(model, speech, tmp_path, name="demo", size=3, device="cpu", **few)
    files.write_table(tmp_path / "gates.parquet", table)
    table = files.read_table(tmp_path / "gates.parquet")
    assert table.attrs["speech"] == "demo"
    assert table.attrs["utterances"] == 1
    prune_model(
        tmp_path / "cut", tmp_path / "cut.manifest.json", model, Cut("l0", rows=3), neurons={}, calibration=table
    )
    kept = files.read_json(tmp_path / "cut/pruning.json")["kept"]
    scores = read_gates(table, [small_models.WIDTH] * 2)
    assert kept == [sorted(np.argsort(own, kind="stable")[-3:].tolist()) for own in scores]
    with pytest.raises(ModelError, match="gates: expected those of networks of"):
        read_gates(table, [3, 3])
    with pytest.raises(ModelError, match="pruning by l0: expected learnt gates"):
        LearntGates().scores(Evidence(None))


@pytest.mark.slow
def test_gates_of_a_task_leave_neurons_with_which_its_loss_is_lower_than_with_random_ones(tmp_path, monkeypatch):
    monkeypatch.setattr(audio, "read_audio", read_audio)
    data, model = make_data(tmp_path), prepared(tmp_path)
    job = make_job(
        tmp_path,
        data,
        model,
        "speaker_identification",
        mode="fine_tuned",
        settings={"steps": 40, "test_seconds": 0.2, "test_clips": 2},
    )
    train_task(job)
    tuned, training = tmp_path / "tuned.manifest.json", f"{job.folder}.manifest.json"
    prepare_model(tmp_path / "tuned", tuned, LocalFolder(f"{job.folder}/encoder"))
    size = 4
    how = QUICK | {"steps": 60, "batch_size": 4, "utterances": 12}
    table = gates_of_task(training, tuned, job.roots, size=size, device="cpu", **how)
    assert table.attrs["speech"] == "training part of speaker_identification"
    assert table.attrs["utterances"] == 12

    trained = load_fine_tuned(training, model=tuned)
    # The task is scored by clips; gates, like all that is calibrated, take one piece of each utterance.
    examples = calibrating(trained, job.roots)
    assert sorted(examples[index]["index"] for index in range(len(examples))) == list(range(12))
    assert len(trained.examples("train", job.roots)) > 12
    batch = collate([examples[index] for index in range(len(examples))])

    def loss_with(scores):
        masks = [torch.from_numpy(own >= np.sort(own)[-size]).float() for own in scores]
        with torch.no_grad(), masked(trained.encoder.model, masks):
            return float(trained.model(**batch)["loss"])

    widths = [small_models.WIDTH] * 2
    rng = np.random.default_rng(0)
    random = [loss_with([rng.random(width) for width in widths]) for _ in range(40)]
    assert loss_with(read_gates(table, widths)) < min(random)
