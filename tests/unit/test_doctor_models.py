"""What the doctor sees of checkpoints: all that preparing a model would stop for, and nothing is loaded."""

import json
import re
import shutil
from collections import namedtuple

import huggingface_hub
import numpy as np
import pytest
import safetensors.numpy
import torch

from property_neurons.config.load import load_config
from property_neurons.doctor import checkpoints
from property_neurons.doctor.finding import Finding
from property_neurons.doctor.needs import default_needs
from property_neurons.doctor.sources import model_findings
from property_neurons.errors import ModelError

FIELDS = {"model_type": "hubert", "num_hidden_layers": 12, "hidden_size": 768, "intermediate_size": 3072}
LARGE = FIELDS | {"feat_extract_norm": "layer"}


def model_folder(folder, **fields):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(FIELDS | fields))
    safetensors.numpy.save_file({"w": np.zeros(8, np.float32)}, folder / "model.safetensors")
    return folder


@pytest.fixture
def folder(tmp_path):
    return model_folder(tmp_path / "model")


def findings(**model):
    config = load_config(
        {
            "corpora": {"demo": {"kind": "demo"}},
            "models": {"m": model},
            "figures": {"corpus": "demo", "model": "m"},
        }
    )
    return list(model_findings(config, default_needs(config)))


def only(**model):
    (finding,) = findings(**model)
    assert finding.fatal
    assert all((finding.about, finding.expected, finding.found, finding.remedy))
    return finding


def as_pickle(folder, content):
    (folder / "model.safetensors").unlink()
    torch.save(content, folder / "pytorch_model.bin")


def cut(file, n_bytes):
    file.write_bytes(file.read_bytes()[:-n_bytes])


class Code:
    """What reading would run."""

    def __reduce__(self):
        return print, ("run",)


DAMAGE = {
    "nothing": (shutil.rmtree, "nothing"),
    "no config": (lambda folder: (folder / "config.json").unlink(), "model: none"),
    "no JSON": (lambda folder: (folder / "config.json").write_text("{"), "config.json: .*no JSON"),
    "a key twice": (lambda folder: (folder / "config.json").write_text('{"a": 1, "a": 2}'), "the key 'a' 2 times"),
    "no type": (lambda folder: (folder / "config.json").write_text("{}"), "model_type: None"),
    "unknown class": (lambda folder: model_folder(folder, model_type="speecht5"), "model_type: 'speecht5'"),
    "code of its own": (
        lambda folder: model_folder(folder, model_type="mine", auto_map={"AutoModel": "modeling.Mine"}),
        "model_type: 'mine'",
    ),
    "quantised": (
        lambda folder: model_folder(folder, quantization_config={"quant_method": "gptq"}),
        "quantization_config: .*gptq",
    ),
    "layer norm, no preprocessor": (lambda folder: model_folder(folder, **LARGE), "model: none"),
    "empty preprocessor": (
        lambda folder: (folder / "preprocessor_config.json").write_text("{}"),
        "preprocessor_config.json: an empty object",
    ),
    "another rate": (
        lambda folder: (folder / "preprocessor_config.json").write_text('{"sampling_rate": 8000}'),
        "8000 Hz",
    ),
    "a word for true": (
        lambda folder: (folder / "preprocessor_config.json").write_text('{"do_normalize": "yes"}'),
        "'yes'",
    ),
    "10 ms frames": (lambda folder: model_folder(folder, conv_stride=[5, 2, 2, 2, 2, 2, 1]), "one per 160"),
    "adapter": (lambda folder: (folder / "adapter_config.json").write_text("{}"), "an adapter .*adapter_config.json"),
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), "model: none"),
    "cut weights": (lambda folder: cut(folder / "model.safetensors", 1), "model.safetensors: .*header"),
    "integers": (
        lambda folder: safetensors.numpy.save_file({"w": np.zeros(8, np.int8)}, folder / "model.safetensors"),
        "model.safetensors: w: I8",
    ),
    "git-lfs": (
        lambda folder: (folder / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\n"),
        "a pointer of git-lfs",
    ),
    "pickle that runs code": (lambda folder: as_pickle(folder, {"w": Code()}), "print, which reading would run"),
    "no pickle": (
        lambda folder: (
            (folder / "model.safetensors").unlink(),
            (folder / "pytorch_model.bin").write_bytes(b"123"),
        ),
        "pytorch_model.bin: ",
    ),
    "a tensor larger than its file": (
        lambda folder: as_pickle(folder, {"w": torch.zeros(1).expand(10**9)}),
        "w of shape",
    ),
    "a part of an index": (
        lambda folder: (
            (folder / "model.safetensors").unlink(),
            (folder / "model.safetensors.index.json").write_text('{"weight_map": {"w": "p-2.safetensors"}}'),
        ),
        "no p-2.safetensors",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_an_unusable_model_folder(folder, damage):
    do, found = DAMAGE[damage]
    do(folder)
    finding = only(kind="folder", path=str(folder))
    assert finding.about == "models.m.path"
    assert re.search(found, finding.found), finding.found


def test_sound_folders(folder):
    assert findings(kind="folder", path=str(folder)) == []
    model_folder(folder, **LARGE)
    assert findings(kind="folder", path=str(folder), normalise=True) == []
    as_pickle(folder, {"w": torch.zeros(8)})
    assert findings(kind="folder", path=str(folder), normalise=True) == []
    assert findings(kind="shipped", name="melhubert-mini") == []


def test_a_released_checkpoint(tmp_path):
    release = {
        "kind": "melhubert_release",
        "checkpoint": str(tmp_path / "c.ckpt"),
        "statistics": str(tmp_path / "s.json"),
    }
    assert [finding.about for finding in findings(**release)] == ["models.m.checkpoint", "models.m.statistics"]
    (tmp_path / "c.ckpt").write_text("no checkpoint")
    (tmp_path / "s.json").touch()
    checkpoint, statistics = findings(**release)
    assert "c.ckpt" in checkpoint.found
    assert "s.json" in statistics.found
    (tmp_path / "s.json").write_text(json.dumps({"mean": [0.0] * 40, "std": [1.0] * 40}))
    torch.save({"model": Code()}, tmp_path / "c.ckpt")
    finding = only(**release)
    assert "which reading would run" in finding.found
    assert "do not use this file" in finding.remedy
    torch.save({"model": {"w": torch.zeros(2)}}, tmp_path / "c.ckpt")
    assert findings(**release) == []


def hub_answers(monkeypatch, *names):
    info = namedtuple("info", "siblings")([namedtuple("file", "rfilename")(name) for name in names])
    monkeypatch.setattr(checkpoints.huggingface_hub.HfApi, "model_info", lambda *_, **__: info)


@pytest.fixture
def no_network(monkeypatch):
    def fail(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr(checkpoints.huggingface_hub.HfApi, "model_info", fail)


@pytest.fixture
def cache(folder, monkeypatch):
    """A cache that holds what the folder does."""

    def cached(_, name, **__):
        return str(folder / name) if (folder / name).is_file() else None

    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", cached)
    return folder


HUB = {"kind": "hub", "id": "some/model"}


def test_a_hub_model_that_is_not_in_the_cache(monkeypatch, no_network):
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_, **__: None)
    found = only(**HUB).found
    assert "lacks config.json" in found
    assert "no network" in found
    hub_answers(monkeypatch, "config.json", "model.safetensors")
    assert findings(**HUB) == []
    hub_answers(monkeypatch, "config.json", "model.onnx")
    assert only(**HUB).found.startswith("2 files on the hub, without config.json or any of model.safetensors")
    hub_answers(monkeypatch, "adapter_config.json", "adapter_model.safetensors")
    assert "an adapter" in only(**HUB).found


def test_a_snapshot_without_a_network_has_to_be_complete(cache, no_network):
    assert "lacks preprocessor_config.json" in only(**HUB).found
    assert findings(**HUB, normalise=False) == []
    (cache / "preprocessor_config.json").write_text('{"do_normalize": false}')
    assert findings(**HUB) == []
    (cache / "model.safetensors").unlink()
    assert "lacks model.safetensors or pytorch_model.bin" in only(**HUB).found


def test_a_snapshot_is_looked_into_as_a_folder_is(cache, no_network):
    (cache / "preprocessor_config.json").write_text('{"do_normalize": false}')
    cut(cache / "model.safetensors", 1)
    assert "header" in only(**HUB).found


def test_errors_are_told_in_their_parts():
    error = ModelError("a/b.json, key: expected this; that too, found: 'x' y; do so; or so")
    finding = Finding.of_error("models.m", error, fatal=False)
    assert (finding.expected, finding.found) == ("this; that too", "a/b.json, key: 'x' y")
    assert finding.remedy == "do so; or so"
    assert Finding.of_error("models.m", ModelError("no parts"), fatal=False).found == "no parts"
