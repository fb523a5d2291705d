"""Find, show, edit and prune around the property neurons of speech Transformers (arXiv 2409.05910)."""

from importlib import import_module
from typing import Any

__version__ = "0.2.0"


def open_neuron(*arguments: Any, **options: Any) -> Any:
    """One neuron as data frames: `open_neuron(results, model, corpus, layer, neuron)`; see `browser.one_neuron`."""
    # Imported when called, by name: the package's other users need none of what it imports.
    return import_module("property_neurons.browser.one_neuron").open_neuron(*arguments, **options)
