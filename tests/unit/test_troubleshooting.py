"""Each code of a corpus's report has its entry in the documentation."""

import re
from pathlib import Path

import pytest

from property_neurons.corpus.codes import CODES


@pytest.mark.parametrize("page", ["corpora", "troubleshooting"])
def test_every_code_is_explained(page):
    named = set(re.findall(r"`(\w+)`", Path(f"docs/{page}.md").read_text()))
    assert set(CODES) <= named
