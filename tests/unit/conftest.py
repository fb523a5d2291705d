"""Fixtures of the unit tests."""

from unittest import mock

import pytest

from property_neurons.corpus import audio


@pytest.fixture(scope="module", autouse=True)
def made_speech(request):
    """What a test module calls `SPEECH`, a function like `read_audio`, gives the speech: no files are read."""
    with mock.patch.object(audio, "read_audio", getattr(request.module, "SPEECH", audio.read_audio)):
        yield
