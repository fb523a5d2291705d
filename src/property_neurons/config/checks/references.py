"""Names that refer to another section."""

from collections.abc import Collection, Iterable, Mapping

from property_neurons.config.properties import Property
from property_neurons.config.root import Config
from property_neurons.corpus.phones import PHONE_CLASSES, PHONES

Reference = tuple[str, str | None, Mapping[str, object]]
"""(key, the name there, None where none is given; what is defined)."""


def not_defined(references: Iterable[Reference]) -> list[str]:
    """Names that are not defined where they should be."""
    return [
        f"{key}: {name!r} is not defined; defined are {', '.join(known) or 'none'}"
        for key, name, known in references
        if name is not None and name not in known
    ]


def groups_of(section: Property | None) -> Collection[str] | None:
    """The groups of a property, where the config says which it has."""
    named = getattr(section, "groups", None) or getattr(section, "order", None) or getattr(section, "names", None)
    return {"single": PHONES, "classes": tuple(PHONE_CLASSES)}[named] if isinstance(named, str) else named


def has_paper_phones(config: Config, corpus: str | None) -> bool:
    """Whether a corpus (None: that of the figures) is read as the paper's 39 phones, as far as the config says."""
    section = config.corpora.get(config.figures.corpus if corpus is None else corpus)
    phones = getattr(section, "phones", None)
    return phones is None or phones.set != "file"


def unknown_groups(
    config: Config, key: str, property_name: str, groups: Iterable[str], corpus: str | None
) -> list[str]:
    """Groups that a property does not have on a corpus (None: that of the figures), where the config says which."""
    section = config.properties.get(property_name)
    if isinstance(getattr(section, "groups", None), str) and not has_paper_phones(config, corpus):
        return []
    known = groups_of(section)
    unknown = [group for group in groups if known is not None and group not in known]
    return [f"{key}: {', '.join(unknown)} unknown; {property_name!r} has {', '.join(known)}"] if unknown else []
