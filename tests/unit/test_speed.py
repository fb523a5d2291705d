"""Measuring speed: what is measured, in which order, on which input. How fast anything is, is not asserted."""

import gc
import weakref

import numpy as np
import pytest
import small_models
import torch

from property_neurons.config.checks.names import OF_SPEED_TABLES
from property_neurons.errors import ModelError
from property_neurons.models.features import load_front_end
from property_neurons.models.ffn import ffn_sites
from property_neurons.models.loading import SpeechEncoder
from property_neurons.models.pruned import remove_neurons
from property_neurons.pruning import speed
from property_neurons.pruning.speed import (
    REFERENCE,
    SPEED_COLUMNS,
    measure_speed,
    multiply_accumulates,
    paired_ratios,
    time_pass,
)


def encoder_of(model, folder):
    small_models.save_preprocessor(model.config, folder)
    return SpeechEncoder(model, load_front_end(folder, model.config))


def pruned(model, neurons=1):
    """So many neurons left in each network."""
    return remove_neurons(model, [torch.arange(neurons)] * len(ffn_sites(model)))


@pytest.fixture
def clock(monkeypatch):
    """A clock that moves by hand: `clock[0]` is the time in seconds."""
    now = [0.0]
    monkeypatch.setattr(speed.time, "perf_counter", lambda: now[0])
    return now


def slowed(model, clock, before, within):
    """Let the clock move `before` seconds in front of the blocks and `within` seconds in each network."""
    for site in ffn_sites(model):
        model.get_submodule(site.module).register_forward_pre_hook(lambda *_: _advance(clock, within))
    model.register_forward_pre_hook(lambda *_: _advance(clock, before))
    return model


def _advance(clock, seconds):
    clock[0] += seconds


@pytest.mark.parametrize("class_name", small_models.CLASS_NAMES)
def test_every_architecture_is_measured_whole_and_by_its_blocks(class_name, tmp_path):
    encoder = encoder_of(small_models.small_model(class_name), tmp_path)
    table = measure_speed(
        encoder, {"small": lambda: encoder_of(pruned(encoder.model), tmp_path)}, seconds=0.3, rounds=2
    )
    assert tuple(table.columns) == SPEED_COLUMNS
    # No model of a configuration can have this name.
    assert table["model"].iloc[0] == REFERENCE == OF_SPEED_TABLES
    assert table["model"].tolist() == [REFERENCE, "small"]
    assert table["rounds"].tolist() == [2, 2]
    assert table["macs"].is_monotonic_decreasing
    ratios = table[["whole", "encoder", "real_time_factor"]].to_numpy()
    assert ratios.dtype == np.float64
    assert np.isfinite(ratios).all()
    assert (ratios > 0).all()
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in encoder.model.modules())


@pytest.mark.parametrize("class_name", small_models.CLASS_NAMES)
def test_the_encoder_is_the_time_from_the_first_block_to_the_last(class_name, tmp_path, clock):
    encoder = encoder_of(slowed(small_models.small_model(class_name), clock, before=5, within=1), tmp_path)
    windows = [window.values for window in encoder.front_end.windows(small_models.waveform(20_000))]
    with torch.inference_mode():
        taken = time_pass(encoder.model, windows)
    assert len(windows) == (2 if class_name == "WhisperEncoder" else 1)
    assert taken.encoder == len(windows) * len(encoder.sites)
    assert taken.whole == taken.encoder + 5 * len(windows)


def test_a_ratio_is_the_reference_over_the_model_of_the_same_round(tmp_path, clock):
    reference = slowed(small_models.small_model("HubertModel"), clock, before=8, within=4)
    model = slowed(small_models.small_model("HubertModel"), clock, before=0, within=1)
    values = [torch.zeros(1, 4_000)]
    np.testing.assert_array_equal(paired_ratios(reference, model, (values, values), 3), [[8, 4, 2]] * 3)


def test_the_table_holds_medians_without_the_first_round(tmp_path, monkeypatch):
    encoder = encoder_of(small_models.small_model("HubertModel"), tmp_path)
    given = np.array([[100, 100, 100], [1, 6, 1], [3, 4, 0.5], [2, 9, 2]])
    monkeypatch.setattr(speed, "paired_ratios", lambda *arguments: given[: arguments[-1]])
    monkeypatch.setattr(speed, "multiply_accumulates", lambda *arguments: 7)
    table = measure_speed(encoder, {"other": lambda: encoder}, seconds=0.5, rounds=3)
    assert table.to_numpy().tolist() == [[REFERENCE, 2, 6, 3, 2, 14], ["other", 2, 6, 3, 2, 14]]


def test_operations_for_a_second_do_not_depend_on_how_windows_divide_the_noise(tmp_path):
    encoder = encoder_of(small_models.small_model("WhisperEncoder"), tmp_path)
    window = encoder.window_samples / 16_000
    macs = [measure_speed(encoder, {}, seconds=share * window, rounds=1).loc[0, "macs"] for share in (0.4, 1, 1.3, 2)]
    assert macs == pytest.approx([macs[1]] * 4)


def test_operations_are_those_of_the_weights_and_of_attention(tmp_path):
    encoder = encoder_of(small_models.small_model("WhisperEncoder"), tmp_path)
    (window,) = encoder.front_end.windows(small_models.waveform(3200))
    config, rows = encoder.model.config, window.rows
    size, wide = config.d_model, config.encoder_ffn_dim
    convolutions = 2 * rows * config.num_mel_bins * 3 * size + rows * size * 3 * size
    layer = rows * (4 * size * size + 2 * size * wide) + 2 * rows * rows * size
    expected = convolutions + config.encoder_layers * layer
    assert multiply_accumulates(encoder.model, [window.values]) == expected


def test_models_take_turns_on_the_same_noise_with_one_thread(tmp_path):
    seen = []

    def watched(name, neurons=None):
        model = small_models.small_model("HubertModel")
        encoder = encoder_of(model if neurons is None else pruned(model, neurons), tmp_path)
        encoder.model.register_forward_pre_hook(
            lambda _, inputs: seen.append((name, torch.get_num_threads(), inputs[0].clone()))
        )
        return encoder

    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        reference = watched("r")
        others = {"b": lambda: watched("b", 1), "a": lambda: watched("a", 2), "as b": lambda: watched("c", 1)}
        table = measure_speed(reference, others, seconds=0.1, rounds=2).set_index("model")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    # Three rounds, and one pass whose operations are counted; of a shape that was measured before, none.
    assert table.loc["as b"].equals(table.loc["b"])
    assert not table.loc["a"].equals(table.loc["b"])
    assert "".join(name for name, _, _ in seen) == "rr" * 3 + "r" + "rb" * 3 + "b" + "ra" * 3 + "a"
    assert {used for _, used, _ in seen} == {1}
    assert all(torch.equal(values, seen[0][2]) for _, _, values in seen)
    assert seen[0][2].shape == (1, 1_600)
    first = seen[0][2]
    seen.clear()
    measure_speed(reference, {}, seconds=0.1, rounds=1, seed=1)
    assert not torch.equal(seen[0][2], first)


def test_one_model_beside_the_reference_is_held_at_a_time(tmp_path):
    reference = encoder_of(small_models.small_model("HubertModel"), tmp_path)
    loaded = []

    def load():
        assert not any(model() for model in loaded)
        encoder = encoder_of(small_models.small_model("HubertModel", seed=1), tmp_path)
        loaded.append(weakref.ref(encoder.model))
        return encoder

    gc.disable()
    try:
        table = measure_speed(reference, dict.fromkeys("abc", load), seconds=0.1, rounds=1)
    finally:
        gc.enable()
    assert table["model"].tolist() == [REFERENCE, "a", "b", "c"]
    assert len(loaded) == 3


def test_models_of_other_architectures_get_their_own_features(tmp_path):
    reference = encoder_of(small_models.small_model("HubertModel"), tmp_path)
    other = encoder_of(small_models.small_model("MelHubertModel"), tmp_path)
    table = measure_speed(reference, {"mel": lambda: other}, seconds=0.3, rounds=1)
    assert np.isfinite(table[["whole", "encoder"]].to_numpy()).all()


def test_what_cannot_be_measured_is_refused(tmp_path):
    encoder = encoder_of(small_models.small_model("HubertModel"), tmp_path)
    with pytest.raises(ModelError, match="at least 1 round"):
        measure_speed(encoder, {}, rounds=0)
    with pytest.raises(ModelError, match="no model named 'reference'"):
        measure_speed(encoder, {REFERENCE: lambda: encoder})
    with pytest.raises(ModelError, match="utterance of 160 samples"):
        measure_speed(encoder, {}, seconds=0.01)
    elsewhere = SpeechEncoder(small_models.small_model("HubertModel").to("meta"), encoder.front_end)
    with pytest.raises(ModelError, match="speed of far: expected a model on the CPU, found it on meta"):
        measure_speed(encoder, {"far": lambda: elsewhere}, seconds=0.1, rounds=1)
