"""What a configuration implies for the workflow: paths, settings and inputs, as plain values for rules."""

from property_neurons.plan import (
    analysis,
    corpora,
    editing,
    erasure,
    missing,
    models,
    paths,
    pretraining,
    pruning,
    tasks,
)

__all__ = [
    "analysis",
    "corpora",
    "editing",
    "erasure",
    "missing",
    "models",
    "paths",
    "pretraining",
    "pruning",
    "tasks",
]
