"""The activation values that rules need for the comparison of selectors."""

from property_neurons.config.root import Config
from property_neurons.neurons.statistics.vocabulary import VALUE_SELECTORS
from property_neurons.plan import erasure, figures, tasks


def corpora_of_values(config: Config, model: str, *, corpus: str | None, task: str | None) -> list[str]:
    """The corpora whose activation values a comparison reads: one corpus, or those of a task's training part.

    None without selectors of values. The config asks for them for the figures' models and corpus, or for an erasure.
    """
    shown = corpus == config.figures.corpus and model in figures.shown_models(config)
    if (shown and config.statistics.activation_values) or _of_a_study(config, model, corpus):
        return tasks.corpora_of(config, task) if corpus is None else [corpus]
    return []


def _of_a_study(config: Config, model: str, corpus: str | None) -> bool:
    return any(
        not set(VALUE_SELECTORS).isdisjoint(study.selectors)
        and study.corpus == corpus
        and model in [erasure.model(config, name, seed) for seed in study.seeds]
        for name, study in config.erasure.items()
    )
