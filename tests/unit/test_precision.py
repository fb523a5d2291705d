"""What is read for a result is read in float32, whatever else in the process asks for."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from small_models import small_model, waveform
from transformers import Wav2Vec2FeatureExtractor

from property_neurons.corpus.recordings import Recording
from property_neurons.models.features import RawWaveform
from property_neurons.models.loading import SpeechEncoder
from property_neurons.models.precision import full_precision
from property_neurons.tasks.stored_states import frame_states

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
    states = frame_states(encoder_, Recording("u", Path("u.wav"), len(speech)), speech)
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
