"""One undisturbed run of a smallest project, and copies of it that drills may hurt."""

from pathlib import Path

import pytest

from tests.drills.drill import CONFIG, TARGETS, Drill
from tests.integration.project import Project


def pytest_addoption(parser):
    parser.addoption("--kills", type=int, default=30, help="how many processes to kill")
    parser.addoption("--seed", type=int, default=0, help="what and when to kill follows from it")
    parser.addoption("--table", type=Path, default=None, help="write what came of the kills to this .tsv")


@pytest.fixture(scope="session")
def drill(tmp_path_factory) -> Drill:
    """The undisturbed run; a test begins by `drill.restore()`."""
    project = Project.copy(tmp_path_factory.mktemp("drill") / "project", CONFIG)
    return Drill.of(project, TARGETS)
