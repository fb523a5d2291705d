"""Figure 6: what a model that was cut once, and tuned on, can still do."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from property_neurons.figures import arms, style

STUDY = "general"


def table(runs: pd.DataFrame, comparisons: pd.DataFrame, published: Mapping[str, arms.Bars]) -> pd.DataFrame:
    """What is drawn; see `arms.final_rows`.

    Args:
        runs: of `pruning.report.collect_runs`.
        comparisons: of `pruning.report.compare_runs`.
        published: the paper's bars by metric.
    """
    return arms.final_rows(arms.of_study(runs, STUDY), comparisons[comparisons["study"] == STUDY], published)


def draw(
    runs: pd.DataFrame,
    comparisons: pd.DataFrame,
    model: str,
    corpus: str,
    out: str | Path,
    published: Mapping[str, arms.Bars] | None = None,
) -> None:
    """Draw each task's error by arm, and below it protect minus the others on the same utterances.

    Args:
        runs, comparisons: as `table`.
        model: name of the model that was cut.
        corpus: the corpus on which its property neurons were found.
        out: the figure's path; .pdf, .png and .tsv are written.
        published: the paper's bars by metric, where the model is the paper's.

    Raises:
        ConfigError: nothing was cut in this study.
    """
    drawn = table(runs, comparisons, published or {})
    bars = drawn[drawn["part"] == "bar"]
    tasks = bars["task"].nunique()
    heights = [arms.BAR * bars["arm"].nunique(), arms.DIFFERENCE * len(arms.others_of(drawn))]
    heights = [height for height in heights if height]
    with style.theme():
        handles = arms.legend(drawn)
        figure = arms.new_figure(tasks, heights, handles)
        grid = figure.subplots(len(heights), tasks, sharey="row", height_ratios=heights, squeeze=False)
        arms.draw_bars(grid[0], drawn)
        for axes, title in zip(grid[0], arms.task_titles(drawn).values(), strict=True):
            axes.set_title(title)
        if len(heights) > 1:
            arms.draw_differences(grid[1], drawn)
        style.legend_below(figure, handles)
        style.heading(figure, f"Cut once, to {arms.cut_to(drawn)}", model, corpus)
        style.save(figure, drawn, out)
