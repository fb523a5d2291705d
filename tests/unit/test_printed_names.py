"""Names from outside, printed by the command lines: nothing in them moves a cursor."""

import subprocess
import sys

import pytest

from property_neurons.cache.__main__ import main as cache
from property_neurons.doctor.__main__ import main as doctor
from property_neurons.errors import printable, printable_lines

NAME = "a\x1b[2J\x1b[Hb"
SHOWN = r"a\x1b[2J\x1b[Hb"


def test_lines_stay_and_what_moves_a_cursor_does_not():
    assert printable_lines(f"one\n\t{NAME}\r\udcff") == rf"one{chr(10)}{chr(9)}{SHOWN}\r\udcff"
    assert printable(f"one\n{NAME}") == rf"one\n{SHOWN}"


def test_the_cache(tmp_path, capsys):
    assert cache(["list", str(tmp_path / NAME)]) == 1
    assert SHOWN in capsys.readouterr().out


@pytest.mark.parametrize("key", ["results", NAME])
def test_the_doctor_of_a_config(tmp_path, capsys, key):
    import json

    config = tmp_path / f"{NAME}.json"
    config.write_text(json.dumps({key: NAME}))
    assert doctor(["--configfile", str(config)]) == 1
    printed = capsys.readouterr().out
    assert SHOWN in printed
    assert "\x1b" not in printed


@pytest.mark.parametrize(
    "command",
    [
        ["property_neurons.editing", "groups", NAME],
        ["property_neurons.models.onnx_export", NAME, "x.onnx"],
        ["property_neurons.models.melhubert.conversion", NAME, "to", "--statistics", "x.npy"],
    ],
    ids=lambda command: command[0],
)
@pytest.mark.slow
def test_other_commands(tmp_path, command):
    ended = subprocess.run(
        [sys.executable, "-m", *command], cwd=tmp_path, capture_output=True, encoding="utf-8", check=False
    )
    assert ended.returncode == 1
    assert "\x1b" not in ended.stderr + ended.stdout
