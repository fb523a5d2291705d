"""What a release says of itself is the same in every place."""

import re
import tomllib
from pathlib import Path

import yaml

import property_neurons

ROOT = Path(__file__).resolve().parents[2]


def test_one_version_and_one_date():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert property_neurons.__version__ == citation["version"] == version
    assert f"version = {{{version}}}" in (ROOT / "README.md").read_text()
    dated = re.findall(r"^## (\S+), (\d{4}-\d\d-\d\d)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert (version, str(citation["date-released"])) in dated
