"""What every section of the configuration shares."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
)

from property_neurons.corpus.group_names import names_problem


class Section(BaseModel):
    """A section of the configuration: unknown keys are refused, values are not changed after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, allow_inf_nan=False)


def each_once(values: Any) -> Any:
    """A list without repeated items; anything else as it is."""
    if isinstance(values, list) and len(set(values)) < len(values):
        raise ValueError(f"expected each once, found {', '.join(map(str, values))}; leave out the second")
    return values


def check_goes_with(section: Section, needed_by: Mapping[str, str], chosen: str) -> None:
    """Refuse options that are given and would have no effect.

    Args:
        needed_by: option -> the action that it belongs to.
        chosen: the action of the section.

    Raises:
        ValueError: an option of another action is given.
    """
    for option, action in needed_by.items():
        if option in section.model_fields_set and action != chosen:
            raise ValueError(f"{option} belongs to `action: {action}`, found `action: {chosen}`; leave one of them out")


# Names become parts of paths and Snakemake wildcards: no slash, no dot at the start, nothing a shell would read.
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=80)]
Names = Annotated[list[Name], AfterValidator(each_once)]
Seeds = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1), AfterValidator(each_once)]


def _expanded(path: str) -> str:
    """A path with `~`, `$NAME` and `${NAME}` replaced as in a shell; a variable that is not set is an error."""
    path = os.path.expandvars(path)
    if unset := re.search(r"\$(?:[A-Za-z_]\w*|\{\w+\})", path):
        raise ValueError(f"{unset[0]} is no variable of the environment; set it, or write the path out")
    if path.startswith("~"):
        try:
            return str(Path(path).expanduser())
        except RuntimeError:
            raise ValueError(f"{path.split('/')[0]} is no home folder that is known; write the path out") from None
    return path


def _without_braces(path: str) -> str:
    """Snakemake would take what stands between braces for a wildcard."""
    if set("{}") & set(path):
        raise ValueError(f"expected a path without braces, found {path!r}; rename the folder, or reach it by a link")
    return path


def _of_subset(path: str) -> str:
    _without_braces(path.replace("{subset}", ""))
    return path


def _one_spelling(path: str) -> str:
    """Without "./", doubled and last slashes; below the working directory, from there."""
    path = os.path.normpath(path) if path else path
    # The working directory may be reached by a link; `results` itself may be one, to another disk.
    whole = Path.cwd() / path
    inside = os.path.relpath(whole.parent.resolve() / whole.name, Path.cwd().resolve())
    return path if Path(inside).parts[:1] == (os.pardir,) else inside


OutsidePath = Annotated[str, AfterValidator(_expanded), AfterValidator(_without_braces)]
"""A path as it is typed; `~` and variables of the environment are expanded."""
ResultsPath = Annotated[OutsidePath, AfterValidator(_one_spelling)]
"""The same, in one spelling: Snakemake knows results by their paths, and takes settings of another spelling for new."""
SubsetPath = Annotated[str, AfterValidator(_expanded), AfterValidator(_of_subset)]
"""The same; `{subset}` stands for the subset's name."""


def _with_fields(path: str) -> str:
    """Braces hold the names of fields, `{speaker}`, or with a width `{gender:1}`."""
    if re.search(r"[{}]", re.sub(r"\{[A-Za-z_]\w*(:\d+)?\}", "", path)):
        raise ValueError(f"expected fields such as {{speaker}} or {{gender:1}} in braces, found {path!r}; correct it")
    return path


PathPattern = Annotated[str, AfterValidator(_expanded), AfterValidator(_with_fields)]
"""A path with fields."""


def distinct_names(names: Any) -> Any:
    """Names of groups, unless something is wrong with them."""
    if problem := names_problem(names):
        raise ValueError(f"expected distinct names of groups; found {problem}")
    return names


GroupNames = Annotated[list[str], Field(min_length=1), AfterValidator(distinct_names)]
