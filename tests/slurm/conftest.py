"""A Slurm for the whole session, and one undisturbed run through it that faults are held against."""

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.project import ENVIRONMENT, ROOT, Project
from tests.slurm.cluster import Cluster, Ending, running_cluster

SHORT = {"steps": 20, "batch_size": 4, "evaluate_every": 10, "save_every": 10, "log_every": 5}
TARGET = "results/figures/fig6.pdf"
# What this machine needs beside the profile that ships: few cores, no network file system.
OPTIONS = [
    *("--slurm-init-seconds-before-status-checks", "2"),
    *("--latency-wait", "10"),
    *("--jobs", "3"),
    *("--set-threads", "pretrain=2"),
]


def reduced_default() -> dict[str, Any]:
    """The shipped default configuration with less speech, fewer arms and short trainings."""
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    config["corpora"]["demo"] |= {"voices": 6, "minutes": 3, "shards": 3, "pitch": {"method": "praat"}}
    for task in config["tasks"].values():
        task |= SHORT
    study = config["pruning"]["general"]
    study |= {"arms": ["protect", "random_protect"], "properties": ["phone", "gender"], "tasks": ["pr", "f0"]}
    study["fine_tuning"]["validation_share"] = 0.2
    study["fine_tuning"]["stage"] |= SHORT | {
        "steps": 4,
        "evaluate_every": 2,
        "save_every": 2,
        "log_every": 1,
        "crop_seconds": 1,
    }
    study["fine_tuning"]["stage"]["targets"]["clusters"] = 8
    return config


def pytest_addoption(parser):
    parser.addoption("--accounting", action="store_true", help="a Slurm with a database, so that sacct says something")


@dataclass(frozen=True)
class Run:
    """A finished project.

    endings: of its Slurm jobs.
    seconds: that snakemake took.
    """

    project: Project
    printed: str
    endings: list[Ending]
    seconds: float


def start(project: Project, *targets: str, log: Path, more: Sequence[str] = ()) -> subprocess.Popen:
    """Start snakemake through the shipped profile; never without a time limit, for it can wait for ever."""
    command = ["timeout", "-k", "10", "3000", sys.executable, "-m", "snakemake", "--profile", "slurm"]
    with log.open("w", encoding="utf-8") as out:
        return subprocess.Popen(
            [*command, *targets, *OPTIONS, *more],
            cwd=project.folder,
            env=ENVIRONMENT,
            stdout=out,
            stderr=subprocess.STDOUT,
        )


@pytest.fixture(scope="session")
def cluster(tmp_path_factory, request) -> Iterator[Cluster]:
    accounting = request.config.getoption("--accounting")
    with running_cluster(tmp_path_factory.mktemp("slurm"), accounting=accounting) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def undisturbed(cluster, tmp_path_factory) -> Run:
    folder = tmp_path_factory.mktemp("run")
    project = Project.copy(folder / "project", reduced_default())
    started = time.monotonic()
    running = start(project, TARGET, log=folder / "log")
    running.wait()
    printed = (folder / "log").read_text()
    assert running.returncode == 0, printed[-6000:]
    return Run(project, printed, cluster.endings(), time.monotonic() - started)
