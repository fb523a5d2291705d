"""Figure 6: the tasks of a model after one pruning and recovery without labels."""

from typing import Any

from property_neurons.figures import pruning_panels, style
from property_neurons.figures.pruning_tables import Study, cut_to, final_rows, read_study, task_titles


def read(inputs: Any, params: Any) -> dict[str, Any]:
    """What `draw` takes."""
    return {"study": read_study(inputs, params, "fig6")}


def draw(study: Study, heading: str = "Pruned once, to {sizes}") -> style.Drawing:
    """Draw for each task each arm minus the unpruned model, protect minus the others, and the errors.

    Args:
        heading: with the smallest sizes to be put in.

    Raises:
        ConfigError: nothing was pruned in this study.
    """
    table = final_rows(study)
    tasks = table["task"].nunique()
    heights = pruning_panels.heights(table)
    handles = pruning_panels.legend(table)
    figure = pruning_panels.new_figure(tasks, heights, handles)
    grid = figure.subplots(len(heights), tasks, height_ratios=heights, squeeze=False)
    pruning_panels.draw_panels(grid, table)
    for axes, title in zip(grid[0], task_titles(table).values(), strict=True):
        axes.set_title(title, pad=pruning_panels.TITLE_PAD)
    style.legend_below(figure, handles)
    style.heading(figure, heading.format(sizes=cut_to(table)), study.model, study.corpus, study.note)
    return figure, table
