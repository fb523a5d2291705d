"""Fixtures for every tier of tests."""

import os
from pathlib import Path

import pytest
from xdist.scheduler import LoadFileScheduling

# Before anything imports torch or numpy. As many processes run tests as there are cores, or more: with several threads
# each, these would wait for one another, and use the cores while they wait.
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def sample_data() -> Path:
    """The LibriSpeech sample: a folder with LibriSpeech/ and alignments/, named by PROPERTY_NEURONS_DATA."""
    root = Path(os.environ.get("PROPERTY_NEURONS_DATA", ROOT.parent / "shared" / "data"))
    if not (root / "LibriSpeech").is_dir():
        pytest.skip(f"no LibriSpeech sample at {root}; set PROPERTY_NEURONS_DATA to a folder that holds one")
    return root


class Together(LoadFileScheduling):
    """Files of tests go to processes whole; those that share the run of tests/integration/conftest.py to one."""

    SHARING = ("test_corpus", "test_own_data", "test_pruning", "test_rerun", "test_run", "test_texts")

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return "tests/integration" if file in {f"tests/integration/{name}.py" for name in self.SHARING} else file


def pytest_collection_modifyitems(items):
    """The runs of the workflow first: what takes longest must not begin last, with one process idle beside it."""
    items.sort(key=lambda item: item.get_closest_marker("integration") is None)


def pytest_xdist_make_scheduler(config, log):
    """Several runs of the default configuration would cost minutes and show no more than one."""
    return Together(config, log) if config.getoption("dist") == "loadfile" else None
