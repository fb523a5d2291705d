"""When a training ends by itself."""

from pathlib import Path
from pickle import UnpicklingError
from types import SimpleNamespace

import pytest
import torch

from property_neurons.config.optimisation import Optimisation
from property_neurons.errors import ModelError
from property_neurons.training import trainer
from property_neurons.training.trainer import StopWhenFlat, train_from, training_arguments


def test_processes_drop_units_of_their_own(monkeypatch):
    """But where whole layers are dropped, which have to be the same in all."""
    seen = []
    for rank, layerdrop in (("0", 0.0), ("1", 0.0), ("2", 0.0), ("1", 0.1)):
        monkeypatch.setenv("RANK", rank)
        torch.manual_seed(3)
        config = SimpleNamespace(layerdrop=layerdrop)
        drawn = SimpleNamespace(args=SimpleNamespace(seed=3), model=SimpleNamespace(config=config))
        drawn.train = lambda resume_from_checkpoint: seen.append(torch.rand(1).item())
        train_from(drawn, None)
    assert len(set(seen[:3])) == 3
    assert seen[3] == seen[0]


def stops_after(losses, patience):
    """Validations seen when the training was told to stop; None if it never was."""
    callback, history = StopWhenFlat(patience), []
    for number, loss in enumerate(losses, start=1):
        history += [{"loss": 0.0}, {"eval_loss": loss}]
        control = SimpleNamespace(should_training_stop=False)
        callback.on_evaluate(None, SimpleNamespace(log_history=history), control)
        if control.should_training_stop:
            return number
    return None


@pytest.mark.parametrize(
    ("losses", "patience", "expected"),
    [
        ([5, 4, 3, 2, 1], 1, None),
        ([5, 4, 4], 1, 3),
        ([5, 4, 4.5, 4.2, 3.9, 4, 4, 4], 2, 4),
        ([5, 4, 4.5, 4.2, 3.9, 4, 4, 4], 3, 8),
        ([1, 2], 2, None),
    ],
)
def test_it_stops_when_so_many_validations_have_not_lowered_the_least_loss(losses, patience, expected):
    assert stops_after(losses, patience) == expected


def test_a_resumed_training_stops_where_an_undisturbed_one_does():
    history = [{"eval_loss": loss} for loss in (5, 4, 4.5)]
    control = SimpleNamespace(should_training_stop=False)
    history.append({"eval_loss": 4.6})
    StopWhenFlat(2).on_evaluate(None, SimpleNamespace(log_history=history), control)
    assert control.should_training_stop


def test_a_checkpoint_that_torch_refuses_is_named_without_its_advice():
    def train(resume_from_checkpoint):
        raise UnpicklingError(
            "Weights only load failed. Re-running `torch.load` with `weights_only` set to `False` will likely succeed"
            "\n\nWeightsUnpickler error: Unsupported global: GLOBAL os.system was not an allowed global by default."
        )

    with pytest.raises(ModelError, match=r"work/checkpoint-5: .*found os\.system, .*do not use this file") as raised:
        train_from(SimpleNamespace(train=train), Path("work/checkpoint-5"))
    assert "weights_only" not in str(raised.value)


@pytest.mark.parametrize(("processes", "workers"), [(1, 4), (2, 2), (8, 0)])
def test_workers_do_not_outnumber_cores(monkeypatch, tmp_path, processes, workers):
    monkeypatch.setattr(trainer, "cores", lambda: 4)
    monkeypatch.setattr(trainer.transformers, "TrainingArguments", lambda **arguments: SimpleNamespace(**arguments))
    monkeypatch.setenv("WORLD_SIZE", str(processes))
    settings = Optimisation(steps=1, batch_size=8, workers=6).model_dump() | {"max_grad_norm": 1.0, "seed": 0}
    arguments = training_arguments("made", str(tmp_path), "cpu", SimpleNamespace(**settings))
    assert arguments.dataloader_num_workers == workers


@pytest.mark.parametrize(
    ("device", "precision", "expected"),
    [("cuda", "fp32", (True, False)), ("cuda", "bf16", (True, True)), ("cpu", "bf16", (None, False))],
)
def test_trainings_use_tf32_on_a_gpu_and_bf16_where_it_is_asked_for(device, precision, expected, monkeypatch, tmp_path):
    monkeypatch.setattr(trainer.transformers, "TrainingArguments", lambda **arguments: SimpleNamespace(**arguments))
    monkeypatch.setattr(trainer.transformers.utils, "is_torch_tf32_available", lambda: True)
    monkeypatch.setattr(trainer.torch.cuda, "device_count", lambda: 1)
    settings = Optimisation(steps=1, precision=precision).model_dump() | {"max_grad_norm": 1.0, "seed": 0}
    arguments = training_arguments("made", str(tmp_path), device, SimpleNamespace(**settings))
    assert (arguments.tf32, arguments.bf16) == expected
    assert arguments.dataloader_pin_memory == (device == "cuda")
