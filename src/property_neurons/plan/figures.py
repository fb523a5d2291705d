"""What rules ask about figures: the models they show, and the tables they are drawn from."""

from collections.abc import Iterable

from property_neurons.config.root import Config
from property_neurons.plan import analysis, paths

FORMS = ("pdf", "png", "tsv", "html")


def files(config: Config, names: Iterable[str]) -> list[str]:
    """All forms of some figures."""
    return [f"{config.results}/figures/{name}.{form}" for name in names for form in FORMS]


def shown_models(config: Config) -> list[str]:
    """The model of the figures and, where the config names one, its control."""
    return [name for name in (config.figures.model, config.figures.control) if name]


def of_properties(config: Config, taken: Iterable[str]) -> dict[str, str]:
    """The property that each figure of one property shows, by the figure's name.

    A name that another figure has is preceded by `property_`.
    """
    names = {*taken, *erasures(config), *(f"pretraining_{run}" for run in config.pretraining)}
    return {f"property_{name}" if name in names else name: name for name in config.properties}


def shows_phones(config: Config) -> bool:
    """Whether some property of the figures is one of phones, or by phone; none is where speech has no alignments."""
    shown = {*config.figures.plane_properties, *config.figures.layer_properties, *config.figures.overlap_properties}
    return any(getattr(config.properties[name], "by", "phone") == "phone" for name in shown)


def erasures(config: Config) -> list[str]:
    """The figures of the erasure studies."""
    return [
        f"{name}{what}"
        for name, study in config.erasure.items()
        for what in ("", "_dose", *(["_selectors"] if study.selectors else []))
    ]


def compared_models(config: Config) -> list[str]:
    """The models of Figure 5."""
    return config.figures.compare or list(config.models)


def published_names(config: Config, models: Iterable[str]) -> dict[str, str | None]:
    """For each model, the model of the paper that it is, if any."""
    return {name: config.models[name].published_as for name in models}


def confounds(config: Config, models: Iterable[str]) -> list[str]:
    """Which neurons stay with a confound held fixed: tables on the corpus of the figures, model by model."""
    given = config.statistics.given.items()
    return [paths.confound(config, model, config.figures.corpus, *pair) for model in models for pair in given]


def confound_cells(config: Config) -> list[str]:
    """How many frames each stratum of each cell has, for the figures' model: tables beside `confounds`."""
    return [table.removesuffix(".tsv") + ".cells.tsv" for table in confounds(config, [config.figures.model])]


def points(config: Config, models: Iterable[str], properties: Iterable[str]) -> list[str]:
    """Where patterns lie in the plane: tables on the corpus of the figures, model by model."""
    return [f"{stem}.points.tsv" for stem in _embeddings(config, models, properties)]


def silhouettes(config: Config, models: Iterable[str], properties: Iterable[str]) -> list[str]:
    """The silhouettes of patterns, by layer and seed: tables on the corpus of the figures, model by model."""
    return [f"{stem}.silhouettes.tsv" for stem in _embeddings(config, models, properties)]


def _embeddings(config: Config, models: Iterable[str], properties: Iterable[str]) -> list[str]:
    return [paths.embedding(config, model, config.figures.corpus, name) for model in models for name in properties]


def neurons(config: Config, models: Iterable[str], properties: Iterable[str]) -> list[str]:
    """The tables of neurons on the corpus of the figures, model by model."""
    return [paths.neurons(config, model, config.figures.corpus, name) for model in models for name in properties]


def cells(config: Config, properties: Iterable[str]) -> list[str]:
    """How many frames each cell of some properties has: tables on the corpus of the figures.

    They are the cells of the figures' model. Another model may lack an utterance's last frame.
    """
    return _beside_neurons(config, [config.figures.model], properties, "cells")


def cells_of_sets(config: Config, properties: Iterable[str]) -> list[str]:
    """The same of what sets are made of: with `statistics.balance`, how many frames thinning leaves."""
    return _beside_neurons(config, [config.figures.model], properties, analysis.cells_of_sets(config))


def neuron_summaries(config: Config, models: Iterable[str], properties: Iterable[str]) -> list[str]:
    """How many neurons there are by layer: summaries of `neurons`."""
    return _beside_neurons(config, models, properties, "summary")


def nulls(config: Config, models: Iterable[str], properties: Iterable[str]) -> list[str]:
    """The null of the neurons: tables beside `neurons`."""
    return _beside_neurons(config, models, properties, "null")


def stability(config: Config, models: Iterable[str], properties: Iterable[str]) -> list[str]:
    """Stability and held-out selectivity: tables beside `neurons`."""
    return _beside_neurons(config, models, properties, "stability")


def selectors(config: Config, models: Iterable[str], properties: Iterable[str]) -> list[str]:
    """The comparison of selectors: tables beside `neurons`."""
    return _beside_neurons(config, models, properties, "selectors")


def _beside_neurons(config: Config, models: Iterable[str], properties: Iterable[str], what: str) -> list[str]:
    return [f"{table.removesuffix('.parquet')}.{what}.tsv" for table in neurons(config, models, properties)]
