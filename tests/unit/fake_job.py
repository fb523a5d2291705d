"""What a script's `snakemake` object is to `job_log`."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any


def fake_job(log: str | Path, inputs: Sequence = (), outputs: Sequence = (), **params: Any) -> SimpleNamespace:
    """A job with such a log, input and output files, and params."""
    return SimpleNamespace(log=[str(log)], input=inputs, output=outputs, params=params)
