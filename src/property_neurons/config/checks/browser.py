"""What the neuron browser shows is there."""

from property_neurons.config.checks.references import not_defined
from property_neurons.config.root import Config


def problems(config: Config) -> list[str]:
    """Properties and corpora that `browser` names and no section defines."""
    named = [("browser.properties", name, config.properties) for name in config.browser.properties or []]
    return not_defined([*named, *(("browser.licences", name, config.corpora) for name in config.browser.licences)])
