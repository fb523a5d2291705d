"""Which names the groups of a property may have, whether they come from a config or from a corpus."""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

from property_neurons.errors import printable

# Control and format characters (bidi marks, zero width), surrogates, and separators of lines and paragraphs.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def name_problem(name: str) -> str:
    """What is wrong with the name of a group; "" if nothing is."""
    if not name.strip():
        return "an empty name" if not name else "a name of blanks alone"
    shown = f"'{printable(name)}'"
    if any(unicodedata.category(letter) in _UNSEEN for letter in name):
        return f"a character that cannot be seen in {shown}"
    return f"blanks around {shown}" if name != name.strip() else ""


def names_problem(names: Sequence[str]) -> str:
    """What is wrong with the names of a property's groups, together; "" if nothing is."""
    found = list(filter(None, map(name_problem, names)))
    return "; ".join([*found, *_look_alike(names)])


def _look_alike(names: Iterable[str]) -> list[str]:
    seen = Counter(unicodedata.normalize("NFC", name) for name in names)
    return [f"{count} groups called '{printable(name)}'" for name, count in seen.items() if count > 1]
