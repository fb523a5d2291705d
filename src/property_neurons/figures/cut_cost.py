"""What a cut costs before any recovery: errors over the neurons that one cut of the unpruned model leaves."""

from typing import Any

from property_neurons.figures import fig9, style
from property_neurons.figures.pruning_tables import Study, read_study


def read(inputs: Any, params: Any) -> dict[str, Any]:
    """What `draw` takes."""
    return {"study": read_study(inputs, params, params.figure_of, recovered=False)}


def draw(study: Study) -> style.Drawing:
    """As Figure 9, of models that are not fine-tuned after the cut.

    Raises:
        ConfigError: nothing was scored before recovery in this study.
    """
    return fig9.draw(study, "Pruned once, not fine-tuned after, to {sizes}")
