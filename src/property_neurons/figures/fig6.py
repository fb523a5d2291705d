"""Figure 6: the tasks of a model after one pruning and recovery without labels."""

import math
from typing import Any

import numpy as np

from property_neurons.figures import pruning_panels, style
from property_neurons.figures.pruning_tables import Study, cut_to, final_rows, read_study, task_titles

_ABREAST = 4
"""Tasks beside each other; more are drawn in further rows."""


def read(inputs: Any, params: Any) -> dict[str, Any]:
    """What `draw` takes."""
    return {"study": read_study(inputs, params, "fig6")}


def draw(study: Study, heading: str = "Pruned {steps}{recovery}, to {sizes}") -> style.Drawing:
    """Draw for each task each arm minus the unpruned model, protect minus the others, and the errors.

    Args:
        heading: with the number of steps, the recovery and the smallest sizes to be put in.

    Raises:
        ConfigError: nothing was pruned in this study.
    """
    table = final_rows(study)
    titles = task_titles(table)
    blocks = math.ceil(len(titles) / _ABREAST)
    abreast = math.ceil(len(titles) / blocks)
    heights = pruning_panels.heights(table)
    handles = pruning_panels.legend(table)
    figure = pruning_panels.new_figure(abreast, heights * blocks, handles)
    grid = figure.subplots(len(heights) * blocks, abreast, height_ratios=heights * blocks, squeeze=False)
    for panels, tasks in zip(np.split(grid, blocks), np.array_split(list(titles), blocks), strict=True):
        for unused in panels[:, len(tasks) :].flat:
            unused.remove()
        used = panels[:, : len(tasks)]
        pruning_panels.draw_panels(used, table[table["task"].isin(tasks)])
        for axes, task in zip(used[0], tasks, strict=True):
            axes.set_title(titles[task], pad=pruning_panels.TITLE_PAD)
    style.legend_below(figure, handles)
    last = study.runs["step"].max()
    steps = "once" if last == 1 else f"in {last} steps"
    recovery = f" and recovered by {study.recovery}" if study.recovery else ""
    what = heading.format(steps=steps, recovery=recovery, sizes=cut_to(table))
    style.heading(figure, what, study.model, f"properties on {study.corpus}", *study.notes)
    return figure, table
