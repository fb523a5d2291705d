"""What each layer knows about phones: clusters, a linear probe, and how far apart the phone classes lie."""

import math
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from property_neurons.figures import style
from property_neurons.stores.files import read_table

LOG_MEL = "log-Mel"


class _Measure(NamedTuple):
    """A panel: its title and its columns in the table of probes."""

    title: str
    value: str
    lowest: str | None = None
    highest: str | None = None


_MEASURES = (
    _Measure("phone information in clusters (PNMI)", "pnmi"),
    _Measure("linear phone probe (accuracy)", "probe_accuracy", "probe_low", "probe_high"),
    _Measure("silhouette of the phone means", "silhouette"),
)
_LINES = MappingProxyType(
    {
        "log-Mel": {"color": style.REFERENCE, "linewidth": 0.9, "linestyle": ":", "zorder": 4},
        "control": {"color": style.CONTROL, "linewidth": 1.0, "linestyle": "-", "zorder": 1, **style.OF_CONTROL},
        "model": {"color": style.BLUE, "linewidth": 1.4, "linestyle": "-", "marker": "o", "zorder": 3},
    }
)


def read(inputs: Any, params: Any) -> dict[str, Any]:
    """What `draw` takes."""
    probes = dict(zip(params.models, map(read_table, inputs.probes), strict=True))
    return {"probes": probes, "corpus": params.corpus}


def draw(probes: Mapping[str, pd.DataFrame], corpus: str) -> style.Drawing:
    """Draw PNMI, the accuracy of the linear probe with its interval, and the silhouette, by layer.

    Args:
        probes: by model, what `probing.probe.probe_representations` made. The first model is the one shown; a
            second one is its control, drawn in grey. Log-Mel, the same for both, is a horizontal line.
        corpus: the corpus's name.
    """
    model = next(iter(probes))
    table = pd.concat(_curves(probes), ignore_index=True)
    figure = style.new_figure(style.PAGE, 2.5)
    grid = figure.subplots(1, len(_MEASURES))
    layers = [str(layer) for layer in range(1, int(table["layer"].max()) + 1)]
    for axes, measure in zip(grid, _MEASURES, strict=True):
        rows = table[table["measure"] == measure.value]
        for _, curve in rows.groupby("series", sort=False):
            _plot(axes, curve)
        if measure.value == "silhouette":
            axes.axhspan(*style.NO_SEPARATION, **style.NOTHING)
        else:
            axes.set_ylim(0, 1.06 * rows[["value", "highest"]].max(axis=None))
        axes.set_title(measure.title)
        axes.set_xlabel("layer")
        style.layer_axis(axes, layers, style.PAGE / len(_MEASURES) - 0.5)
    style.legend_below(figure, _legend(table))
    style.heading(
        figure,
        "Phones in each layer: PNMI and probe on other speakers, silhouette on all",
        model,
        corpus,
        _not_converged(probes),
    )
    return figure, table


def _not_converged(probes: Mapping[str, pd.DataFrame]) -> str:
    """The line of a figure with linear probes that were stopped before they had converged; "" where there are none."""
    stopped = [f"{name} {(~table['probe_converged']).sum()} of {len(table)}" for name, table in probes.items()]
    any_stopped = any(not table["probe_converged"].all() for table in probes.values())
    return f"Linear probes stopped before they converged: {', '.join(stopped)}" if any_stopped else ""


def _curves(probes: Mapping[str, pd.DataFrame]) -> Iterator[pd.DataFrame]:
    model, *controls = probes
    for measure in _MEASURES:
        own = probes[model].sort_values("layer")
        yield _curve(own[own["layer"] > 0], measure, "model", model)
        for control in controls:
            other = probes[control].sort_values("layer")
            yield _curve(other[other["layer"] > 0], measure, "control", f"control {control}")
        yield _curve(own[own["layer"] == 0], measure, "log-Mel", LOG_MEL)


def _curve(rows: pd.DataFrame, measure: _Measure, role: str, series: str) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "measure": measure.value,
            "role": role,
            "series": series,
            "layer": rows["layer"],
            "value": rows[measure.value],
            "lowest": rows[measure.lowest] if measure.lowest else math.nan,
            "highest": rows[measure.highest] if measure.highest else math.nan,
        }
    )


def _plot(axes: Axes, rows: pd.DataFrame) -> None:
    line = _LINES[rows["role"].iloc[0]]
    if rows["role"].iloc[0] == "log-Mel":
        axes.axhline(rows["value"].iloc[0], **line)
        if rows["lowest"].notna().all():
            axes.axhspan(rows["lowest"].iloc[0], rows["highest"].iloc[0], **_band(line))
        return
    axes.plot(rows["layer"], rows["value"], markersize=2.8 if len(rows) <= 16 else 1.5, **line)
    if rows["lowest"].notna().any():
        axes.fill_between(rows["layer"], rows["lowest"], rows["highest"], **_band(line))


def _band(line: Mapping[str, object]) -> dict[str, object]:
    return {"color": line["color"], "alpha": 0.15, "linewidth": 0, "zorder": 1}


def _legend(table: pd.DataFrame) -> list[Line2D | Patch]:
    handles: list[Line2D | Patch] = [
        Line2D([], [], label=series, markersize=2.8, **_LINES[role])
        for role, series in table[["role", "series"]].drop_duplicates().itertuples(index=False)
    ]
    handles.append(Patch(label="no separation", **style.NOTHING))
    if table["lowest"].notna().any():
        handles.append(Line2D([], [], color=style.BLUE, alpha=0.15, linewidth=6, label="95 % interval over speakers"))
    return handles
