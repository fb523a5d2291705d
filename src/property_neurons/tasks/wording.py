"""How messages name many things."""

from collections.abc import Sequence

_EXAMPLES = 5


def some_of(names: Sequence[str]) -> str:
    """The first five names, and how many more there are: "a, b, c, d, e and 3 more"."""
    rest = len(names) - _EXAMPLES
    return ", ".join(names[:_EXAMPLES]) + (f" and {rest} more" if rest > 0 else "")
