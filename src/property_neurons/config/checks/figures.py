"""Check that what the figures show is defined."""

from property_neurons.config.checks.references import not_defined
from property_neurons.config.root import Config


def problems(config: Config) -> list[str]:
    """Corpora and models that `figures` names and no section defines, and limits on q without any q to compare."""
    figures = config.figures
    limits = {"figures.overlap_fdr": figures.overlap_fdr, "statistics.fdr": config.statistics.fdr}
    without = [
        f"{key}: {limit} needs q, which comes from permutations, and statistics.permutations is 0; raise it, or leave "
        f"{key} out"
        for key, limit in limits.items()
        if limit is not None and not config.statistics.permutations
    ]
    return without + not_defined(
        [
            ("figures.corpus", figures.corpus, config.corpora),
            ("figures.model", figures.model, config.models),
            ("figures.control", figures.control, config.models),
            *(("figures.properties", name, config.properties) for name in figures.properties or []),
            *(("figures.overlap", name, config.properties) for name in figures.overlap or []),
            *(("figures.compare", name, config.models) for name in figures.compare or []),
        ]
    )
