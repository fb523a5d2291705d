"""The command lines that docs/commands.md lists."""

import re
import runpy
import sys
from pathlib import Path

import pytest

LISTED = re.findall(r"python -m (property_neurons[\w.]*)", Path("docs/commands.md").read_text())
INTERNAL = {"corpus/espeak_process.py", "jobs/parallel.py", "pretraining/stage.py"}


def test_every_command_is_listed():
    package = Path("src/property_neurons")
    runnable = {path for path in package.rglob("*.py") if '__name__ == "__main__"' in path.read_text()}
    names = {
        ".".join(path.relative_to("src").with_suffix("").parts).removesuffix(".__main__")
        for path in runnable
        if path.relative_to(package).as_posix() not in INTERNAL
    }
    assert names == set(LISTED)


@pytest.mark.filterwarnings("ignore:.*found in sys.modules")
@pytest.mark.parametrize("name", sorted(set(LISTED)))
def test_every_command_has_help(name, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    with pytest.raises(SystemExit) as end:
        runpy.run_module(name, run_name="__main__", alter_sys=False)
    assert not end.value.code
    assert f"usage: python -m {name} " in " ".join(capsys.readouterr().out.split())
