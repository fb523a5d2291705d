"""Errors after one pruning step, before any recovery, over the number of neurons that stay."""

from typing import Any

from property_neurons.figures import fig6, fig9, style
from property_neurons.figures.pruning_tables import Study, read_study


def read(inputs: Any, params: Any) -> dict[str, Any]:
    """What `draw` takes."""
    return {"study": read_study(inputs, params, params.figure_of, recovered=False)}


def draw(study: Study) -> style.Drawing:
    """As Figure 9, or as Figure 6 where there is one size, for models that are not fine-tuned after the pruning step.

    Raises:
        ConfigError: nothing was scored before recovery in this study.
    """
    as_figure = fig9 if study.runs["step"].max() > 1 else fig6
    return as_figure.draw(study, "Pruned once, not fine-tuned after, to {sizes}")
