"""Check that what the neuron browser shows is defined."""

from property_neurons.config.checks.references import not_defined
from property_neurons.config.models import EditedModel, PrunedModel
from property_neurons.config.properties import of_cells_of_phones
from property_neurons.config.root import Config


def problems(config: Config) -> list[str]:
    """Properties, corpora and studies that `browser` names and no section defines."""
    sections = {
        "properties": (config.browser.properties or [], config.properties),
        "licences": (config.browser.licences, config.corpora),
        "erasure": (config.browser.erasure, config.erasure),
    }
    named = [(f"browser.{key}", name, known) for key, (names, known) in sections.items() for name in names]
    by_clusters = [
        f"browser.properties: the pages show cells of the corpus's phones, and {name!r} has clusters in their place "
        "(`by`); leave it out"
        for name in config.browser.properties or []
        if name in config.properties and not of_cells_of_phones(config.properties[name])
    ]
    return not_defined(named) + by_clusters


def problems_with_studies(config: Config) -> list[str]:
    """Models that `browser` names although they are not made of others; checked once the studies have added theirs."""
    made = {name for name, section in config.models.items() if isinstance(section, PrunedModel | EditedModel)}
    known = ", ".join(sorted(made)) or "none"
    return [
        f"browser.derived: expected a pruned or an edited model, found {name!r}; such are {known}; name one of "
        "these, or leave it out"
        for name in config.browser.derived
        if name not in made
    ]
