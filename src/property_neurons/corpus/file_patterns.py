"""Patterns of paths with fields in braces, such as "{speaker}/{utterance}.wav", whose values a file's path gives.

{name}      letters of one folder or file name, as few as will do
{name:2}    two of them
*  **       anything within one name; any number of folders
"""

import re
from collections.abc import Mapping

_PIECE = re.compile(r"\{(\w+)(?::(\d+))?\}|(\*\*/)|(\*)")


def fields_of(pattern: str) -> list[str]:
    """The names of the fields of a pattern, each once, in order."""
    return list(dict.fromkeys(match[1] for match in _PIECE.finditer(pattern) if match[1]))


def path_matcher(pattern: str) -> re.Pattern[str]:
    """A matcher of whole paths, in upper or lower case; a field that stands twice must have one value."""
    parts, end, seen = [], 0, set()
    for match in _PIECE.finditer(pattern):
        parts.append(re.escape(pattern[end : match.start()]))
        end = match.end()
        name, width, folders, _ = match.groups()
        if name in seen:
            parts.append(f"(?P={name})")
        elif name:
            seen.add(name)
            parts.append(f"(?P<{name}>[^/]{{{width}}})" if width else f"(?P<{name}>[^/]+?)")
        else:
            parts.append("(?:[^/]+/)*" if folders else "[^/]*")
    return re.compile("".join([*parts, re.escape(pattern[end:])]), re.IGNORECASE)


def filled_in(pattern: str, fields: Mapping[str, str]) -> str:
    """A pattern with its fields filled in."""
    return _PIECE.sub(lambda match: fields[match[1]] if match[1] else match[0], pattern)
