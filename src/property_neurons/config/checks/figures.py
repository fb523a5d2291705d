"""What the figures show is there."""

from property_neurons.config.checks.references import not_defined
from property_neurons.config.root import Config


def problems(config: Config) -> list[str]:
    """Corpora and models that `figures` names and no section defines."""
    figures = config.figures
    return not_defined(
        [
            ("figures.corpus", figures.corpus, config.corpora),
            ("figures.model", figures.model, config.models),
            ("figures.control", figures.control, config.models),
            *(("figures.compare", name, config.models) for name in figures.compare or []),
        ]
    )
