"""Text is read and written as UTF-8 whatever the locale: every call says so."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(file for folder in ("src", "workflow", "benchmarks") for file in (ROOT / folder).rglob("*.py"))


def without_encoding(tree):
    """The calls that read or write text in the encoding of the locale."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        given = {keyword.arg: keyword.value for keyword in node.keywords}
        if "encoding" in given:
            continue
        modes = [value.value for value in (*node.args, *given.values()) if isinstance(value, ast.Constant)]
        binary = any(isinstance(mode, str) and "b" in mode and len(mode) <= 3 for mode in modes)
        text = name in ("read_text", "write_text") or (name in ("open", "fdopen", "NamedTemporaryFile") and not binary)
        pipe = {"text", "universal_newlines"} & set(given)
        if pipe or (text and not is_of_this_project(node.func)):
            yield f"{ast.unparse(node)[:80]} in line {node.lineno}"


def is_of_this_project(function):
    """Reading through `stores.outside` says its encoding itself; `os.open` and the like open no text."""
    return (isinstance(function, ast.Name) and function.id == "read_text") or (
        isinstance(function, ast.Attribute)
        and isinstance(function.value, ast.Name)
        and function.value.id in ("outside", "os", "wave", "soundfile", "zarr", "tarfile", "zipfile")
        and function.attr == "open"
    )


def test_every_text_is_utf_8():
    found = {str(file.relative_to(ROOT)): list(without_encoding(ast.parse(file.read_text("utf-8")))) for file in FILES}
    assert not {file: calls for file, calls in found.items() if calls}
