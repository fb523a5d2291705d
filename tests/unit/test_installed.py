"""`pip install .` outside a clone: the library imports, finds what ships with it, and nothing is left in the tree."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
USE = """
import importlib, pkgutil, sys
import property_neurons
from property_neurons.config.load import load_config
from property_neurons.models.loading import load_encoder
from property_neurons.plan.models import source
from property_neurons.plan.paths import shipped

assert property_neurons.__file__.startswith(sys.prefix), property_neurons.__file__
for module in pkgutil.walk_packages(property_neurons.__path__, "property_neurons."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
for name in ("resources/demo/sentences.txt", "resources/published.json"):
    assert shipped(name).startswith(sys.prefix), shipped(name)
    assert open(shipped(name)).read()
config = load_config({
    "corpora": {"demo": {"kind": "demo"}},
    "models": {"mini": {"kind": "shipped", "name": "melhubert-mini"}},
    "figures": {"corpus": "demo", "model": "mini"},
})
made_from = source(config, "mini")["path"]
assert made_from.startswith(sys.prefix), made_from
print(len(load_encoder(made_from).sites))
"""


@pytest.mark.slow
def test_an_installed_library_needs_no_clone(tmp_path):
    before = sorted(ROOT.rglob("build")) + sorted(ROOT.rglob("*.egg-info"))
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}

    def run(*command):
        return subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True).stdout

    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", tmp_path / "wheels", ROOT)
    (wheel,) = (tmp_path / "wheels").iterdir()
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv")
    python = tmp_path / "venv/bin/python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", wheel)
    (site,) = (tmp_path / "venv/lib").glob("python*/site-packages")
    # The packages it needs, and not the project itself, whose .pth file is not read here.
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    environment["PYTHONPATH"] = os.pathsep.join([str(site), packages])
    assert int(run(python, "-c", USE)) == 6
    assert sorted(ROOT.rglob("build")) + sorted(ROOT.rglob("*.egg-info")) == before
