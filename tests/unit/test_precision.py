"""What is read for a result is read in float32, whatever else in the process asks for."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from pretraining_inputs import small_job
from small_models import small_model, waveform
from task_inputs import make_data, make_job, prepared, read_audio
from transformers import Wav2Vec2FeatureExtractor

from property_neurons.corpus import audio
from property_neurons.editing.parts import error_table, own_errors
from property_neurons.models.features import RawWaveform
from property_neurons.models.loading import SpeechEncoder
from property_neurons.models.precision import full_precision
from property_neurons.pretraining.represent import load_represent
from property_neurons.pretraining.stage import run_pretraining
from property_neurons.pruning.calibrate import calibrate_on_corpus
from property_neurons.pruning.distillation import Distillation, DistillationJob, distil
from property_neurons.pruning.gates import gates_of_corpus
from property_neurons.stores import manifests
from property_neurons.stores.files import write_table
from property_neurons.tasks.fine_tuned import load_fine_tuned
from property_neurons.tasks.stored_states import frame_states
from property_neurons.tasks.train import train_task

LIBRARY = Path(__file__).parents[2] / "src/property_neurons"

BACKENDS = torch.backends
OPERATIONS = {
    f"{library}.{name}": getattr(getattr(BACKENDS, library), name)
    for library, names in {"cuda": ["matmul"], "cudnn": ["conv", "rnn"], "mkldnn": ["matmul", "conv", "rnn"]}.items()
    for name in names
}
# As a user's code does, as torch's older switches do, and as transformers' Trainer does for all that follows it.
ASK_FOR_LESS = {
    "matrices": "torch.set_float32_matmul_precision('medium')",
    "older switches": "torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True",
    "trainer": "torch.backends.fp32_precision = 'tf32'",
    "algorithms": "torch.backends.cudnn.benchmark = True",
    "autocast": "",
}


def precisions():
    return {name: operation.fp32_precision for name, operation in OPERATIONS.items()}


def encoder():
    model = small_model("HubertModel")
    return SpeechEncoder(model, RawWaveform(model.config, Wav2Vec2FeatureExtractor(do_normalize=False)))


def read():
    """Read neurons and states of an utterance; give the settings met in the model, and what was read."""
    encoder_, speech, met, neurons = encoder(), waveform(4000), [], []
    encoder_.model.encoder.layers[1].register_forward_hook(
        lambda *_: met.append((precisions(), BACKENDS.cudnn.deterministic, BACKENDS.cudnn.benchmark))
    )
    encoder_.read(speech, lambda _, rows: neurons.append(rows.clone()))
    states = frame_states(encoder_, len(speech), encoder_.windows(speech))
    return met, [states, *neurons]


@pytest.fixture
def settings_kept():
    before = precisions()
    generic, benchmark = BACKENDS.fp32_precision, BACKENDS.cudnn.benchmark
    for operation in OPERATIONS.values():
        # As in a new process: what a test before this one set by operation would stay.
        operation.fp32_precision = "none"
    yield
    torch.set_float32_matmul_precision("highest")
    BACKENDS.fp32_precision, BACKENDS.cudnn.benchmark = generic, benchmark
    for name, precision in before.items():
        OPERATIONS[name].fp32_precision = precision


@pytest.fixture(scope="module")
def expected():
    return read()[1]


@pytest.mark.parametrize("asked", ASK_FOR_LESS)
def test_neurons_and_states_are_read_in_full_precision(asked, expected, settings_kept):
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=asked == "autocast"):
        exec(ASK_FOR_LESS[asked])
        before = precisions()
        met, values = read()
        assert precisions() == before
    if asked in ("matrices", "older switches", "trainer"):
        assert before["cuda.matmul"] == "tf32"
    assert met == [(dict.fromkeys(OPERATIONS, "ieee"), True, False)] * 2
    for found, plain in zip(values, expected, strict=True):
        assert found.dtype == torch.float32
        np.testing.assert_array_equal(found, plain)


@pytest.mark.slow
def test_the_environment_does_not_turn_tf32_on_either():
    code = (
        "import sys; sys.path.insert(0, 'tests/unit')\n"
        "from test_precision import OPERATIONS, precisions, read\n"
        "assert precisions()['cuda.matmul'] == 'tf32'\n"
        "assert read()[0] == [(dict.fromkeys(OPERATIONS, 'ieee'), True, False)] * 2\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"TORCH_ALLOW_TF32_CUBLAS_OVERRIDE": "1"})


def test_an_error_in_the_block_leaves_the_settings_as_they_were():
    before = precisions()
    with pytest.raises(ZeroDivisionError), full_precision():
        1 / 0  # noqa: B018
    assert precisions() == before


def test_no_generator_is_decorated():
    """Its body would run when the block around it has ended: `contextlib` enters the block for the call alone."""
    decorated = []
    for file in LIBRARY.rglob("*.py"):
        if "@full_precision()" not in (text := file.read_text(encoding="utf-8")):
            continue
        for function in (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)):
            if any(ast.unparse(one) == "full_precision()" for one in function.decorator_list):
                inside = [type(node) for node in ast.walk(function)]
                decorated.append((f"{file.name}: {function.name}", ast.Yield in inside or ast.YieldFrom in inside))
    assert len(decorated) > 5
    assert [name for name, yields in decorated if yields] == []


def erase(folder):
    """Score the test part as an erasure does; on a training that is no test of this."""
    job = make_job(folder, make_data(folder), prepared(folder), "speaker_identification", mode="fine_tuned")
    with torch.autocast("cpu", enabled=False):
        train_task(replace(job, settings=job.settings | {"steps": 1, "evaluate_every": 1, "save_every": 1}))
    yield
    trained = load_fine_tuned(f"{job.folder}.manifest.json")
    error_table(trained, trained.examples("test"), own_errors(trained.data, "gender"))


def score_and_read_a_frozen_model(folder):
    settings = {"steps": 2, "evaluate_every": 1, "save_every": 2}
    job = make_job(folder, make_data(folder), prepared(folder), "phone_recognition", settings=settings)
    yield
    train_task(job)


def score_a_fine_tuned_model(folder):
    settings = {"steps": 2, "evaluate_every": 1, "save_every": 2}
    data, model = make_data(folder), prepared(folder)
    job = make_job(folder, data, model, "f0_reconstruction", mode="fine_tuned", settings=settings)
    yield
    train_task(job)


def validate_masked_prediction(folder):
    job = small_job(folder, steps=2, evaluate_every=1, save_every=2)
    yield
    run_pretraining(job)


def cluster_a_layer(folder):
    job = small_job(folder, steps=1)
    with torch.autocast("cpu", enabled=False):
        run_pretraining(job)
    yield
    represent = load_represent(job.statistics, f"{job.folder}.manifest.json", layer=1)
    represent(np.zeros((30, 40), np.float32))


def corpus(folder):
    rows = []
    for number in range(4):
        wave = waveform(4000 + 1000 * number, number)
        soundfile.write(folder / f"{number}.wav", wave, 16_000, subtype="FLOAT")
        rows.append((str(number), f"s{number % 2}", f"{number}.wav", len(wave)))
    table = pd.DataFrame(rows, columns=["utterance", "speaker", "audio", "n_samples"])
    write_table(folder / "utterances.parquet", table)
    manifests.write_manifest(folder / "checked.json", manifests.describe_files(folder, [folder / "utterances.parquet"]))
    return table


def calibrate(folder):
    model, table = prepared(folder), corpus(folder)
    yield
    calibrate_on_corpus(model, table, folder, name="c", utterances=2, seed=0, device="cpu")


def learn_gates(folder):
    model, table = prepared(folder), corpus(folder)
    how = {"steps": 1, "batch_size": 1, "learning_rate": 0.1, "utterances": 2}
    yield
    gates_of_corpus(model, table, folder, name="c", size=3, device="cpu", **how)


def read_a_teacher_and_validate(folder):
    model, table = prepared(folder), corpus(folder)
    settings = {
        "steps": 2,
        "evaluate_every": 1,
        "save_every": 2,
        "batch_size": 2,
        "learning_rate": 1e-4,
        "log_every": 1,
    }
    running = {
        "accumulation": 1,
        "schedule": "constant",
        "warmup_steps": 0,
        "precision": "fp32",
        "workers": 0,
        "seed": 0,
    }
    names = {"folder": f"{folder}/student", "manifest": f"{folder}/student.manifest.json", "work": f"{folder}/.work"}
    job = DistillationJob(
        name="s",
        model=model,
        teacher=model,
        corpus=f"{folder}/checked.json",
        validation_share=0.5,
        settings=vars(Distillation(**settings, **running)),
        **names,
    )
    yield
    distil(job, table, folder)


@contextmanager
def looked_at() -> Iterator[list]:
    """The settings that linear layers of models in eval mode meet: what is read for a result, or scored."""
    met = []

    def look(module, *_):
        if isinstance(module, torch.nn.Linear) and not module.training:
            met.append((set(precisions().values()), torch.is_autocast_enabled("cpu"), BACKENDS.cudnn.deterministic))

    hook = torch.nn.modules.module.register_module_forward_hook(look)
    try:
        yield met
    finally:
        hook.remove()


TRAINED = (
    erase,
    score_and_read_a_frozen_model,
    score_a_fine_tuned_model,
    validate_masked_prediction,
    cluster_a_layer,
    read_a_teacher_and_validate,
)


@pytest.mark.parametrize(
    "place", [calibrate, learn_gates, *(pytest.param(place, marks=pytest.mark.slow) for place in TRAINED)]
)
def test_every_place_reads_in_full_precision(place, tmp_path, monkeypatch, settings_kept):
    if place in (erase, score_and_read_a_frozen_model, score_a_fine_tuned_model):
        monkeypatch.setattr(audio, "read_audio", read_audio)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.set_float32_matmul_precision("medium")
        steps = place(tmp_path)
        next(steps)
        with looked_at() as met:
            next(steps, None)
    assert met
    assert [one for one in met if one != ({"ieee"}, False, True)] == []
