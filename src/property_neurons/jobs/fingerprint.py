"""Fingerprints of the library's own code, so that a rule re-runs when code that can change its result changes.

A fingerprint covers the modules that a rule names and all modules of this package that they import, at the top or
inside functions, but for `OUTSIDE`. Comments, docstrings, formatting and what stands under `if TYPE_CHECKING:` do not
count. Modules are read, never imported. What cannot be seen: data files, and modules imported by a computed name.

Parsing the whole package takes a tenth of a second, and Snakemake reads its rules anew in every job. So what was
found in a file is kept in __pycache__, and used again while the file's bytes stay the same: 10 ms. (Where
PYTHONDONTWRITEBYTECODE is set, nothing is kept.)

docs/development.md has the table of what re-runs after an edit of each module.
"""

import ast
import contextlib
import difflib
import functools
import hashlib
import importlib.util
import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from property_neurons.errors import CodeChangedError, ConfigError

_PACKAGE = "property_neurons"
_ROOT = Path(__file__).parents[1]
OUTSIDE = (
    "errors",
    "progress",
    "stores",
    "jobs",
    "corpus.audio",
    "corpus.containers",
    "corpus.recordings",
    "corpus.codes",
    "corpus.group_names",
    "training.checkpoints",
    "training.progress_bar",
)
"""Modules and folders that no fingerprint covers: messages, refusals, storage, locks, reading audio, resuming.

They carry a result, and do not make it. One that has to count all the same, after a fix that changes results, is given
a line `RESULT_VERSION = 2`: of these modules that line counts, and nothing else.
"""
_PLANNED = "PROPERTY_NEURONS_PLANNED_CODE"
# Load or store follows from where a name stands; u"" is "".
_REDUNDANT_FIELDS = frozenset({"ctx", "kind"})


def code_fingerprint(*modules: str, root: str | Path | None = None) -> str:
    """A digest (16 hex digits) of the code of `modules` and of all they import, followed by the names of `modules`.

    Each file is read once per process.

    Args:
        modules: full names, such as "property_neurons.corpus.pitch".
        root: the package's folder; that of the running library by default.

    Raises:
        ConfigError: no module is named, or one that is named or imported does not exist.
        SyntaxError: a module is not valid Python.
    """
    return _fingerprint(modules, _package(Path(root or _ROOT)))


def planned_fingerprint(*modules: str) -> str:
    """`code_fingerprint` as it was when the run was planned.

    A job on a cluster reads the rules again, and the code may have changed since. So the job takes the fingerprints of
    the planning process from the environment, and `check_code` compares the code with these.
    """
    planned = json.loads(os.environ.get(_PLANNED, "{}"))
    key = " ".join(modules)
    if key not in planned:
        planned[key] = code_fingerprint(*modules)
        os.environ[_PLANNED] = json.dumps(planned)
    return planned[key]


def forget_planned() -> None:
    """Begin a plan: forget the fingerprints of another run in the environment."""
    os.environ.pop(_PLANNED, None)


def check_code(planned: str) -> None:
    """Check the code on disk against the fingerprint that a job was planned with.

    Raises:
        CodeChangedError: the code has changed.
    """
    digest, *modules = planned.split()
    package = _Package(_ROOT)
    try:
        found, _, _ = _fingerprint(modules, package).partition(" ")
    except (ConfigError, SyntaxError, ValueError, OSError) as error:
        found = f"none ({error})"
    if found != digest:
        raise CodeChangedError(
            f"expected the code that this run was planned with (fingerprint {digest}), found another ({found}). The "
            f"last edit was of {package.newest()}; the job depends on {', '.join(modules)} and on what "
            "these import. Run snakemake again, and leave that code as it is while jobs run"
        )


def code_of_file(file: str | Path) -> str:
    """A digest of the code of one file, such as a job's script, without comments, docstrings and formatting.

    Raises:
        OSError, SyntaxError: there is no such file, or it is not valid Python.
    """
    content = Path(file).read_bytes()
    return _summarise("script", Path(file), content, _digest(content)).code


def covered_modules(*modules: str, root: str | Path | None = None) -> list[str]:
    """The names of all modules that the fingerprint of `modules` covers, sorted, without the package's own name."""
    reached = _package(Path(root or _ROOT)).reachable_code(modules)
    return [module.removeprefix(f"{_PACKAGE}.") for module, _ in reached]


def _fingerprint(modules: Iterable[str], package: "_Package") -> str:
    if not modules:
        raise ConfigError("code_fingerprint: expected the names of modules, found none; name those that the rule runs")
    code = "\n".join(f"{module} {digest}" for module, digest in package.reachable_code(modules))
    return " ".join([hashlib.blake2b(code.encode(), digest_size=8).hexdigest(), *sorted(modules)])


def _is_outside(module: str) -> bool:
    name = module.removeprefix(f"{_PACKAGE}.")
    return any(name == outside or name.startswith(f"{outside}.") for outside in OUTSIDE)


class _Summary(NamedTuple):
    """What counts about one file.

    source, code, version: digests of its bytes, of its normalised code, of its `RESULT_VERSION`; "" where it has none.
    imports: [module, name] of each import of this package's modules; name is "" for `import module`.
    """

    source: str
    code: str
    version: str
    imports: list[list[str]]


@functools.cache
def _package(root: Path) -> "_Package":
    return _Package(root)


@functools.cache
def _kept_summaries(root: Path) -> "_KeptSummaries":
    return _KeptSummaries(root)


class _Package:
    """The modules below one folder, each as it was when first read."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._files: dict[str, Path | None] = {}
        self._summaries: dict[str, _Summary] = {}
        self._kept = _kept_summaries(root)

    def reachable_code(self, modules: Iterable[str]) -> list[tuple[str, str]]:
        """(module, digest of its code) of `modules` and all they import that count, sorted by name."""
        found: dict[str, str] = {}
        waiting = [(loaded, "code_fingerprint") for module in modules for loaded in self._with_packages(module)]
        while waiting:
            module, wanted_by = waiting.pop()
            if module in found:
                continue
            summary = self._summary(module, wanted_by)
            outside = _is_outside(module)
            found[module] = summary.version if outside else summary.code
            for base, name in summary.imports:
                whole = f"{base}.{name}"
                target = whole if name and self._file(whole) else base
                if not outside or _is_outside(target):
                    waiting += [(loaded, module) for loaded in self._with_packages(target)]
        self._kept.update(self._summaries)
        return sorted((module, code) for module, code in found.items() if code)

    def newest(self) -> str:
        """The newest of the files that were read, and when it was written."""
        times = {}
        for file in filter(None, self._files.values()):
            with contextlib.suppress(OSError):
                times[file] = file.stat().st_mtime
        if not times:
            return f"{self._root}, where nothing is left"
        file = max(times, key=times.__getitem__)
        return f"{file} ({time.ctime(times[file])})"

    def _with_packages(self, module: str) -> list[str]:
        """A module and its packages, whose __init__ Python runs; not the top package, which only holds the version."""
        parts = module.split(".")
        packages = (".".join(parts[:depth]) for depth in range(2, len(parts)))
        return [module, *(package for package in packages if self._file(package))]

    def _summary(self, module: str, wanted_by: str) -> _Summary:
        if module not in self._summaries:
            file = self._file(module)
            if file is None:
                raise ConfigError(self._unknown(module, wanted_by))
            content = file.read_bytes()
            source = _digest(content)
            self._summaries[module] = self._kept.find(module, source) or _summarise(module, file, content, source)
        return self._summaries[module]

    def _file(self, module: str) -> Path | None:
        if module not in self._files:
            self._files[module] = self._find_file(module)
        return self._files[module]

    def _find_file(self, module: str) -> Path | None:
        package, *parts = module.split(".")
        if package != _PACKAGE:
            return None
        path = self._root.joinpath(*parts)
        candidates = [path / "__init__.py", *([path.with_suffix(".py")] if parts else [])]
        return next((file for file in candidates if file.is_file()), None)

    def _unknown(self, module: str, wanted_by: str) -> str:
        paths = (file.relative_to(self._root).with_suffix("") for file in self._root.rglob("*.py"))
        known = [".".join([_PACKAGE, *path.parts]).removesuffix(".__init__") for path in paths]
        near = difflib.get_close_matches(module, sorted(known), n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        return f"{wanted_by}: expected a module below {self._root}, found no {module}{hint}; correct the name there"


class _KeptSummaries:
    """Summaries from earlier processes, in one JSON file beside the compiled modules."""

    def __init__(self, root: Path) -> None:
        # Python's own rule for where its caches go.
        self._path = Path(importlib.util.cache_from_source(str(root / "fingerprints.py"))).with_suffix(".json")
        self._maker = _digest(Path(__file__).read_bytes())
        self._summaries: dict[str, _Summary] = {}
        # A file that is absent, damaged or another version's is as good as none.
        with contextlib.suppress(OSError, ValueError, TypeError, AttributeError, LookupError):
            content = json.loads(self._path.read_text(encoding="utf-8"))
            if content["maker"] == self._maker:
                self._summaries = {module: _Summary(*values) for module, values in content["modules"].items()}

    def find(self, module: str, source: str) -> _Summary | None:
        """The summary of a module whose file has this digest, if one was kept."""
        summary = self._summaries.get(module)
        return summary if summary and summary.source == source else None

    def update(self, summaries: dict[str, _Summary]) -> None:
        """Keep new summaries for later processes, where the folder can be written to."""
        merged = self._summaries | summaries
        if merged == self._summaries:
            return
        self._summaries = merged
        if sys.dont_write_bytecode:
            return
        temporary = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(exist_ok=True)
            temporary.write_text(json.dumps({"maker": self._maker, "modules": merged}), encoding="utf-8")
            temporary.replace(self._path)


def _summarise(module: str, file: Path, content: bytes, source: str) -> _Summary:
    tree = ast.parse(content, filename=str(file))
    version = [node.value for node in tree.body if isinstance(node, ast.Assign) and _names(node) == ["RESULT_VERSION"]]
    pieces: list[str] = []
    imports: list[ast.Import | ast.ImportFrom] = []
    _write_out(tree, pieces.append, imports.append)
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    own = sorted({pair for node in imports for pair in _own_imports(node, package)})
    code = _digest("".join(pieces).encode()) if tree.body else ""
    return _Summary(source, code, _digest(ast.dump(version[-1]).encode()) if version else "", list(map(list, own)))


def _names(node: ast.Assign) -> list[str | None]:
    return [getattr(target, "id", None) for target in node.targets]


def _write_out(value: Any, write: Callable[[str], None], found_import: Callable[[ast.stmt], None]) -> None:
    """Write a tree as text that is the same in all Python versions, which that of ast.dump and ast.unparse is not.

    That matters: with --sdm conda a job may run under another Python than the one that planned it. Fields that are
    empty are left out, because each version has its own set of those.
    """
    if isinstance(value, ast.AST):
        _strip(value)
        if isinstance(value, ast.Import | ast.ImportFrom):
            found_import(value)
        write(f"{type(value).__name__}(")
        for field in value._fields:
            item = getattr(value, field, None)
            if item is not None and item != [] and field not in _REDUNDANT_FIELDS:
                write(f"{field}=")
                _write_out(item, write, found_import)
        write(")")
    elif isinstance(value, list):
        write("[")
        for item in value:
            _write_out(item, write, found_import)
            write(",")
        write("]")
    else:
        # ascii: which characters repr escapes depends on the version's Unicode tables.
        write(ascii(value))


def _strip(node: ast.AST) -> None:
    """Remove from a node what never counts: docstrings, and code that only a type checker reads."""
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        first = node.body[0].value if node.body and isinstance(node.body[0], ast.Expr) else None
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            node.body = node.body[1:]
    elif isinstance(node, ast.If):
        if getattr(node.test, "attr", getattr(node.test, "id", None)) == "TYPE_CHECKING":
            node.body = []
    elif isinstance(node, ast.JoinedStr):
        # CPython 3.12.0 and 3.12.1 end some format specifications with an empty piece.
        node.values = [value for value in node.values if getattr(value, "value", None) != ""]


def _own_imports(node: ast.Import | ast.ImportFrom, package: str) -> list[tuple[str, str]]:
    """(module, name) of what a statement in a module of `package` imports from this package."""
    if isinstance(node, ast.Import):
        pairs = [(alias.name, "") for alias in node.names]
    else:
        # One dot is the package itself, each further one its parent.
        parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
        base = ".".join([*parents, *([node.module] if node.module else [])])
        pairs = [(base, alias.name) for alias in node.names]
    return [pair for pair in pairs if pair[0].split(".")[0] == _PACKAGE]


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()
