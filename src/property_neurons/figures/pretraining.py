"""Learning curves of pre-training: loss and accuracy on masked frames, stage by stage."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from property_neurons.figures import style
from property_neurons.stores.files import read_json, read_table
from property_neurons.stores.manifests import described_folder, verify_files

_MEASURES = MappingProxyType({"loss": "loss (nats)", "masked_accuracy": "accuracy"})
_LINES = MappingProxyType(
    {
        "train": {"color": style.SKY, "linewidth": 1.0, "zorder": 1},
        "validation": {"color": style.BLUE, "linewidth": 1.4, "marker": "o", "markersize": 2.4, "zorder": 3},
        "unigram": {"color": style.VERMILLION, "linewidth": 0.9, "linestyle": "--", "zorder": 2},
        "chance": {"color": style.REFERENCE, "linewidth": 0.9, "linestyle": ":", "zorder": 2},
    }
)
_LABELS = MappingProxyType(
    {
        "train": "training crops",
        "validation": "speakers held out",
        "unigram": "frequencies of training targets alone",
        "chance": "chance",
    }
)


def read(inputs: Any, params: Any) -> dict[str, Any]:
    """What `draw` takes."""
    stages = []
    for manifest in map(Path, inputs.stages):
        folder = described_folder(manifest)
        verify_files(folder, manifest)
        stages.append((read_table(folder / "curves.tsv"), read_json(folder / "metrics.json")))
    return {"stages": stages, "run": params.run, "corpus": params.corpus}


def draw(stages: Sequence[tuple[pd.DataFrame, Mapping[str, float]]], run: str, corpus: str) -> style.Drawing:
    """Draw the curves of every stage, beside the scores that need no input (chance, unigrams).

    Args:
        stages: for each stage its curves (step, split, loss, masked_accuracy) and metrics (chance, unigram_loss,
            unigram_accuracy).
        run: name of the pre-training.
        corpus: its corpus.
    """
    table = pd.concat([_drawn(number, *stage) for number, stage in enumerate(stages, start=1)], ignore_index=True)
    figure = style.new_figure(min(style.PAGE, 1.0 + 2.6 * len(stages)), 4.0)
    grid = figure.subplots(len(_MEASURES), len(stages), squeeze=False, sharex="col")
    for row, (measure, title) in enumerate(_MEASURES.items()):
        for column in range(len(stages)):
            axes = grid[row, column]
            _plot(axes, table[(table["stage"] == column + 1) & (table["measure"] == measure)])
            if column == 0:
                axes.set_ylabel(title)
            if row == 0:
                axes.set_title(f"stage {column + 1}")
            else:
                axes.set_xlabel("step")
    handles = [Line2D([], [], label=_LABELS[series], **line) for series, line in _LINES.items()]
    style.legend_below(figure, handles)
    style.heading(figure, "Pre-training: masked frames", run, corpus)
    return figure, table


def _drawn(stage: int, curves: pd.DataFrame, metrics: Mapping[str, float]) -> pd.DataFrame:
    rows = []
    for measure in _MEASURES:
        rows += [
            (stage, measure, split, step, value)
            for split, step, value in curves[["split", "step", measure]].itertuples(index=False)
        ]
    last = int(curves["step"].max())
    rows.append((stage, "loss", "unigram", last, metrics["unigram_loss"]))
    rows.append((stage, "masked_accuracy", "unigram", last, metrics["unigram_accuracy"]))
    rows.append((stage, "masked_accuracy", "chance", last, metrics["chance"]))
    return pd.DataFrame(rows, columns=["stage", "measure", "series", "step", "value"])


def _plot(axes: Axes, rows: pd.DataFrame) -> None:
    for series, curve in rows.groupby("series", sort=False):
        if series in ("unigram", "chance"):
            axes.axhline(curve["value"].iloc[0], **_LINES[series])
        else:
            axes.plot(curve["step"], curve["value"], **_LINES[series])
    if rows["measure"].iloc[0] == "masked_accuracy":
        axes.set_ylim(bottom=0)
