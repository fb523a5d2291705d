"""Fingerprints of code: what changes them, what does not, and what they reach."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from property_neurons.errors import CodeChangedError, ConfigError
from property_neurons.jobs import fingerprint
from property_neurons.jobs.fingerprint import check_code, code_fingerprint, forget_planned, planned_fingerprint

FILES = {
    "__init__.py": '"""Top."""\n\n__version__ = "1"\n',
    "errors.py": 'class ConfigError(Exception):\n    """Wrong."""\n',
    "progress.py": "def progress(items):\n    return items\n",
    "lone.py": "LONE = 1\n",
    "stores/__init__.py": "",
    "stores/files.py": "from property_neurons.lone import LONE\n\nFILES = LONE\n",
    "typing_only.py": "HINT = 1\n",
    "deep.py": "DEEP = 1\n",
    "lazy.py": "from property_neurons.deep import DEEP\n\nLAZY = DEEP\n",
    "sub/__init__.py": '"""Sub."""\n',
    "sub/module.py": "VALUE = 1\n",
    "sub/sibling.py": "from . import module\nfrom .. import deep\nfrom ..deep import DEEP\n",
    "attribute.py": "from property_neurons.deep import DEEP\n",
    "plain.py": "import property_neurons.sub.module as m\n",
    "loop_a.py": "import property_neurons.loop_b\n",
    "loop_b.py": "from property_neurons import loop_a\n\nB = 1\n",
    "main.py": '''
        """What it does."""

        from typing import TYPE_CHECKING

        from property_neurons.errors import ConfigError
        from property_neurons.progress import progress
        from property_neurons.stores import files
        from property_neurons.sub import module

        if TYPE_CHECKING:
            from property_neurons.typing_only import HINT


        class Thing:
            """A thing."""

            size = 3  # three


        def run(x, *, y=None):
            """Run.

            More.
            """
            from property_neurons.lazy import LAZY

            return [LAZY, module.VALUE, f"{x!r:>{10}}", "text", y]
    ''',
}
MAIN = "property_neurons.main"

Edit = Callable[..., str]


@pytest.fixture
def edit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Edit:
    """Make a copy of the small package in which `old` is `new` in one file, and give a module's fingerprint."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    copies = iter(range(100))

    def make(file: str = "main.py", old: str = "", new: str = "", module: str = MAIN) -> str:
        root = tmp_path / str(next(copies)) / "property_neurons"
        for name, text in FILES.items():
            content = textwrap.dedent(text)
            if name == file:
                assert old in content
                content = content.replace(old, new, 1)
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return code_fingerprint(module, root=root)

    return make


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("main.py", "# three", "# 3, said differently"),
        ("main.py", "What it does.", "What it did."),
        ("main.py", '"""A thing."""\n', ""),
        ("main.py", "More.", "Less."),
        ("main.py", "def run(x, *, y=None):", "def run(\n    x,\n    *,\n    y=None,\n):"),
        ("main.py", '"text"', "('te' 'xt')"),
        ("main.py", '"text"', "u'text'"),
        ("main.py", "size = 3", "size = (3)"),
        ("main.py", "typing_only import HINT", "typing_only import OTHER"),
        ("typing_only.py", "1", "2"),
        ("lone.py", "1", "2"),
        ("errors.py", "Exception", "ValueError"),
        ("progress.py", "return items", "return list(items)"),
        ("stores/files.py", "FILES = LONE", "FILES = -LONE"),
        ("__init__.py", '"1"', '"2"'),
        ("sub/sibling.py", "deep", "lone"),
        ("sub/__init__.py", "Sub.", "Subpackage."),
    ],
)
def test_what_does_not_run_does_not_count(edit, file, old, new):
    assert edit(file, old, new) == edit()


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("main.py", "size = 3", "size = 4"),
        ("main.py", "size = 3", "size = 3.0"),
        ("main.py", "size = 3", "size = None"),
        ("main.py", "y=None", "y=0"),
        ("main.py", '"text"', 'b"text"'),
        ("main.py", '"text"', '"other"'),
        ("main.py", "!r", "!s"),
        ("main.py", ">{10}", "<{10}"),
        ("main.py", ">{10}", ">{11}"),
        ("main.py", "*, y", "y"),
        ("main.py", "return [", "yield ["),
        ("main.py", "# three", "\n    'not a docstring'"),
        ("sub/module.py", "1", "2"),
        ("lazy.py", "LAZY = DEEP", "LAZY = -DEEP"),
        ("deep.py", "1", "2"),
        ("sub/__init__.py", '"""Sub."""', "import os"),
        ("stores/files.py", "FILES = LONE", "FILES = LONE\nRESULT_VERSION = 2"),
    ],
)
def test_what_runs_counts(edit, file, old, new):
    assert edit(file, old, new) != edit()


@pytest.mark.parametrize(
    ("module", "file", "old"),
    [
        ("property_neurons.attribute", "deep.py", "1"),
        ("property_neurons.plain", "sub/module.py", "1"),
        ("property_neurons.sub.sibling", "sub/module.py", "1"),
        ("property_neurons.sub.sibling", "deep.py", "1"),
        ("property_neurons.loop_a", "loop_b.py", "1"),
        ("property_neurons", "__init__.py", '"1"'),
    ],
)
def test_every_form_of_import_is_followed(edit, module, file, old):
    assert edit(file, old, "'edited'", module) != edit(module=module)


def test_else_of_type_checking_counts(edit):
    block = "from property_neurons.typing_only import HINT\n"
    both = f"{block}else:\n    HINT = 1\n"
    assert edit(old=block, new=both) != edit(old=block, new=both.replace("HINT = 1", "HINT = 2"))


def test_of_a_module_outside_only_its_version_counts(edit):
    with_version = "FILES = LONE\nRESULT_VERSION = 2"
    before = edit("stores/files.py", "FILES = LONE", with_version)
    assert edit("stores/files.py", "FILES = LONE", f"{with_version}\nADDED = 1") == before
    assert edit("stores/files.py", "FILES = LONE", with_version.replace("2", "3")) != before


def test_a_job_compares_the_code_on_disk_with_the_planned_fingerprint(edit, tmp_path, monkeypatch):
    planned = edit()
    root = tmp_path / "0/property_neurons"
    monkeypatch.setattr(fingerprint, "_ROOT", root)
    check_code(planned)
    text = (root / "deep.py").read_text()
    for broken in ("DEEP = 2\n", "DEEP = \n"):
        (root / "deep.py").write_text(broken)
        with pytest.raises(CodeChangedError, match=r"last edit was of .*deep\.py .*depends on property_neurons\.main "):
            check_code(planned)
    (root / "deep.py").write_text(f"# As before.\n{text}")
    check_code(planned)


def test_a_job_that_reads_the_rules_anew_gets_the_planned_fingerprint(monkeypatch):
    monkeypatch.delenv("PROPERTY_NEURONS_PLANNED_CODE", raising=False)
    planned = planned_fingerprint("property_neurons.corpus.phones")
    assert planned == code_fingerprint("property_neurons.corpus.phones")
    monkeypatch.setattr(fingerprint, "code_fingerprint", None)
    assert planned_fingerprint("property_neurons.corpus.phones") == planned
    monkeypatch.setattr(fingerprint, "code_fingerprint", lambda module: "another")
    forget_planned()
    assert planned_fingerprint("property_neurons.corpus.phones") == "another"


def test_several_modules_count_together_in_any_order():
    one, other = "property_neurons.corpus.phones", "property_neurons.stores.files"
    assert code_fingerprint(one, other) == code_fingerprint(other, one)
    assert len({code_fingerprint(one), code_fingerprint(other), code_fingerprint(one, other)}) == 3


def test_an_unknown_module_is_named_with_its_neighbour(edit):
    with pytest.raises(ConfigError, match=r"code_fingerprint: .*did you mean property_neurons\.sub\.module\?\)"):
        edit(module="property_neurons.sub.modul")
    with pytest.raises(
        ConfigError, match=r"property_neurons\.lazy: .*no property_neurons\.depe.*property_neurons\.deep"
    ):
        edit("lazy.py", "property_neurons.deep", "property_neurons.depe")
    with pytest.raises(ConfigError, match="no numpy"):
        edit(module="numpy")
    with pytest.raises(ConfigError, match="found none"):
        code_fingerprint()


def test_the_digest_is_the_same_in_every_python_version(tmp_path):
    """The value was computed alike by CPython 3.11, 3.12 and 3.13."""
    source = """
        import a.b as c
        async def f(a, /, b: int = 1, *args: str, c, d=None, **kwargs) -> "list[int]":
            async with a as b, c: await d
            async for x in y: pass
            return [*a, {**b, "k": None}, {1, 2}, (x async for x in y if x)]
        class K(A, metaclass=M):
            x: int
            (y): float = -1.5e300
            @property
            def p(self): return self.x[1:, ::2, ...] if (n := 1j) else b"\\xff"
        def g():
            global z
            try: z = lambda *a, k=1: (yield)
            except* (E, F) as e: raise G from e
            else: del z[0]
            finally: assert not z, f"{z=} {z!r:>{w}.{p}} {{}} {'q'}" "tail" f"" rf"\\d{z:%H:%M}"
            while a < b <= c is not d: break
            match x:
                case {"k": [1, *_], **rest} | K(y=2) if z: nonlocal_ = 1
                case None | -1 | "s" as t: continue_ = u"\\u00e9\\U0001FAE8\\n"
                case _: pass
            print(a @ b ** -c // ~d, a if b else c, not e, *f, **g)
    """
    (tmp_path / "property_neurons").mkdir()
    (tmp_path / "property_neurons" / "syntax.py").write_text(textwrap.dedent(source))
    found = code_fingerprint("property_neurons.syntax", root=tmp_path / "property_neurons")
    assert found == "7f5a6ce785757b5d property_neurons.syntax"


def test_what_was_kept_is_used_only_for_the_same_bytes(edit, tmp_path):
    before = edit()
    root = tmp_path / "0" / "property_neurons"
    kept = [path for path in root.rglob("*.json") if path.parent.name == "__pycache__"]
    assert len(kept) == 1
    assert _in_new_process(root) == before
    (root / "deep.py").write_text("DEEP = 2\n")
    edited = _in_new_process(root)
    assert edited == edit("deep.py", "1", "2")
    kept[0].write_text("{damaged")
    assert _in_new_process(root) == edited
    # The kept file is what makes it quick, so it must be in use: a false entry shows.
    content = kept[0].read_text()
    assert '"property_neurons.deep"' in content
    digest = content.split('"property_neurons.deep": ["')[1].split('", "')[1][:32]
    kept[0].write_text(content.replace(digest, "0" * 32))
    assert _in_new_process(root) != edited


def test_nothing_is_kept_where_python_may_not_write_its_caches(edit, tmp_path, monkeypatch):
    before = edit()
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert edit() == before
    assert not list((tmp_path / "1").rglob("*.json"))


def test_modules_are_read_and_not_imported(edit):
    assert edit("deep.py", "DEEP = 1", "DEEP = 1\nraise SystemExit('imported')")


def test_a_file_is_read_once_per_process(edit, tmp_path, monkeypatch):
    before = edit()
    monkeypatch.setattr(Path, "read_bytes", None)
    assert code_fingerprint(MAIN, root=tmp_path / "0" / "property_neurons") == before


def _in_new_process(root: Path) -> str:
    program = (
        f"from property_neurons.jobs.fingerprint import code_fingerprint as f; print(f({MAIN!r}, root={str(root)!r}))"
    )
    return _python(program)


def _python(program: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout.strip()
