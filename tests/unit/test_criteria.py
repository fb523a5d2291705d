"""Criteria of pruning against plain loops over neurons, frames and utterances."""

import math

import numpy as np
import pytest
import small_models
import torch

from property_neurons.errors import ModelError
from property_neurons.figures import fig9, pruning_panels
from property_neurons.models.ffn import ffn_sites
from property_neurons.models.loading import load_encoder
from property_neurons.models.pruned import remove_neurons
from property_neurons.models.states import hidden_states
from property_neurons.pruning.calibrate import Pass, calibrate, some_of
from property_neurons.pruning.calibration import Calibration, read_calibration
from property_neurons.pruning.criteria import CRITERIA, Evidence
from property_neurons.pruning.vocabulary import ARMS, score_of, shield_of

SECONDS = (0.31, 0.23)


def waves(class_name):
    # More than one window of the small Whisper.
    lengths = (1.2, 0.3) if class_name == "WhisperEncoder" else SECONDS
    return [small_models.waveform(round(seconds * 16000), seed) for seed, seconds in enumerate(lengths)]


def loss_of(states, seed):
    weights = torch.randn(states.shape, generator=torch.Generator().manual_seed(seed))
    return (weights * states.tanh()).sum()


@pytest.fixture(scope="module", params=small_models.CLASS_NAMES)
def read(request, tmp_path_factory):
    """A small model of each class, and what its neurons do on two utterances."""
    folder = small_models.save_model(small_models.small_model(request.param), tmp_path_factory.mktemp("model"))
    encoder = load_encoder(folder)
    utterances = [list(encoder.front_end.windows(one)) for one in waves(request.param)]

    def losses(model):
        return [loss_of(hidden_states(model, [windows])[0][-1], seed) for seed, windows in enumerate(utterances)]

    passes = (
        Pass(windows, lambda seed=seed, windows=windows: loss_of(hidden_states(encoder.model, [windows])[0][-1], seed))
        for seed, windows in enumerate(utterances)
    )
    return request.param, encoder, losses, calibrate(encoder, passes, total=2, task=True)


def test_what_neurons_do_is_a_mean_over_the_frames_of_speech(read):
    class_name, encoder, _, found = read
    frames = [[] for _ in encoder.sites]
    for wave in waves(class_name):
        encoder.read(wave, lambda site, values: frames[site].append(values.double().clone()))
    for site, pieces in enumerate(frames):
        for neuron in range(0, small_models.WIDTH, 5):
            values = [float(row[neuron]) for piece in pieces for row in piece]
            assert found.magnitude[site][neuron] == pytest.approx(sum(map(abs, values)) / len(values), rel=1e-5)
            assert found.square[site][neuron] == pytest.approx(sum(v * v for v in values) / len(values), rel=1e-5)


def test_the_slope_of_the_loss_is_the_sum_of_activations_times_their_gradients(read):
    _, encoder, losses, found = read
    seen = [[] for _ in encoder.sites]

    def keep(site, inputs):
        inputs[0].retain_grad()
        seen[site].append(inputs[0])

    hooks = [
        encoder.model.get_submodule(one.module).register_forward_pre_hook(
            lambda _, inputs, site=site: keep(site, inputs)
        )
        for site, one in enumerate(encoder.sites)
    ]
    slopes = []
    for loss in losses(encoder.model):
        loss.backward(retain_graph=True)
    for hook in hooks:
        hook.remove()
    for site, activations in enumerate(seen):
        # One pass for each utterance; Whisper's holds all of its windows.
        slopes = [(one * one.grad).flatten(0, -2).sum(0).detach().double().numpy() for one in activations]
        assert len(slopes) == 2
        np.testing.assert_allclose(found.taylor[site], sum(slopes) / 2, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(found.fisher[site], sum(one**2 for one in slopes) / 2, rtol=1e-4, atol=1e-5)


def plain(name, model, found, place, neuron):
    site = ffn_sites(model)[place]
    first, second = (model.get_submodule(name).requires_grad_(False) for name in (site.first, site.module))
    row = [float(value) for value in first.weight[neuron]] + [float(first.bias[neuron])]
    column = [float(value) for value in second.weight[:, neuron]]
    match name:
        case "norm":
            return sum(map(abs, row)) + sum(map(abs, column))
        case "l2":
            return math.sqrt(sum(value * value for value in row + column))
        case "magnitude":
            return found.magnitude[place][neuron]
        case "wanda":
            return math.sqrt(sum(value * value for value in column)) * math.sqrt(found.square[place][neuron])
        case "taylor":
            return abs(found.taylor[place][neuron])
        case "fisher":
            return found.fisher[place][neuron]


@pytest.mark.parametrize("name", ["norm", "l2", "magnitude", "wanda", "taylor", "fisher"])
def test_each_criterion_is_its_formula(name):
    model = small_models.small_model("HubertModel")
    rng = np.random.default_rng(0)
    for site in ffn_sites(model):
        model.get_submodule(site.first).bias.data.normal_()
    found = Calibration(
        *(
            [np.abs(rng.normal(size=small_models.WIDTH)) * (1 if kind < 3 else rng.choice([-1, 1])) for _ in range(2)]
            for kind in range(4)
        )
    )
    scores = CRITERIA[name].scores(Evidence(model, calibration=found))
    assert all(one.dtype == np.float64 for one in scores)
    for place in range(2):
        expected = [plain(name, model, found, place, neuron) for neuron in range(small_models.WIDTH)]
        np.testing.assert_allclose(scores[place], expected, rtol=1e-6)


def test_the_bias_counts_in_norms_where_it_is_asked_for():
    model = small_models.small_model("HubertModel")
    for site in ffn_sites(model):
        model.get_submodule(site.first).bias.data.normal_()
    for name in ("norm", "l2"):
        with_bias, without = (CRITERIA[name].scores(Evidence(model, bias=bias))[0] for bias in (True, False))
        assert (with_bias > without).all()


@pytest.mark.slow
def test_the_fisher_of_a_model_without_a_task_is_the_change_of_its_states(tmp_path):
    """Random projections estimate the squared length of sum a dh/da; a linear tail makes that the neuron's effect."""
    folder = small_models.save_model(small_models.small_model("HubertModel"), tmp_path / "model")
    encoder = load_encoder(folder)
    windows = list(encoder.front_end.windows(small_models.waveform(4000)))
    generator = torch.Generator().manual_seed(0)

    def loss():
        states = hidden_states(encoder.model, [windows])[0][-1]
        return (torch.randn(states.shape, generator=generator) * states).sum()

    found = calibrate(encoder, (Pass(windows, loss) for _ in range(150)), total=150, task=False)
    assert found.taylor is None
    before = hidden_states(encoder.model, [windows])[0][-1].detach()
    effects = []
    second = encoder.model.get_submodule(encoder.sites[-1].module)
    for neuron in range(small_models.WIDTH):
        column = second.weight.data[:, neuron].clone()
        second.weight.data[:, neuron] *= 0.99
        effects.append(float(((hidden_states(encoder.model, [windows])[0][-1] - before) / 0.01).square().sum()))
        second.weight.data[:, neuron] = column
    assert np.corrcoef(np.log(effects), np.log(found.fisher[-1]))[0, 1] > 0.98
    assert np.mean(found.fisher[-1]) == pytest.approx(np.mean(effects), rel=0.1)


def test_a_calibration_is_read_back_and_of_one_model():
    model = small_models.small_model("Wav2Vec2ConformerModel")
    sites, rng = ffn_sites(model), np.random.default_rng(1)
    known = Calibration(*([rng.random(site.width) for site in sites] for _ in range(3)))
    again = read_calibration(known.table(sites), [site.width for site in sites])
    assert again.taylor is None
    for name in ("magnitude", "square", "fisher"):
        np.testing.assert_array_equal(getattr(again, name), getattr(known, name))
    with pytest.raises(ModelError, match=r"networks of .* neurons do, found a table of networks of"):
        read_calibration(known.table(sites), [24, 24])
    with pytest.raises(ModelError, match="gradients of a task's loss, found a model without a task"):
        CRITERIA["taylor"].scores(Evidence(model, calibration=known))
    with pytest.raises(ModelError, match="calibration speech, found none"):
        CRITERIA["wanda"].scores(Evidence(model))
    smaller = remove_neurons(model, [torch.arange(9)] * len(sites))
    with pytest.raises(ModelError, match=r"calibration of networks of .*9.* neurons, found that of"):
        CRITERIA["wanda"].scores(Evidence(smaller, calibration=known))


def test_no_speech_is_no_calibration(read):
    encoder = read[1]
    with pytest.raises(ModelError, match="expected some speech, found none"):
        calibrate(encoder, iter(()), total=0, task=False)


def test_the_utterances_that_calibrate_are_drawn_once():
    assert some_of(3, 10, 0) == some_of(3, 10, 0) != some_of(3, 10, 1)
    assert some_of(20, 4, 0) == [0, 1, 2, 3]


def test_names_of_criteria_say_what_goes_last_and_by_what_score():
    found = {name: (shield_of(name), score_of(name)) for name in ("wanda", "protect", "random_protect_l2", "random")}
    assert found == {
        "wanda": (None, "wanda"),
        "protect": ("protect", "norm"),
        "random_protect_l2": ("random_protect", "l2"),
        "random": (None, "random"),
    }
    assert set(ARMS) == set(pruning_panels.COLOURS)
    assert set(ARMS) - {"unpruned", "fine_tuned"} == set(fig9._MARKERS)
    assert {score_of(arm) for arm in fig9._MARKERS} == set(CRITERIA)
