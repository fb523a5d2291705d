"""Figure 2: the sorted activation probabilities of one phone, and the threshold of its activation pattern."""

from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import StrMethodFormatter

from property_neurons.counting.count_store import Counts, open_counts
from property_neurons.errors import CountingError
from property_neurons.figures import style
from property_neurons.figures.phone_names import phone_names
from property_neurons.figures.rare_cells import rare_phone_note
from property_neurons.neurons.definition import SetDefinition
from property_neurons.stores.manifests import store_path

_MOST_LAYERS = 4
_DASHES = ("-", (0, (5, 1.5)), (0, (3, 1, 1, 1)), (0, (1, 1)))


def read(inputs: Any, params: Any) -> dict[str, Any]:
    """What `draw` takes."""
    return {
        "counts": open_counts(store_path(inputs.counts)),
        "phone": params.phone,
        "definition": SetDefinition(**params.definition),
    }


def draw(counts: Counts, phone: str, definition: SetDefinition) -> style.Drawing:
    """Draw p = counts / n of every neuron, largest first, for `phone` in up to four evenly spaced layers.

    Args:
        counts: have one cell of `phone`, such as those of the property `single_phone`.
        phone: one of the corpus.
        definition: says which neurons are in the pattern of the phone, and by which threshold.

    Raises:
        CountingError: the counts have not one cell of the phone, or no frame of it was counted.
    """
    table = _probabilities(counts, phone, definition)
    figure = style.new_figure(style.COLUMN, 2.5)
    _plot(figure.subplots(), table, definition)
    name = phone_names([phone, *(counts.cells[cell][1] for cell in counts.phone_cells)])[0]
    style.heading(figure, f"Phone {name}", counts.model, counts.corpus, rare_phone_note(counts, phone))
    return figure, table


def _probabilities(counts: Counts, phone: str, definition: SetDefinition) -> pd.DataFrame:
    """Neurons by falling probability: layer, site, position, neuron, probability, in_pattern, threshold, frames."""
    cells = [index for index, (_, label) in enumerate(counts.cells) if label == phone]
    if len(cells) != 1:
        raise CountingError(
            f"counts of property {counts.property_name}: expected one cell of phone {phone}, found {len(cells)}; "
            "give the counts of `single_phone`"
        )
    frames = int(counts.n[cells[0]])
    if frames == 0:
        raise CountingError(
            f"corpus {counts.corpus}: expected frames of phone {phone}, found none; choose another "
            "`figures.probability_phone`"
        )
    last = len(counts.sites) - 1
    chosen = np.unique(np.linspace(0, last, _MOST_LAYERS).round().astype(int))
    tables = []
    for index in chosen:
        hits = counts.site_counts(index)[cells[0]]
        order = np.argsort(-hits, kind="stable")
        at = {"lambda_": counts.lambda_, "tau": counts.tau[index], "width": len(hits)}
        least = definition.least_counts(np.array([frames]), **at)[0]
        tables.append(
            pd.DataFrame(
                {
                    "layer": index + 1,
                    "site": counts.sites[index].name,
                    "position": np.arange(1, len(hits) + 1),
                    "neuron": order,
                    "probability": hits[order] / frames,
                    "in_pattern": hits[order] >= least,
                    "threshold": definition.share(**at),
                    "frames": frames,
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def _plot(axes: Axes, table: pd.DataFrame, definition: SetDefinition) -> None:
    layers = table["layer"].unique()
    # The light end of the palette is left out: it would not show on white.
    colours = sns.color_palette("viridis", 20)[: 17 : 16 // max(1, len(layers) - 1)]
    for (_, rows), colour, dashes in zip(table.groupby("layer"), colours, _DASHES, strict=False):
        label = f"layer {rows['site'].iloc[0]}: {rows['in_pattern'].sum()} of {len(rows)}"
        axes.plot(rows["position"], rows["probability"], color=colour, linestyle=dashes, label=label)
    thresholds = sorted(table["threshold"].unique())
    for threshold in thresholds:
        axes.axhline(threshold, color=style.VERMILLION, linewidth=0.9, zorder=1)
    lowest = thresholds[0]
    name = "$\\tau/D$" if definition.threshold == "tau_over_width" else "$\\lambda$"
    axes.annotate(
        f"threshold {name} = {lowest:.4g}",
        (1, lowest),
        (0, -2),
        textcoords="offset points",
        va="top",
        fontsize=7,
        color=style.VERMILLION,
    )
    axes.set_xscale("log")
    axes.set_yscale("log")
    # Two decades below the threshold are room for the legend, and enough to see the curves fall.
    axes.set_ylim(lowest / 200, 1.2)
    axes.set_xlim(0.9, table["position"].max() * 1.1)
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.set_xlabel("neuron, most probable first")
    axes.set_ylabel("activation probability $p$")
    axes.legend(loc="best", title="neurons in the pattern", alignment="left")
