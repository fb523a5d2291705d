"""Phones that sections name are phones of some corpus, where the config says which there are."""

from property_neurons.config.checks.references import paper_phones_alone
from property_neurons.config.properties import PhoneProperty
from property_neurons.config.root import Config
from property_neurons.corpus.phones import PHONES, group_problems


def problems(config: Config) -> list[str]:
    """Phones that are none of the 39; with a corpus of its own table, only its speech says which there are."""
    if not paper_phones_alone(config):
        return []
    found = [
        f"properties.{name}.groups: expected named groups of ARPABET phones; found {wrong}"
        for name, section in config.properties.items()
        if isinstance(section, PhoneProperty) and isinstance(section.groups, dict)
        if (wrong := group_problems(section.groups))
    ]
    phone = config.figures.probability_phone
    if phone not in PHONES:
        found.append(f"figures.probability_phone: expected one of the 39 ARPABET phones, found {phone!r}")
    return found
