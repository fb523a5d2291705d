"""Group names for readers: pages, figures and Markdown say male and female where tables say M and F."""

from types import MappingProxyType

_TITLES = MappingProxyType({"M": "male", "F": "female"})


def group_title(name: str) -> str:
    """A group's name as it is shown."""
    return _TITLES.get(name, name)
