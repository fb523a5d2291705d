"""Errors after one pruning step, before any recovery, over the number of neurons that stay."""

from typing import Any

from property_neurons.figures import fig9, style
from property_neurons.figures.pruning_tables import Study, read_study


def read(inputs: Any, params: Any) -> dict[str, Any]:
    """What `draw` takes."""
    return {"study": read_study(inputs, params, params.figure_of, recovered=False)}


def draw(study: Study) -> style.Drawing:
    """As Figure 9, for models that are not fine-tuned after the pruning step.

    Raises:
        ConfigError: nothing was scored before recovery in this study.
    """
    return fig9.draw(study, "Pruned once, not fine-tuned after, to {sizes}")
