"""Group names for readers: pages, figures and Markdown say male and female where tables of gender say M and F."""

from types import MappingProxyType

_GENDERS = MappingProxyType({"M": "male", "F": "female"})


def group_title(name: str, property_: str) -> str:
    """The name of a property's group as it is shown: of another property than `gender`, M and F may be phones."""
    return _GENDERS.get(name, name) if property_ == "gender" else name
