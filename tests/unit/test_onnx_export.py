"""Pruned models as ONNX files, run by another runtime."""

import subprocess
import sys

import numpy as np
import pytest
import small_models
import torch

from property_neurons.errors import ModelError
from property_neurons.models import onnx_export
from property_neurons.models.features import load_front_end
from property_neurons.models.ffn import ffn_sites
from property_neurons.models.loading import SpeechEncoder
from property_neurons.models.pruned import remove_neurons

onnxruntime = pytest.importorskip("onnxruntime")


def pruned_encoder(class_name, tmp_path):
    model = small_models.small_model(class_name)
    folder = small_models.save_model(model, tmp_path / "model")
    pruned = remove_neurons(model, [torch.arange(3, 9 + position) for position in range(len(ffn_sites(model)))])
    return SpeechEncoder(pruned, load_front_end(folder, model.config))


@pytest.mark.slow
@pytest.mark.parametrize("class_name", ["MelHubertModel", "HubertModel", "Wav2Vec2BertModel", "WhisperEncoder"])
def test_the_exported_model_computes_the_same_at_any_length(class_name, tmp_path):
    encoder = pruned_encoder(class_name, tmp_path)
    difference = onnx_export.export_onnx(encoder, tmp_path / "model.onnx")
    assert 0 <= difference < 2e-5
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    for samples in (9_000, 16_000, 31_000):
        window = next(iter(encoder.front_end.windows(small_models.waveform(samples))))
        (found,) = session.run(None, {"values": window.values.numpy()})
        with torch.inference_mode():
            expected = encoder.model(window.values)[0].numpy()
        np.testing.assert_allclose(found, expected, atol=2e-5)


@pytest.mark.slow
def test_a_file_that_would_compute_something_else_is_not_written(tmp_path, monkeypatch):
    encoder = pruned_encoder("MelHubertModel", tmp_path)
    monkeypatch.setattr(onnx_export, "TOLERANCE", -1.0)
    with pytest.raises(ModelError, match=r"expected the outputs of MelHubertModel within -1.0.*nothing was written"):
        onnx_export.export_onnx(encoder, tmp_path / "model.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_model_that_no_file_holds_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_export, "_LARGEST", 100)
    with pytest.raises(ModelError, match="expected a model of less than 2 GiB"):
        onnx_export.export_onnx(pruned_encoder("MelHubertModel", tmp_path), tmp_path / "model.onnx")


def test_without_its_packages_the_export_says_which(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ModelError, match="found no onnxruntime; pip install"):
        onnx_export.export_onnx(pruned_encoder("MelHubertModel", tmp_path), tmp_path / "model.onnx")


def test_a_target_that_cannot_be_written_is_told_in_a_line_before_the_export(tmp_path, monkeypatch):
    small_models.save_model(small_models.small_model("MelHubertModel"), tmp_path / "model")
    monkeypatch.setattr(torch.onnx, "export", lambda *_, **__: pytest.fail("exported"))
    (tmp_path / "file").touch()
    for place in ("file/m.onnx", "file/sub/m.onnx"):
        monkeypatch.setattr(sys, "argv", ["onnx_export", str(tmp_path / "model"), str(tmp_path / place)])
        with pytest.raises(SystemExit, match=r"(Not a directory|File exists); see that it can be read, or written to"):
            onnx_export.main()


@pytest.mark.slow
def test_the_command(tmp_path):
    small_models.save_model(small_models.small_model("MelHubertModel"), tmp_path / "model")
    command = [sys.executable, "-m", "property_neurons.models.onnx_export"]
    done = subprocess.run(
        [*command, tmp_path / "model", tmp_path / "m.onnx"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "m.onnx: outputs within" in done.stdout
    done = subprocess.run(
        [*command, tmp_path / "none", tmp_path / "n.onnx"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "expected a model folder, found nothing" in done.stderr
