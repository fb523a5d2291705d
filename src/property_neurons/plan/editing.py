"""What rules ask about edited models: their settings, and the neurons that are edited."""

from typing import Any

from property_neurons.config.models import EditedModel
from property_neurons.config.root import Config
from property_neurons.plan import paths
from property_neurons.plan.models import found_on


def models(config: Config) -> list[str]:
    """The edited models."""
    return [name for name, section in config.models.items() if isinstance(section, EditedModel)]


def settings(config: Config, model: str) -> dict[str, Any]:
    """What an edit depends on beside its inputs, as fields of `editing.saved.Edit`."""
    section = config.models[model]
    own = section.model_dump(include={"groups", "action", "random"})
    return own | ({"factor": section.factor} if section.action == "scale" else {})


def neuron_table(config: Config, model: str) -> str:
    """The neuron table with the set of an edit."""
    section = config.models[model]
    return paths.neurons(config, section.of, found_on(config, model), section.property)
