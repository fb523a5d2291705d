"""Trainings taken from the cache by a second working directory, under other names of task, model and run."""

from pathlib import Path

import pytest

from property_neurons.stores.files import read_json
from property_neurons.stores.manifests import described_folder, verify_files
from tests.integration.project import SHORT, SMALL, TINY, Project

pytestmark = [pytest.mark.integration, pytest.mark.slow]


def config(cache: Path, model: str, task: str, run: str) -> dict:
    """A fine-tuning, a training on a frozen model and a pre-training of two stages, under these names."""
    stage = SHORT | {"crop_seconds": 2}
    sid = {"kind": "speaker_identification", "split": "seen", "crop_seconds": 1}
    return SMALL | {
        "models": {model: {"kind": "shipped", "name": "melhubert-mini"}, run: {"kind": "pretrained", "run": run}},
        "tasks": {task: SHORT | sid | {"mode": "fine_tuned"}, f"{task}-frozen": SHORT | sid},
        "pretraining": {
            run: {
                "corpus": "demo",
                "validation_share": 0.2,
                "architecture": TINY,
                "stages": [
                    stage | {"targets": {"clusters": 8}},
                    stage | {"targets": {"clusters": 8, "layer": 1}, "initial": "previous"},
                ],
            }
        },
        "figures": {"corpus": "demo", "model": model},
        "cache": str(cache),
    }


def outputs(model: str, task: str, run: str) -> dict[str, str]:
    """Log and manifest of every training."""
    return {
        f"train_task/{task}/{model}-seed0": f"tasks/{task}/{model}/seed0",
        f"train_task/{task}-frozen/{model}-seed0": f"tasks/{task}-frozen/{model}/seed0",
        f"pretrain/{run}-stage1": f"checkpoints/{run}-stage1",
        f"pretrain/{run}-stage2": f"checkpoints/{run}-stage2",
    }


def test_trainings_are_taken_and_bear_the_names_of_their_directory(tmp_path):
    cache = tmp_path / "cache"
    cache.mkdir()
    found = []
    for folder, names in (("first", ("mini", "sid", "tiny")), ("second", ("mine", "who", "small"))):
        project, made = Project.copy(tmp_path / folder, config(cache, *names)), outputs(*names)
        scores = f"{next(iter(made.values()))}.metrics.json"
        project.snakemake(*[f"results/{output}.manifest.json" for output in made.values()], f"results/{scores}")
        results = project.folder / "results"
        logs = [(results / f"logs/{log}.log").read_text() for log in made]
        described = [
            verify_files(described_folder(manifest), manifest)
            for manifest in (results / f"{output}.manifest.json" for output in made.values())
        ]
        found.append((logs, described, read_json(results / scores)))
    (first, trained, metrics), (second, taken, others) = found
    for made, again in zip(first, second, strict=True):
        key = made.rsplit(maxsplit=1)[-1]
        assert f"published to cache {key}" in made
        assert f"taken from cache {key}" in again
        assert "it/s" not in again
    for one, other in zip(trained, taken, strict=True):
        assert one["files"] == other["files"]
    assert (metrics["task"], metrics["model"]) == ("sid", "mini")
    assert (others["task"], others["model"]) == ("who", "mine")
    assert {key: value for key, value in metrics.items() if others[key] != value}.keys() == {"task", "model"}
