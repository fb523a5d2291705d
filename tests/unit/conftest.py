"""Fixtures of the unit tests."""

from unittest import mock

import pytest
from figure_inputs import assert_legible

from property_neurons.corpus import audio
from property_neurons.figures import style


@pytest.fixture(scope="module", autouse=True)
def made_speech(request):
    """What a test module calls `SPEECH`, a function like `read_audio`, gives the speech: no files are read."""
    with mock.patch.object(audio, "read_audio", getattr(request.module, "SPEECH", audio.read_audio)):
        yield


@pytest.fixture
def legible(monkeypatch):
    """Hold every figure that a test draws against `assert_legible`."""
    save = style.save

    def checked(figure, table, out):
        save(figure, table, out)
        assert_legible(figure)

    monkeypatch.setattr(style, "save", checked)
