"""A learning rate chosen out of several: which one, what a killed job keeps, what is left."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from property_neurons.errors import DivergedError
from property_neurons.training.learning_rates import choose, clear

VALUES = {0.1: None, 0.01: 0.4, 0.001: 0.2, 0.0001: 0.3}


@dataclass(frozen=True)
class Training:
    work: str
    settings: dict = field(default_factory=lambda: {"learning_rate": list(VALUES)})
    name: str = "run"
    tensorboard: str | None = "logs"
    code: str = ""

    def identity(self):
        return f"{self.settings} {self.code}"


@pytest.fixture
def trained():
    """The learning rates that were trained with, in their order."""
    return []


@pytest.fixture
def value_of(trained):
    def train(trial, stop_at=None):
        rate = trial.settings["learning_rate"]
        if rate == stop_at:
            raise KeyboardInterrupt
        trained.append(rate)
        Path(trial.work).mkdir(parents=True, exist_ok=True)
        (Path(trial.work) / "checkpoint-8").mkdir(exist_ok=True)
        if VALUES[rate] is None:
            raise DivergedError("infinite")
        return VALUES[rate]

    return train


def test_the_least_value_is_chosen_and_its_work_alone_is_kept(tmp_path, trained, value_of, caplog):
    job = Training(str(tmp_path / "work"))
    chosen, values = choose(job, value_of)
    assert chosen.settings == {"learning_rate": 0.001}
    assert chosen.tensorboard == "logs/0.001"
    assert values == {"0.1": None, "0.01": 0.4, "0.001": 0.2, "0.0001": 0.3}
    assert trained == list(VALUES)
    assert "learning rate 0.1: infinite" in caplog.text
    assert {path.name for path in Path(job.work).iterdir()} == {"0.001", "learning_rates.json"}
    clear(job)
    assert not Path(job.work).exists()


def test_a_killed_job_goes_on_with_the_trial_that_it_was_at(tmp_path, trained, value_of):
    job = Training(str(tmp_path / "work"))
    with pytest.raises(KeyboardInterrupt):
        choose(job, lambda trial: value_of(trial, stop_at=0.001))
    assert trained == [0.1, 0.01]
    chosen, values = choose(job, value_of)
    assert trained == list(VALUES)
    assert chosen.settings["learning_rate"] == 0.001
    assert values == {str(rate): value for rate, value in VALUES.items()}
    # What other code came to says nothing of this one.
    choose(Training(job.work, code="new"), value_of)
    assert trained == list(VALUES) * 2


def test_one_learning_rate_is_no_choice(tmp_path, trained, value_of):
    job = Training(str(tmp_path / "work"), {"learning_rate": 0.01})
    assert choose(job, value_of) == (job, {})
    assert trained == []
    with pytest.raises(DivergedError, match=r"run: expected a learning rate at which .* found none among 0.1"):
        choose(Training(str(tmp_path / "work"), {"learning_rate": [0.1]}), value_of)


@pytest.mark.parametrize(("before", "now"), [([0.01, 0.001], 0.01), (0.01, [0.01, 0.001])])
def test_what_another_choice_left_is_moved_aside(tmp_path, value_of, caplog, before, now):
    work = tmp_path / ".seed0.work"
    choose(Training(str(work), {"learning_rate": before}), value_of)
    if not isinstance(before, list):
        (work / "checkpoint-8").mkdir(parents=True)
    choose(Training(str(work), {"learning_rate": now}), value_of)
    assert "of a training with other learning rates; moved to" in caplog.text
    (aside,) = (tmp_path / ".old").iterdir()
    assert list(aside.rglob("checkpoint-8"))


def test_the_trial_of_a_rate_that_is_no_longer_in_the_list_is_moved_aside(tmp_path, value_of, caplog):
    work = tmp_path / ".seed0.work"
    for rate in ("0.01", "0.001"):
        (work / rate / "checkpoint-8").mkdir(parents=True)
    job = Training(str(work), {"learning_rate": [0.001, 0.0001]})
    choose(job, value_of)
    clear(job)
    assert "0.01: of a learning rate that is no longer in the list; moved to" in caplog.text
    assert [path.name for path in work.iterdir()] == [".old"]
    (aside,) = (work / ".old").iterdir()
    assert (aside / "checkpoint-8").is_dir()
