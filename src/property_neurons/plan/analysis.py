"""What rules ask about ranks, counts and patterns: inputs, and settings, no more of them than bear on each result."""

from typing import Any

from property_neurons.config.properties import F0Property
from property_neurons.config.root import Config
from property_neurons.plan import corpora, paths


def ranks(config: Config, model: str, corpus: str) -> list[str]:
    """The manifests of a model's rank stores on a corpus."""
    return corpora.shard_manifests(config, corpus, paths.ranks(config, model, corpus))


def property_settings(config: Config, name: str) -> dict[str, Any]:
    """A property's definition with the options of the method that bear on it, and no others.

    What a rule's params hold decides what runs again: a pitch cut belongs to pitch alone.
    """
    section = config.properties[name]
    options = config.analysis
    settings = section.model_dump()
    if isinstance(section, F0Property):
        keys = ("pitch_cuts", "at_lower_cut", "f0_padding", "pitch_phones")
        settings |= {key: getattr(options, key) for key in keys}
    return settings


def counting_settings(config: Config) -> dict[str, Any]:
    """Lambda and the choice of frames, which every property's counts depend on."""
    return config.analysis.model_dump(include={"lambda_", "frames", "last_run", "equal_neighbours"})


def pattern_settings(config: Config) -> dict[str, Any]:
    """What turns counts into activation patterns, as fields of `neurons.definition.SetDefinition`."""
    return {
        "threshold": config.analysis.threshold,
        "min_count": config.analysis.min_count,
        "cells": config.statistics.cells,
    }


def set_definition(config: Config) -> dict[str, Any]:
    """What turns counts into neuron sets, as fields of `neurons.definition.SetDefinition`."""
    return pattern_settings(config) | {
        "sigma": config.analysis.sigma,
        "rare_cells": config.statistics.rare_cells,
    }


def statistics_settings(config: Config) -> dict[str, Any]:
    """How far sets can be believed is found out, as arguments of `neurons.statistics.report.neuron_statistics`."""
    return config.statistics.model_dump(include={"permutations", "halves", "seed"})
