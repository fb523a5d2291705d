"""Contradictions of a configuration that only show across its sections: one module for each section that has some."""

from property_neurons.config.checks import (
    analysis,
    browser,
    clusters,
    corpora,
    erasure,
    figures,
    folders,
    models,
    phones,
    pretraining,
    pruning,
    statistics,
    tasks,
)
from property_neurons.config.root import Config


def contradictions(config: Config) -> list[str]:
    """Every contradiction between sections, each with its key, what was found and what to do."""
    checks = (
        folders,
        figures,
        models,
        pretraining,
        tasks,
        pruning,
        erasure,
        corpora,
        phones,
        clusters,
        analysis,
        statistics,
        browser,
    )
    return [problem for check in checks for problem in check.problems(config)]


def contradictions_with_studies(config: Config) -> list[str]:
    """The contradictions that show only after studies have been expanded into models and tasks."""
    return browser.problems_with_studies(config)
