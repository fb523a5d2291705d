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


# Their tests ask what one run of the default configuration made, or what would run again of it.
SHARING = ("test_pruning", "test_rerun", "test_run", "test_texts")
# Runs of the workflow by the time they take: what takes longest must not begin last, with processes idle beside it.
LONGEST_FIRST = (*SHARING, "test_pretraining", "test_studies", "test_erasure", "test_own_data", "test_corpus")


class Together(LoadFileScheduling):
    """Files of tests go to processes whole; those that share the run of tests/integration/conftest.py to one."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return "tests/integration" if file in {f"tests/integration/{name}.py" for name in SHARING} else file


def pytest_collection_modifyitems(items):
    def place(item):
        if item.get_closest_marker("integration") is None:
            return len(LONGEST_FIRST) + 1
        return LONGEST_FIRST.index(item.path.stem) if item.path.stem in LONGEST_FIRST else len(LONGEST_FIRST)

    items.sort(key=place)


def pytest_xdist_make_scheduler(config, log):
    """Several runs of the default configuration would cost minutes and show no more than one."""
    return Together(config, log) if config.getoption("dist") == "loadfile" else None
