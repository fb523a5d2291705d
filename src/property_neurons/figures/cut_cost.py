"""Errors after one pruning step, before any recovery, over the number of neurons that stay."""

from typing import Any

from property_neurons.figures import fig6, fig9, style
from property_neurons.figures.pruning_tables import Study, all_sizes, read_study


def read(inputs: Any, params: Any) -> dict[str, Any]:
    """What `draw` takes."""
    return {"study": read_study(inputs, params, params.figure_of, recovered=False)}


def draw(study: Study) -> style.Drawing:
    """As Figure 9, or as Figure 6 where there is one size, for models as they are right after one pruning step.

    Raises:
        ConfigError: nothing was scored before recovery in this study.
    """
    left = "not recovered" if study.recovery else "not fine-tuned after"
    if study.runs["step"].max() == 1:
        return fig6.draw(study, f"Pruned once, {left}, to {{sizes}}")
    return fig9.draw(study, f"Pruned once, {left}, to {all_sizes(study)}", below="to {sizes}")
