"""One real run of a reduced default configuration, shared by the tests that ask what runs again."""

import copy
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from property_neurons.corpus.demo import make_demo_corpus
from tests.integration.project import ROOT, Project


def reduced_default() -> dict[str, Any]:
    """The shipped default configuration with less speech, fewer MDS seeds and permutations."""
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    config["corpora"]["demo"] |= {"voices": 4, "minutes": 1.5, "shards": 2}
    config["embedding"] = {"seeds": [0, 1]}
    config["statistics"] = {"permutations": 19, "halves": 2}
    return config


@pytest.fixture(scope="session")
def config() -> dict[str, Any]:
    """The configuration of `finished`; a copy to change at will."""
    return reduced_default()


@pytest.fixture(scope="session")
def cache(tmp_path_factory) -> Path:
    """The cache that `finished` publishes its ranks to."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def _finished(tmp_path_factory, cache) -> tuple[Project, str]:
    """The project, and what its run printed.

    Where PROPERTY_NEURONS_TEST_RUN names a folder, the run is kept there, and taken from there by the next tests of the
    same code: .ci/run starts pytest twice.
    """
    project = Project(tmp_path_factory.mktemp("run") / "project")
    kept = Path(os.environ.get("PROPERTY_NEURONS_TEST_RUN") or tmp_path_factory.mktemp("kept"))
    printed = kept / "printed"
    if printed.exists():
        _copy(kept / "project", project.folder)
        _copy(kept / "cache", cache)
    else:
        Project.copy(project.folder, reduced_default() | {"cache": str(cache)})
        text = project.snakemake()
        # What tests make again from here on is made, and not taken.
        project.configure(reduced_default())
        if "PROPERTY_NEURONS_TEST_RUN" in os.environ:
            _copy(project.folder, kept / "project")
            _copy(cache, kept / "cache")
        printed.write_text(text)
    return project, printed.read_text()


def _copy(source: Path, to: Path) -> None:
    """Copy what a folder holds, with its times: Snakemake goes by these."""
    to.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-a", f"{source}/.", to], check=True)


@pytest.fixture(scope="session")
def first_run(_finished) -> str:
    """What the run of `finished` printed."""
    return _finished[1]


@pytest.fixture(scope="session")
def demo_speech(tmp_path_factory) -> Path:
    """Recordings and alignments of four voices of the demo corpus, in the layout of LibriSpeech."""
    folder = tmp_path_factory.mktemp("speech") / "source"
    make_demo_corpus(folder, voices=4, minutes=1.5, seed=0, sentences=ROOT / "resources/demo/sentences.txt")
    return folder


@pytest.fixture
def finished(_finished):
    """A project whose default target has been made; configuration and code are put back after the test."""
    project, _ = _finished
    kept: dict[Path, bytes] = {
        path: path.read_bytes()
        for part in ("config", "src", "rules", "workflow")
        for path in (project.folder / part).rglob("*")
        if path.is_file() and path.suffix in {".yaml", ".py", ".smk"}
    }
    yield project
    for path, content in kept.items():
        if path.read_bytes() != content:
            path.write_bytes(content)


@pytest.fixture
def changed(config):
    """A function that gives the configuration with one value changed: changed("analysis.sigma", 0.7)."""

    def change(key: str, value: Any) -> dict[str, Any]:
        content = copy.deepcopy(config)
        *sections, name = key.split(".")
        section = content
        for step in sections:
            section = section.setdefault(step, {})
        section[name] = value
        return content

    return change
