"""Fixtures of the unit tests."""

import pytest
from figure_inputs import assert_legible

from property_neurons.figures import style


@pytest.fixture
def legible(monkeypatch):
    """Hold every figure that a test draws against `assert_legible`."""
    save = style.save

    def checked(figure, table, out):
        save(figure, table, out)
        assert_legible(figure)

    monkeypatch.setattr(style, "save", checked)
