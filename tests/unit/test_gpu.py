"""What a card makes of what a CPU makes: ranks, precision, a training, the choice of the card.

`pytest -n 0 -m gpu -s` runs it on a GPU, in minutes, and prints how far ranks agree. The same checks run on the CPU, on
little, so that they are known to work.
"""

import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import small_models
import soundfile
import torch
from gpu import DEVICES, on_gpu
from task_inputs import make_data, make_job, prepared, read_audio

from property_neurons.corpus import audio
from property_neurons.corpus.recordings import Recording
from property_neurons.editing.parts import error_table, own_errors
from property_neurons.jobs import devices
from property_neurons.models.loading import load_encoder
from property_neurons.models.precision import full_precision
from property_neurons.models.prepare import LocalFolder, prepare_model
from property_neurons.pruning.calibrate import calibrate_on_task
from property_neurons.pruning.gates import gates_of_task
from property_neurons.ranks.extraction import extract_ranks
from property_neurons.ranks.sites import active_neurons
from property_neurons.ranks.store import open_ranks
from property_neurons.stores.files import read_table
from property_neurons.tasks.fine_tuned import load_fine_tuned
from property_neurons.tasks.train import train_task

ROOT = Path(__file__).parents[2]
SLOW_ON_CPU = [pytest.param("cpu", marks=pytest.mark.slow), DEVICES[1]]
LAMBDA = 0.01
SPEECH = read_audio
# The same set in all but a few rows of a hundred thousand is what batches on a CPU have (docs/gpu.md).
LEAST_SHARE = 0.999


@dataclass(frozen=True)
class Agreement:
    """Of two rank stores: rows (frames times layers), and the share with the same set and the same order."""

    rows: int
    same_set: float
    same_order: float

    def __str__(self) -> str:
        return f"{self.rows:,} rows, same set {self.same_set:.6f}, same order {self.same_order:.6f}"


def agreement(one, other) -> Agreement:
    """How far two rank stores of the same frames agree, by the ids of a frame at a layer."""
    sets, orders = [], []
    for site, (mine, yours) in enumerate(zip(one.sites, other.sites, strict=True)):
        assert mine == yours
        tau = active_neurons(LAMBDA, mine.width)
        first, second = one.ids(site, tau), other.ids(site, tau)
        assert first.shape == second.shape
        orders.append((first == second).all(1))
        sets.append((np.sort(first, 1) == np.sort(second, 1)).all(1))
    return Agreement(sum(map(len, sets)), float(np.concatenate(sets).mean()), float(np.concatenate(orders).mean()))


def ranks(encoder, recordings, store, batch_seconds=None):
    extract_ranks(encoder, recordings, store, model="m", lambda_max=LAMBDA, batch_seconds=batch_seconds)
    return open_ranks(store)


@pytest.fixture
def speech(tmp_path):
    """A function that gives recordings: of the sample where it lies, else made; few on the CPU."""

    def give(device):
        data = Path(os.environ.get("PROPERTY_NEURONS_DATA", ROOT.parent / "shared/data")) / "LibriSpeech/test-clean"
        files = sorted(data.rglob("*.flac"))[::5][:100] if device == "cuda" else []
        if not files:
            files = [tmp_path / f"{place}.wav" for place in range(100 if device == "cuda" else 2)]
            for place, file in enumerate(files):
                seconds = 2 + place % 12 if device == "cuda" else 0.3 + 0.2 * place
                soundfile.write(file, small_models.waveform(int(16_000 * seconds), place), 16_000, subtype="FLOAT")
        return [Recording(file.stem, file, soundfile.info(file).frames) for file in files]

    return give


def model_folder(name, tmp_path, device):
    if name == "melhubert-mini":
        return ROOT / "resources/models/melhubert-mini"
    size = {} if device == "cuda" else {"hidden_size": 32, "num_hidden_layers": 2, "intermediate_size": 200}
    size |= {"conv_dim": (16,) * 7, "num_conv_pos_embedding_groups": 2, "num_attention_heads": 4} if size else {}
    config = small_models.find_class("HubertConfig")(**size)
    return small_models.save_model(small_models.build(small_models.find_class("HubertModel"), config), tmp_path / name)


@pytest.mark.parametrize("device", SLOW_ON_CPU)
@pytest.mark.parametrize("name", ["melhubert-mini", "hubert-base"])
def test_ranks_of_the_card_are_those_of_the_cpu_alone_and_in_batches(name, device, speech, tmp_path, monkeypatch):
    monkeypatch.setattr(audio, "read_audio", lambda path: soundfile.read(path, dtype="float32")[0])
    folder, recordings = model_folder(name, tmp_path, device), speech(device)
    # Random weights of HuBERT base are slow on a CPU.
    recordings = recordings[: 20 if name == "hubert-base" else None]
    on_cpu = ranks(load_encoder(folder), recordings, tmp_path / "cpu.zarr")
    encoder = load_encoder(folder, device=device)
    alone = ranks(encoder, recordings, tmp_path / "alone.zarr")
    together = ranks(encoder, recordings, tmp_path / "together.zarr", batch_seconds=240)
    for what, one, other in (
        (f"{device} against CPU", alone, on_cpu),
        ("batched against CPU", together, on_cpu),
        ("batched against single", together, alone),
    ):
        found = agreement(one, other)
        print(f"\n{name}, {what}: {found}")
        assert found.rows > 0
        assert found.same_set >= LEAST_SHARE


@pytest.mark.parametrize("device", DEVICES)
def test_windows_are_pinned_beside_a_card(device):
    encoder = load_encoder(ROOT / "resources/models/melhubert-mini", device=device)
    windows = encoder.windows(np.asarray(small_models.waveform(8_000, 0), np.float32))
    assert windows[0].values.is_pinned() == (device == "cuda")


def product(device):
    """A product of matrices and a convolution, float32, which TF32 would round."""
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(256, 256, generator=generator).to(device) for _ in range(2))
    return a @ b, torch.nn.functional.conv1d(a[None], b[:, :, None])


@pytest.mark.parametrize("device", DEVICES)
def test_results_are_in_float32_whatever_the_precision_that_is_set(device):
    exact = [one.double() for one in product("cpu")]
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        with full_precision():
            found = product(device)
        rounded = product(device)[0]
    finally:
        torch.set_float32_matmul_precision(before)
    for one, other in zip(found, exact, strict=True):
        assert (one.double().cpu() - other).abs().max() < 1e-3
    if device == "cuda" and torch.cuda.get_device_capability() >= (8, 0):
        # Or the check above would say nothing.
        assert (rounded.double().cpu() - exact[0]).abs().max() > 2e-3


_READ = """
import sys, numpy as np, small_models
from property_neurons.models.loading import load_encoder
encoder = load_encoder(sys.argv[1], device=sys.argv[2])
read = []
encoder.read(np.asarray(small_models.waveform(16_000, 0), np.float32), lambda _, rows: read.append(rows.cpu().numpy()))
np.save(sys.argv[3], np.concatenate([rows.reshape(-1) for rows in read]))
"""


@on_gpu
def test_the_environment_does_not_turn_tf32_on_on_a_card(tmp_path):
    found = []
    for place, override in enumerate(("0", "1")):
        file = tmp_path / f"{place}.npy"
        path = os.pathsep.join([str(ROOT / "src"), str(Path(__file__).parent)])
        environment = os.environ | {"TORCH_ALLOW_TF32_CUBLAS_OVERRIDE": override, "PYTHONPATH": path}
        command = [sys.executable, "-c", _READ, str(ROOT / "resources/models/melhubert-mini"), "cuda", str(file)]
        subprocess.run(command, env=environment, check=True)
        found.append(np.load(file))
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("device", SLOW_ON_CPU)
def test_a_task_trains_under_autocast_and_is_scored_as_the_cpu_scores_it(device, tmp_path):
    data, model = make_data(tmp_path), prepared(tmp_path)
    settings = {"precision": "bf16", "steps": 2, "evaluate_every": 2, "save_every": 2}
    job = make_job(tmp_path, data, model, "f0_reconstruction", mode="fine_tuned", settings=settings)
    train_task(replace(job, device=device))
    by_training = read_table(Path(job.folder) / "scores.tsv").set_index("utterance")["error"]
    # As an erasure scores it, on the CPU and on the card, after a training that turned TF32 on.
    for where in dict.fromkeys(("cpu", device)):
        trained = load_fine_tuned(f"{job.folder}.manifest.json", device=where)
        scored = error_table(trained, trained.examples("test"), own_errors(trained.data, "gender"))
        scored = scored[scored["part"] == "all"].set_index("utterance")["error"]
        np.testing.assert_allclose(by_training, scored.loc[by_training.index], rtol=1e-3)


@pytest.mark.parametrize("device", SLOW_ON_CPU)
@pytest.mark.parametrize("kind", ["speaker_identification", "f0_reconstruction", "phone_recognition"])
def test_a_fine_tuned_model_is_calibrated_and_its_gates_learnt_as_on_the_cpu(kind, device, tmp_path, monkeypatch):
    monkeypatch.setattr(audio, "read_audio", read_audio)
    data, model = make_data(tmp_path), prepared(tmp_path)
    job = make_job(tmp_path, data, model, kind, mode="fine_tuned", settings={"steps": 2})
    train_task(job)
    training, tuned = f"{job.folder}.manifest.json", tmp_path / "tuned.manifest.json"
    prepare_model(tmp_path / "tuned", tuned, LocalFolder(f"{job.folder}/encoder"))
    learning = {"steps": 2, "batch_size": 2, "learning_rate": 0.1, "utterances": 4, "seed": 0}
    tables = [
        (
            calibrate_on_task(training, tuned, job.roots, utterances=4, seed=0, device=where),
            gates_of_task(training, tuned, job.roots, size=4, device=where, **learning),
        )
        for where in ("cpu", device)
    ]
    for on_cpu, on_device in zip(*tables, strict=True):
        numbers = on_cpu.select_dtypes(float).columns
        assert len(numbers)
        scale = on_cpu[numbers].abs().max()
        np.testing.assert_allclose(on_device[numbers] / scale, on_cpu[numbers] / scale, atol=1e-3)


@on_gpu
@pytest.mark.parametrize("nvml", [True, False])
def test_a_card_is_chosen_with_and_without_nvml(nvml, tmp_path, monkeypatch):
    """The process that asks CUDA answers without NVML as with it, and a card that is named by its UUID is found."""
    monkeypatch.setattr(devices.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(devices, "_held", [])
    if not nvml:
        without = "import torch\ntorch.cuda._raw_device_count_nvml = torch.cuda._device_count_nvml = lambda: -1\n"
        monkeypatch.setattr(devices, "_ASK", without + devices._ASK)
    found, why = devices._usable_gpus()
    assert found, why
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", f"GPU-{found[0]}".replace("GPU-GPU-", "GPU-"))
    assert devices.job_device("cuda", {"gpu": 1}) == "cuda"
