"""Truth values where a number is wanted: pydantic takes true for 1, and YAML takes yes, on and the like for true."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel


def truth_values(read: Any, written: Any, key: str = "") -> Iterator[str]:
    """What to say of each truth value in a configuration that was read as a number.

    Args:
        read: a section, or a part of one, as it was read.
        written: the same as it was written.
        key: where it stands, "" for the whole.
    """
    if isinstance(written, bool):
        if isinstance(read, int | float) and not isinstance(read, bool):
            found = str(written).lower()
            yield f"{key}: expected a number, found {found} (YAML takes yes, no, on and off for truth values)"
    elif isinstance(written, Mapping):
        for name, value in written.items():
            yield from truth_values(_part(read, name), value, f"{key}.{name}" if key else str(name))
    elif isinstance(written, list) and isinstance(read, list | tuple) and len(written) == len(read):
        for place, value in enumerate(written):
            yield from truth_values(read[place], value, f"{key}.{place}")


def _part(read: Any, name: str) -> Any:
    """What was read under a key; None where it was read as something else."""
    if isinstance(read, BaseModel):
        fields = type(read).model_fields
        field = next((one for one in fields if name in (one, fields[one].alias)), None)
        return None if field is None else getattr(read, field)
    return read.get(name) if isinstance(read, Mapping) else None
