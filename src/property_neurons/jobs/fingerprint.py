"""Fingerprints of the library's own code, so that a rule re-runs when code it runs changes, and only then.

A fingerprint covers the named modules and all modules of this package that they import, at the top or inside
functions. Comments, docstrings, formatting and what stands under `if TYPE_CHECKING:` do not count. The syntax tree
is written out by `_write_out` and not by `ast.dump` or `ast.unparse`, whose text differs between Python versions.
Modules are read, never imported. What cannot be seen: data files, and modules imported by a computed name.

Parsing the whole package takes a tenth of a second, and Snakemake reads its rules anew in every job. So what was
found in a file is kept in __pycache__, and used again while the file's bytes stay the same: 10 ms. (Where
PYTHONDONTWRITEBYTECODE is set, nothing is kept.)
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
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from property_neurons.errors import ConfigError

_PACKAGE = "property_neurons"
# They hold messages only, and never change a result.
_WITHOUT_RESULT = frozenset({"property_neurons.errors", "property_neurons.progress"})
# Load or store follows from where a name stands; u"" is "".
_REDUNDANT_FIELDS = frozenset({"ctx", "kind"})


def code_fingerprint(*modules: str, root: str | Path | None = None) -> str:
    """A digest (16 hex digits) of the code of `modules` and of all property_neurons modules they import.

    Each file is read once per process.

    Args:
        modules: full names, such as "property_neurons.corpus.pitch".
        root: the package's folder; that of the running library by default.

    Raises:
        ConfigError: no module is named, or one that is named or imported does not exist.
        SyntaxError: a module is not valid Python.
    """
    if not modules:
        raise ConfigError("code_fingerprint: expected the names of modules, found none; name those that the rule runs")
    package = _package(Path(__file__).parents[1] if root is None else Path(root))
    code = "\n".join(f"{module} {digest}" for module, digest in package.reachable_code(modules))
    return hashlib.blake2b(code.encode(), digest_size=8).hexdigest()


class _Summary(NamedTuple):
    """What counts about one file.

    source, code: digests of its bytes and of its normalised code.
    imports: [module, name] of each import of this package's modules; name is "" for `import module`.
    """

    source: str
    code: str
    imports: list[list[str]]


@functools.cache
def _package(root: Path) -> "_Package":
    return _Package(root)


class _Package:
    """The modules below one folder, each as it was when first read."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._files: dict[str, Path | None] = {}
        self._summaries: dict[str, _Summary] = {}
        self._kept = _KeptSummaries(root)

    def reachable_code(self, modules: Iterable[str]) -> list[tuple[str, str]]:
        """(module, digest of its code) of `modules` and all they import, sorted by name."""
        found: dict[str, str] = {}
        waiting = [(loaded, "code_fingerprint") for module in modules for loaded in self._with_packages(module)]
        while waiting:
            module, wanted_by = waiting.pop()
            if module in found or module in _WITHOUT_RESULT:
                continue
            summary = self._summary(module, wanted_by)
            found[module] = summary.code
            for base, name in summary.imports:
                whole = f"{base}.{name}"
                target = whole if name and self._file(whole) else base
                waiting += [(loaded, module) for loaded in self._with_packages(target)]
        self._kept.update(self._summaries)
        return sorted(found.items())

    def _with_packages(self, module: str) -> list[str]:
        """A module and the packages it lies in, whose __init__ Python runs; the top one only holds the version."""
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
            content = json.loads(self._path.read_text())
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
            temporary.write_text(json.dumps({"maker": self._maker, "modules": merged}))
            temporary.replace(self._path)


def _summarise(module: str, file: Path, content: bytes, source: str) -> _Summary:
    tree = ast.parse(content, filename=str(file))
    pieces: list[str] = []
    imports: list[ast.Import | ast.ImportFrom] = []
    _write_out(tree, pieces.append, imports.append)
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    own = sorted({pair for node in imports for pair in _own_imports(node, package)})
    return _Summary(source, _digest("".join(pieces).encode()), [list(pair) for pair in own])


def _write_out(node: ast.AST, write: Callable[[str], None], found_import: Callable[[ast.stmt], None]) -> None:
    """Write a tree as text that is the same in all Python versions: node and field names, constants, brackets.

    Fields that are empty are left out, because each version has its own set of those.
    """
    if isinstance(node, ast.Import | ast.ImportFrom):
        found_import(node)
    write(f"{type(node).__name__}(")
    if isinstance(node, ast.Constant):
        # ascii: which characters repr escapes depends on the version's Unicode tables.
        write(ascii(node.value))
    else:
        for field in node._fields:
            value = getattr(node, field, None)
            if value is None or value == [] or field in _REDUNDANT_FIELDS:
                continue
            write(f"{field}=")
            if isinstance(value, ast.AST):
                _write_out(value, write, found_import)
            elif isinstance(value, list):
                _write_out_list(_counting(node, field, value), write, found_import)
            else:
                write(ascii(value))
            write(",")
    write(")")


def _write_out_list(items: list, write: Callable[[str], None], found_import: Callable[[ast.stmt], None]) -> None:
    write("[")
    for item in items:
        if isinstance(item, ast.AST):
            _write_out(item, write, found_import)
        else:
            write(ascii(item))
        write(",")
    write("]")


def _counting(node: ast.AST, field: str, items: list) -> list:
    """The items that count: no docstring, nothing that only a type checker reads, no empty piece of an f-string."""
    if isinstance(node, ast.JoinedStr):
        # CPython 3.12.0 and 3.12.1 end some format specifications with one.
        return [item for item in items if getattr(item, "value", None) != ""]
    if field != "body":
        return items
    if isinstance(node, ast.If) and _is_type_checking(node.test):
        return []
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        first = items[0].value if isinstance(items[0], ast.Expr) else None
        return items[1:] if isinstance(first, ast.Constant) and isinstance(first.value, str) else items
    return items


def _is_type_checking(test: ast.expr) -> bool:
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", None)
    return name == "TYPE_CHECKING"


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
