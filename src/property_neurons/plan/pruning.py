"""What rules ask about pruned models: their settings, and the tables and counts that they depend on."""

from typing import Any

from property_neurons.config.models import (
    PrunedModel,
    frequency_property,
)
from property_neurons.config.root import Config


def pruned_models(config: Config) -> list[str]:
    """The models that are cut out of others."""
    return [name for name, section in config.models.items() if isinstance(section, PrunedModel)]


def pruning_corpus(config: Config, model: str) -> str:
    """The corpus on which the property neurons of a cut were found."""
    return config.models[model].corpus or config.figures.corpus


def pruning_settings(config: Config, model: str) -> dict[str, Any]:
    """What a cut depends on beside its inputs, as fields of `pruning.prune.Cut`: no more than bears on it."""
    section = config.models[model]
    size = "keep" if section.rows is None else "rows"
    settings = section.model_dump(include={"criterion", size, "match"})
    if section.criterion in ("protect", "norm", "random_protect"):
        settings["bias"] = section.bias
    if section.criterion in ("random", "random_protect"):
        settings["seed"] = section.seed
    return settings


def neuron_tables(config: Config, model: str) -> list[str]:
    """The tables of property neurons that a cut depends on."""
    section = config.models[model]
    folder = f"{config.results}/neurons/{section.sizes_of or section.of}/{pruning_corpus(config, model)}"
    return [f"{folder}/{name}.parquet" for name in section.properties] if section.needs_neurons else []


def sizes_of(config: Config, model: str) -> str | None:
    """The folder of the other model whose property neurons give a cut its sizes; None where it is the model itself."""
    section = config.models[model]
    return f"{config.results}/models/{section.sizes_of}" if section.sizes_of and section.needs_neurons else None


def frequency_counts(config: Config, model: str) -> list[str]:
    """The manifest of the counts that a cut by frequency depends on."""
    section = config.models[model]
    if section.criterion != "frequency":
        return []
    name = frequency_property(section.properties, config.properties)
    return [f"{config.results}/counts/{section.of}/{pruning_corpus(config, model)}/{name}.manifest.json"]
