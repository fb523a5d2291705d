"""Fixtures for every tier of tests."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def sample_data() -> Path:
    """The LibriSpeech sample: a folder with LibriSpeech/ and alignments/, named by PROPERTY_NEURONS_DATA."""
    root = Path(os.environ.get("PROPERTY_NEURONS_DATA", ROOT.parent / "shared" / "data"))
    if not (root / "LibriSpeech").is_dir():
        pytest.skip(f"no LibriSpeech sample at {root}; set PROPERTY_NEURONS_DATA to a folder that holds one")
    return root
