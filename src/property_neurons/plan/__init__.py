"""What a configuration implies for the workflow: paths, settings and inputs, as plain values for rules."""

from property_neurons.plan import (
    analysis,
    browser,
    clusters,
    corpora,
    editing,
    erasure,
    figures,
    models,
    other_sources,
    paths,
    pretraining,
    profiles,
    pruning,
    selectors,
    sources,
    tasks,
)

__all__ = [
    "analysis",
    "browser",
    "clusters",
    "corpora",
    "editing",
    "erasure",
    "figures",
    "models",
    "other_sources",
    "paths",
    "pretraining",
    "profiles",
    "pruning",
    "selectors",
    "sources",
    "tasks",
]
