"""What rules ask about the comparison of selectors: where those of activation values have their values from."""

from property_neurons.config.root import Config
from property_neurons.neurons.statistics.vocabulary import VALUE_SELECTORS
from property_neurons.plan import erasure, figures, tasks


def corpora_of_values(config: Config, model: str, *, corpus: str | None, task: str | None) -> list[str]:
    """The corpora whose activation values a comparison reads, of a corpus, or of the training part of a task.

    None where there are no selectors of values: these are of the figures' models and corpus, where the config asks for
    them, and of what a study with such selectors is made of.
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
