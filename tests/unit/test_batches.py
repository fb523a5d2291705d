"""Every class whose neurons are read: several utterances at once have the ranks of each alone, on real speech."""

import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import small_models
import soundfile
import torch

from property_neurons.corpus.recordings import Recording
from property_neurons.models.loading import load_encoder
from property_neurons.models.pruned import remove_neurons
from property_neurons.ranks.extraction import extract_ranks
from property_neurons.ranks.store import open_ranks

DATA = Path(os.environ.get("PROPERTY_NEURONS_DATA", Path(__file__).parents[3] / "shared/data"))
LAYER_NORM = {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}


@dataclass(frozen=True)
class Case:
    """A model, and whether several utterances are read at once with it (the table of docs/gpu.md)."""

    name: str
    at_once: bool
    fields: dict = field(default_factory=dict)
    pruned: bool = False

    def __str__(self) -> str:
        return "-".join([self.name, *map(str, self.fields), *["pruned"] * self.pruned])


CASES = [
    Case("MelHubertModel", True),
    Case("MelHubertModel", True, {"frame_ms": 10}),
    Case("HubertModel", True),
    Case("HubertModel", True, LAYER_NORM),
    Case("HubertModel", True, pruned=True),
    Case("HubertModel", False, {"conv_pos_batch_norm": True}),
    Case("Wav2Vec2Model", True),
    Case("Wav2Vec2Model", True, LAYER_NORM),
    Case("WavLMModel", True),
    Case("WavLMModel", True, LAYER_NORM),
    Case("UniSpeechSatModel", True),
    Case("UniSpeechSatModel", True, LAYER_NORM),
    Case("WhisperEncoder", True),
    Case("WhisperEncoder", True, pruned=True),
    Case("Data2VecAudioModel", False),
    Case("SEWModel", False),
    Case("Wav2Vec2ConformerModel", False),
    Case("Wav2Vec2BertModel", False),
]


def test_every_class_is_looked_at():
    assert {case.name for case in CASES} == set(small_models.CLASS_NAMES)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """The shortest utterances of the sample, of several lengths; made ones where it is not there."""
    files = sorted((DATA / "LibriSpeech/dev-clean").rglob("*.flac"), key=lambda file: (file.stat().st_size, file.name))
    if not files:
        folder = tmp_path_factory.mktemp("speech")
        files = [folder / f"{number}.wav" for number in range(4)]
        for number, file in enumerate(files):
            wave = small_models.waveform(22_000 + 1_234 * number, number)
            soundfile.write(file, wave, 16_000, subtype="FLOAT")
    found = [Recording(file.stem, file, soundfile.info(file).frames) for file in files[:4]]
    assert len({one.n_samples for one in found}) > 1
    return found


@pytest.fixture
def one_thread():
    """Models this small are slowed down by more of them where the cores are busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


# One that is read singly stands for the others in the fast tests, and plain forms for their variants.
QUICK = [case for case in CASES if case.name == "SEWModel" or (case.at_once and not case.fields and not case.pruned)]


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=[] if case in QUICK else pytest.mark.slow, id=str(case)) for case in CASES]
)
def test_a_batch_has_the_ranks_of_single_utterances(case, recordings, tmp_path, one_thread):
    model = small_models.small_model(case.name, **case.fields)
    if case.pruned:
        model = remove_neurons(model, [torch.arange(0, small_models.WIDTH, step) for step in (2, 3)])
    encoder = load_encoder(small_models.save_model(model, tmp_path / "model"))
    assert encoder.reads_batches == case.at_once

    def ranks(name, seconds):
        extract_ranks(encoder, recordings, tmp_path / name, model="m", lambda_max=0.2, batch_seconds=seconds)
        return open_ranks(tmp_path / name)

    alone, together = ranks("alone.zarr", None), ranks("together.zarr", 60)
    for site, k in enumerate(alone.k):
        assert len(alone.ids(site, k)) > 300
        np.testing.assert_array_equal(together.ids(site, k), alone.ids(site, k))
