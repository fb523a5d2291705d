"""Findings about Python and the packages, with nothing but Python's own library and `packaging`."""

import importlib.metadata
import platform
import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from property_neurons.doctor.finding import Finding

_PYPROJECT = Path(__file__).resolve().parents[3] / "pyproject.toml"
NOT_INSTALLED = "not installed"
_INSTALL = "bash setup.sh, or without it: pip install"


def package_findings(pyproject: Path = _PYPROJECT) -> Iterator[Finding]:
    """Python and every package, against what pyproject.toml asks for.

    A library without its pyproject.toml was installed by a package manager, which has seen to that.
    """
    if not pyproject.is_file():
        return
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    if platform.python_version() not in SpecifierSet(project["requires-python"]):
        expected = f"Python {project['requires-python']}"
        yield Finding("Python", expected, platform.python_version(), "PYTHON=python3.12 bash setup.sh")
    for requirement in map(Requirement, project["dependencies"]):
        expected = f"{requirement.name} {requirement.specifier}"
        remedy = f'{_INSTALL} "{requirement}"'
        try:
            found = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            yield Finding(f"package {requirement.name}", expected, NOT_INSTALLED, remedy)
            continue
        if not requirement.specifier.contains(found, prereleases=True):
            yield Finding(f"package {requirement.name}", expected, found, remedy)
