"""The look of every figure, and the one way a figure is written.

The module of a figure has two functions. `read` turns the files and settings of its rule into the arguments of `draw`,
which returns a `Drawing`. workflow/scripts/draw_figure.py calls both within `theme()` and gives the result to `save`.

Colours are Okabe and Ito's, which readers with any common colour blindness tell apart; whatever carries a
colour also carries a shape, a dash pattern or a label. Nothing here depends on the user's matplotlib settings.
"""

import math
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from property_neurons.counting import group_titles
from property_neurons.figures.table_page import table_page
from property_neurons.neurons.statistics.vocabulary import PAPER, RANDOM
from property_neurons.stores.files import atomic_path, write_table

Drawing = tuple[Figure, pd.DataFrame]
"""A figure, and the table of exactly what it shows."""

# Inches: one column and the full text width of a two-column paper.
COLUMN = 3.5
PAGE = 7.16
_DPI = 200
# Inches that a character of running text takes, a little generously.
_CHARACTER = 0.06
# Inches that a line of the heading takes.
_LINE = 0.13

BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"
CONTROL = "#8C8C8C"
REFERENCE = "#222222"
# What a control is drawn with, so that it is told apart without colour.
OF_CONTROL = MappingProxyType({"marker": "^", "markerfacecolor": "white", "markeredgewidth": 0.8})
# Numbers in brackets, which have to be read.
_SMALL = {"fontsize": 6, "color": "#5E5E5E"}

# One colour and marker per group of a property, in the order of the groups.
GROUP_COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY)
GROUP_MARKERS = ("o", "s", "^", "D", "v", "P")

_PROPERTY_COLOURS = MappingProxyType(
    {"phone": BLUE, "single_phone": SKY, "gender": VERMILLION, "pitch": GREEN, "duration": PURPLE}
)
# Of properties that are not the paper's; after the first two, of Tol's muted scheme.
_SPARE_COLOURS = (ORANGE, "#000000", "#882255", "#999933", "#44AA99", "#332288")
_PROPERTY_TITLES = MappingProxyType({"phone": "phone classes", "single_phone": "single phones"})
_SELECTOR_TITLES = MappingProxyType(
    {
        PAPER: "property neurons (eq. 3–5)",
        RANDOM: "at random",
        "entropy": "entropy (LAPE, AAPE)",
        "value_difference": "mean difference, of values",
        "value_entropy": "entropy (AAPE), of values",
        "value_entropy_1_percent": "the same, lowest 1 % by layer",
    }
)

_LAYER_STEPS = (1, 2, 3, 4, 6, 8, 12, 16, 24)

# A silhouette between these two says that the groups are not apart: groups of identical patterns give
# -1/phones, and three groups of unrelated ones about -0.04 (the nearer of two others is compared with).
NO_SEPARATION = (-0.05, 0.0)
# How the range of `NO_SEPARATION` looks; dotted, as the bands of controls are plain grey.
NOTHING = MappingProxyType(
    {"facecolor": "white", "edgecolor": "#C4C4C4", "hatch": "......", "linewidth": 0.0, "zorder": 0}
)


@contextmanager
def theme() -> Iterator[None]:
    """The style in which a figure is both drawn and saved; leaves the caller's matplotlib settings alone."""
    with mpl.rc_context():
        mpl.rcdefaults()
        sns.set_theme(
            context="paper",
            style="ticks",
            color_codes=False,
            rc={
                "font.family": "DejaVu Sans",
                "font.size": 7.5,
                "axes.titlesize": 8,
                "axes.labelsize": 7.5,
                "xtick.labelsize": 7,
                "ytick.labelsize": 7,
                "legend.fontsize": 7,
                "legend.title_fontsize": 7,
                "legend.frameon": False,
                "figure.titlesize": 8,
                "axes.linewidth": 0.6,
                "axes.spines.top": False,
                "axes.spines.right": False,
                "xtick.major.width": 0.6,
                "ytick.major.width": 0.6,
                "xtick.minor.width": 0.4,
                "xtick.major.size": 3,
                "ytick.major.size": 3,
                "xtick.minor.size": 1.5,
                "lines.linewidth": 1.4,
                "lines.markersize": 3.5,
                "patch.linewidth": 0.6,
                "hatch.linewidth": 0.5,
                "pdf.fonttype": 42,
                # Hinting widens letters by up to a tenth, differently at each resolution: what is measured
                # for one format would not hold for the other.
                "text.hinting": "none",
                "axes.unicode_minus": True,
            },
        )
        yield


def new_figure(width: float, height: float) -> Figure:
    """A figure of `width` by `height` inches that belongs to no window and to no global state."""
    return Figure(figsize=(width, height), dpi=_DPI, layout="constrained")


def heading(figure: Figure, what: str, model: str, corpus: str, *notes: str) -> None:
    """Write a heading above the panels (content, model, corpus) and notes below it, but for empty ones."""
    room = int(figure.get_figwidth() / _CHARACTER)
    # A line ends with a dot and does not begin with one.
    lines = textwrap.wrap(f"{what}\u00a0· {model}\u00a0· {corpus}", room, break_on_hyphens=False)
    of_note = textwrap.wrap(". ".join(filter(None, notes)), room, break_on_hyphens=False)
    # The panels keep their height.
    figure.set_figheight(figure.get_figheight() + _LINE * len(of_note))
    figure.suptitle("\n".join(lines + of_note), x=0.01, ha="left")


def tested_note(speakers: float, seeds: int) -> str:
    """What a figure of scores says of its test: "Tested on 12 speakers, 3 seeds"."""
    return f"Tested on {speakers:.0f} speakers, {seeds} seed{'s' if seeds > 1 else ''}"


def share_vertical(lines: Sequence[Sequence[Axes]]) -> None:
    """Give all panels of some lines one vertical axis, with numbers at the first panel of each line alone."""
    for panels in lines:
        for axes in panels:
            if axes is not lines[0][0]:
                axes.sharey(lines[0][0])
            axes.tick_params("y", labelleft=axes is panels[0])


def legend_below(figure: Figure, handles: Sequence[Artist]) -> None:
    """A legend under the panels, in as many columns as the figure has room for."""
    columns = legend_columns([str(handle.get_label()) for handle in handles], figure.get_figwidth())
    figure.legend(handles=handles, loc="outside lower center", ncols=columns)


def legend_columns(labels: Sequence[str], inches: float) -> int:
    """How many columns of a legend with these labels fit into that many inches."""
    longest = [max(map(len, label.split("\n"))) for label in labels]
    # Entries fill one column after the other, and each column is as wide as its own need it.
    for count in range(len(labels), 1, -1):
        columns = np.array_split(longest, count)
        if sum(0.88 * _CHARACTER * max(column) + 0.44 for column in columns) <= inches:
            return count
    return 1


def silhouette_text(value: float) -> str:
    """A silhouette as text with two decimals."""
    return "undefined" if math.isnan(value) else f"{value:z.2f}".replace("-", "−")


def property_title(name: str) -> str:
    """A property's name in a figure; the property `phone` is the paper's phone classes."""
    words = ("F0" if word == "f0" else word for word in name.split("_"))
    return _PROPERTY_TITLES.get(name, " ".join(words))


def group_title(name: str, property_: str) -> str:
    """The name of a property's group in a figure; a dollar sign in it begins no formula."""
    return group_titles.group_title(name, property_).replace("$", r"\$")


def selector_title(name: str) -> str:
    """A selector's name in a figure."""
    return _SELECTOR_TITLES.get(name, name.replace("_", " "))


def property_colours(names: Sequence[str]) -> dict[str, str]:
    """A colour for each property: the paper's and duration always have the same one, others take what is left."""
    others = [name for name in names if name not in _PROPERTY_COLOURS]
    spare = {name: _SPARE_COLOURS[index % len(_SPARE_COLOURS)] for index, name in enumerate(others)}
    return {name: _PROPERTY_COLOURS.get(name) or spare[name] for name in names}


def group_looks(groups: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Colour and marker of each group of a property."""
    return {
        group: (
            GROUP_COLOURS[index % len(GROUP_COLOURS)],
            # Where colours come again, markers are others.
            GROUP_MARKERS[(index + index // len(GROUP_COLOURS)) % len(GROUP_MARKERS)],
        )
        for index, group in enumerate(groups)
    }


def layer_axis(axes: Axes, sites: Sequence[str], inches: float) -> None:
    """Mark layers 1..n along x by their site names, thinned so that they stay apart in `inches` of width."""
    count = len(sites)
    room = max(2, int(inches / (0.055 * max(map(len, sites)) + 0.09)))
    step = next(step for step in (*_LAYER_STEPS, count) if count / step <= room)
    if any("." in site for site in sites):
        # Two sites a block: an even step keeps to the first of each block.
        step += step % 2 if step > 1 else 0
        shown = range(1, count + 1, step)
    else:
        shown = [1, *range(step, count + 1, step)] if step > 2 else range(step, count + 1, step)
    axes.set_xticks(list(shown), [sites[layer - 1] for layer in shown])
    axes.xaxis.set_minor_locator(FixedLocator(range(1, count + 1)))
    axes.set_xlim(0.5, count + 0.5)


def lay_out(figure: Figure) -> None:
    """Lay the figure out, so that its parts can be measured."""
    # A panel of fixed aspect has its final size only after the first pass.
    for _ in range(2):
        figure.draw_without_rendering()


def settle(figure: Figure) -> None:
    """Lay the figure out for good, so that all formats show the layout that is measured now."""
    lay_out(figure)
    figure.set_layout_engine(None)


def save(figure: Figure, table: pd.DataFrame, out: str | Path) -> None:
    """Write `out`.pdf, .png (200 dpi), .tsv (`table`, exactly what is drawn) and .html (the same, to be sorted).

    The same content gives the same bytes.

    Call inside `theme()`. A suffix that `out` has is replaced.
    """
    out = Path(out)
    if figure.get_layout_engine() is not None:
        settle(figure)
    with atomic_path(out.with_suffix(".pdf")) as path:
        figure.savefig(path, format="pdf", metadata={"CreationDate": None, "Creator": "property-neurons"})
    with atomic_path(out.with_suffix(".png")) as path:
        figure.savefig(path, format="png", dpi=_DPI, metadata={"Software": "property-neurons"})
    write_table(out.with_suffix(".tsv"), table)
    with atomic_path(out.with_suffix(".html")) as path:
        path.write_text(table_page(table, out.stem), encoding="utf-8")


def write_detectable(axes: Axes, place: float, detectable: float, decimals: int) -> None:
    """Write the detectable difference, in brackets, at the right of a null result at `place` of the y axis."""
    write_at_right(axes, place, f"({detectable:.{decimals}f})", **_SMALL)


def write_at_left(axes: Axes, place: float, text: str) -> None:
    """Write small at the left end of a row, at `place` of the y axis."""
    axes.annotate(
        text,
        (0, place),
        (2, 0),
        xycoords=axes.get_yaxis_transform(),
        textcoords="offset points",
        ha="left",
        va="center",
        **_SMALL,
    )


def write_at_right(axes: Axes, place: float, text: str, **look: Any) -> None:
    """Write at the right end of a row, at `place` of the y axis.

    Args:
        look: properties of matplotlib's text.
    """
    transform = axes.get_yaxis_transform()
    axes.annotate(
        text, (1, place), (-1, 0), xycoords=transform, textcoords="offset points", ha="right", va="center", **look
    )
