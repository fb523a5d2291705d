"""The JSON schema and the table of keys in config/README.md, both made from the models.

`python -m property_neurons.config.reference config` writes them; a test holds them to the models.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from property_neurons.config.root import Config

_BEGIN, _END = "<!-- keys: begin (generated, do not edit) -->", "<!-- keys: end -->"


def schema() -> str:
    """The JSON schema of the configuration, for editors that complete and check YAML."""
    return json.dumps(Config.model_json_schema(by_alias=True), indent=2, sort_keys=True) + "\n"


def key_tables() -> str:
    """One Markdown table of keys for each section, in the order of the configuration."""
    return "\n".join(_tables("", Config, seen=set()))


def write(folder: Path) -> None:
    """Bring schema.json and the tables in README.md up to date."""
    (folder / "schema.json").write_text(schema(), encoding="utf-8")
    readme = folder / "README.md"
    readme.write_text(with_tables(readme.read_text(encoding="utf-8")), encoding="utf-8")


def with_tables(text: str) -> str:
    """`text` with the tables between its two markers replaced by the current ones."""
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}\n{key_tables()}\n{_END}{after}"


def _tables(path: str, model: type[BaseModel], seen: set[type]) -> Iterator[str]:
    if model in seen:
        return
    seen.add(model)
    title = path or "Top level"
    kind = next(filter(None, map(_tag, model.model_fields.values())), None)
    yield f"\n### {title}" + (f" ({kind})" if kind else "")
    yield f"\n{(model.__doc__ or '').strip()}\n\n| key | default | meaning |\n| --- | --- | --- |"
    # What tells sections of one place apart stands first.
    for name, field in sorted(model.model_fields.items(), key=lambda item: _tag(item[1]) is None):
        yield f"| `{field.alias or name}` | {_default(field)} | {field.description} |"
    for name, field in model.model_fields.items():
        for nested, inside in _sections(field.annotation):
            key = ".".join(part for part in (path, field.alias or name, "NAME" if inside else "") if part)
            yield from _tables(key, nested, seen)


def _sections(annotation: Any, inside: bool = False) -> Iterator[tuple[type[BaseModel], bool]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, inside
        return
    within = inside or get_origin(annotation) is dict
    arguments = get_args(annotation)
    for argument in arguments[:1] if get_origin(annotation) is Annotated else arguments:
        yield from _sections(argument, within)


def _tag(field: FieldInfo) -> str | None:
    """The value of the field by which the sections of one place are told apart."""
    values = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    return str(values[0]) if len(values) == 1 and field.is_required() else None


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return f"`{_tag(field)}`" if _tag(field) else "(required)"
    if field.default is not PydanticUndefined:
        return f"`{json.dumps(field.default)}`"
    made = field.default_factory()
    return "(see below)" if isinstance(made, BaseModel | dict) else f"`{made}`"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="python -m property_neurons.config.reference", description="Write schema.json and the keys in README.md."
    )
    parser.add_argument("folder", nargs="?", type=Path, default=Path("config"), help="holds README.md (config)")
    write(parser.parse_args().folder)
