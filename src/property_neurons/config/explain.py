"""Pydantic's errors in words: the key as its user wrote it, what was found and what would do."""

import difflib
import re
from collections.abc import Mapping
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, Tag

# Steps of a location that name a branch of a union or the key itself, as in `groups.dict[str,list[str]].x.[key]`.
_PYDANTICS_OWN = re.compile(r"^[a-z-]*\[")


def explain(problem: Mapping[str, Any], model: type[BaseModel]) -> str:
    """One of pydantic's errors as a line.

    Args:
        model: what the content was validated as.
    """
    location = tuple(problem["loc"])
    keys, _ = _walk(model, location)
    path = ".".join(keys) or "(top)"
    found = problem.get("input")
    match problem["type"]:
        case "extra_forbidden":
            return _unknown_key(model, location, path)
        case "missing":
            return f"{path}: is required and missing"
        case "value_error":
            return f"{path}: {problem['ctx']['error']}"
        case "union_tag_invalid":
            key = problem["ctx"]["discriminator"].strip("'")
            return f"{path}.{key}: expected one of {problem['ctx']['expected_tags']}; found {found.get(key)!r}"
        case "union_tag_not_found":
            return f"{path}.{problem['ctx']['discriminator'].strip(chr(39))}: is required and missing"
        case _:
            quoting = ""
            if isinstance(found, bool):
                quoting = " (YAML reads a bare NO, ON, YES or OFF as true or false: quote it)"
            elif problem["type"] == "string_type" and isinstance(found, int | float):
                quoting = " (YAML reads bare digits as a number: quote them, as they stand in the corpus)"
            return f"{path}: {problem['msg'][0].lower()}{problem['msg'][1:]}; found {found!r}{quoting}"


def _unknown_key(model: type[BaseModel], location: tuple, path: str) -> str:
    _, section = _walk(model, location[:-1])
    # A section that may be left out.
    section = next((one for one in get_args(section) if _is_model(one)), section)
    known = sorted(_fields(section)) if _is_model(section) else []
    near = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.5)
    return f"{path}: unknown key; " + (f"did you mean `{near[0]}`?" if near else f"known here: {', '.join(known)}")


def _walk(model: type[BaseModel], location: tuple) -> tuple[list[str], Any]:
    """Follow an error's location through the models: the keys as the user wrote them, and the type they lead to.

    A location also holds the tag of the chosen union member, which the user did not write.
    """
    keys: list[str] = []
    kind: Any = model
    for step in location:
        kind, is_key = _descend(kind, step)
        if is_key:
            keys.append(str(step))
    return keys, kind


def _descend(kind: Any, step: Any) -> tuple[Any, bool]:
    if isinstance(step, str) and _PYDANTICS_OWN.match(step):
        return kind, False
    origin = get_origin(kind)
    if origin is Annotated:
        return _descend(get_args(kind)[0], step)
    if _is_model(kind):
        field = _fields(kind).get(step)
        return (field.annotation if field else None), True
    if origin is dict:
        return get_args(kind)[1], True
    if origin in (list, tuple) and isinstance(step, int):
        return get_args(kind)[0], True
    if origin in (Union, UnionType):
        branch = next((member for member in get_args(kind) if _tag_given(member) == step), None)
        if branch is not None:
            return get_args(branch)[0], False
        members = get_args(kind)
        tagged = [member for member in members if _is_model(member) and step in _tags(member)]
        if tagged:
            return tagged[0], False
        for member in members:
            if _is_model(member) or get_origin(member) in (Annotated, dict, list, tuple):
                return _descend(member, step)
    return kind, kind is None


def _fields(model: type[BaseModel]) -> dict[str, Any]:
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _tags(model: type[BaseModel]) -> set[Any]:
    literals = [field.annotation for field in model.model_fields.values() if get_origin(field.annotation) is Literal]
    return {value for literal in literals for value in get_args(literal)}


def _tag_given(member: Any) -> str | None:
    """The tag of a branch that a function chooses."""
    found = getattr(member, "__metadata__", ())
    return next((one.tag for one in found if isinstance(one, Tag)), None)


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
