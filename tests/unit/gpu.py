"""Tests that need a GPU: `pytest -n 0 -m gpu`. What takes a device runs on the CPU too, and so is known to work."""

import pytest
import torch

_GPU = (
    pytest.mark.gpu,
    pytest.mark.skipif(
        not torch.cuda.is_available(), reason="torch finds no GPU here; where it does: pytest -n 0 -m gpu"
    ),
)
DEVICES = ["cpu", pytest.param("cuda", marks=_GPU)]


def on_gpu(test):
    """Mark a test that runs on a GPU alone."""
    for mark in _GPU:
        test = mark(test)
    return test
