"""The criteria and controls of a pruning study: paired differences, and the errors below (Figures 6 and 9)."""

import math
from collections.abc import Sequence
from types import MappingProxyType

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from property_neurons.figures import style
from property_neurons.figures.pruning_tables import BEYOND, MEASURES, others_of
from property_neurons.pruning.vocabulary import ARMS, CRITERIA, UNCUT, score_of, shield_of
from property_neurons.tasks.intervals import interval_label

# Inches of one arm.
_DIFFERENCE = 0.17
# Points: room for "better" and "worse" between a panel and its title.
TITLE_PAD = 14
# Inches: names of arms at the left, a panel at most, what stands around each row of panels (title, ticks, name), the
# heading, a line of the legend.
_NAMES = 1.35
_PANEL = 2.5
_FRAME = 0.65
_HEADING = 0.4
_LEGEND_LINE = 0.17
# Share of a panel that differences leave on either side of zero, so that both sides can be named.
_SIDE = 0.28
# Criteria have colours, those that protect neurons in front of another score a lighter one; what keeps every neuron
# and what draws lots is grey.
_OF_SCORES = MappingProxyType(
    {
        "norm": style.VERMILLION,
        "l2": "#8A3B00",
        "frequency": style.ORANGE,
        "magnitude": "#B8A800",
        "wanda": style.GREEN,
        "taylor": style.PURPLE,
        "fisher": style.SKY,
        "l0": "#5A3A9B",
        "random": "#B4B4B4",
    }
)


def _lighter(colour: str, share: float) -> str:
    return to_hex([1 - share * (1 - value) for value in to_rgb(colour)])


_SHIELDED = {arm: _lighter(_OF_SCORES[score_of(arm)], 0.6) for arm in CRITERIA if shield_of(arm)}
COLOURS = MappingProxyType(
    {"unpruned": "#6E6E6E", "fine_tuned": "#A0A0A0"}
    | _OF_SCORES
    | {arm: style.CONTROL if shield_of(arm) == "random_protect" else colour for arm, colour in _SHIELDED.items()}
    | {"protect": style.BLUE}
)
_SEED = MappingProxyType(
    {"marker": "o", "markersize": 2.6, "color": style.REFERENCE, "markeredgecolor": "white", "markeredgewidth": 0.4}
)
_INTERVAL = MappingProxyType({"color": style.REFERENCE, "linewidth": 0.9})
# Not the circle of a difference, whose filling says something.
_ERROR = MappingProxyType({"marker": "|", "markersize": 8, "markeredgewidth": 2.0, "linestyle": ""})
_PUBLISHED = MappingProxyType(
    {"marker": "D", "markersize": 3.6, "color": "white", "markeredgecolor": style.REFERENCE, "markeredgewidth": 0.8}
)


def arm_title(arm: str) -> str:
    """An arm's name in a figure: "protect_wanda" -> "protect, then wanda"."""
    if arm in UNCUT:
        return arm.replace("_", "-")
    first = {"protect": "protect", "random_protect": "matched random set"}.get(shield_of(arm) or "")
    behind = "" if first and score_of(arm) == "norm" else score_of(arm)
    return ", then ".join(word for word in (first, behind) if word)


def new_figure(tasks: int, heights: Sequence[float], handles: Sequence[Line2D]) -> Figure:
    """A figure for panels of these heights in inches, that many side by side, with room for heading and legend."""
    width = min(style.PAGE, _NAMES + _PANEL * tasks)
    entries = [str(handle.get_label()) for handle in handles]
    lines = math.ceil(len(entries) / style.legend_columns(entries, width)) + any("\n" in entry for entry in entries)
    return style.new_figure(width, _HEADING + sum(heights) + _FRAME * len(heights) + _LEGEND_LINE * lines)


def panel_width(tasks: int) -> float:
    """Inches of a panel, one of that many side by side."""
    return (min(style.PAGE, _NAMES + _PANEL * tasks) - _NAMES) / tasks


def heights(table: pd.DataFrame) -> list[float]:
    """Inches of the panels of `draw_panels`: changes and differences where there are any, errors."""
    lines = (len(_arms(table, "change")), len(others_of(table)), len(_arms(table, "error")))
    return [_DIFFERENCE * count for count in lines if count]


def draw_panels(rows: Sequence[Sequence[Axes]], table: pd.DataFrame) -> None:
    """Draw each arm minus the unpruned model, protect minus the others, and the errors themselves.

    Args:
        rows: as many as `heights` says; each has a panel for each task. The panels of a row come to share their axis.
        table: of `final_rows`, with or without other parts.
    """
    tasks = dict(iter(table.groupby("task", sort=False)))
    arms, changed = (_arms(table, part) for part in ("error", "change"))
    others = others_of(table)
    above = []
    if changed:
        above.append(("change", changed, "arm", "arm − unpruned", ""))
    if others:
        above.append(("difference", others, "other", "protect − other", "− "))
    for panels, (part, names, column, what, sign) in zip(rows, above, strict=False):
        for axes, own in zip(panels, tasks.values(), strict=True):
            _plot_differences(axes, own[own["part"] == part], names, column)
            axes.set_xlabel(f"{what} ({MEASURES[own['metric'].iloc[0]].difference})")
        _name_rows(panels, [sign + arm_title(arm) for arm in names])
    for axes, own in zip(rows[-1], tasks.values(), strict=True):
        _plot_errors(axes, own, arms)
    _name_rows(rows[-1], [arm_title(arm) for arm in arms])


def legend(table: pd.DataFrame) -> list[Line2D]:
    """Legend handles for marks without a label in the panels."""
    parts = set(table["part"])
    several_seeds = (table["seeds"] > 1).any()
    handles = [
        Line2D([], [], label=f"difference, q ≤ {BEYOND}", **_difference_look(style.BLUE, beyond=True)),
        Line2D([], [], label="none shown (smallest detectable)", **_difference_look(style.BLUE, beyond=False)),
        Line2D([], [], label=interval_label(table["seeds"].min()), **_INTERVAL),
        Line2D([], [], label="error, mean over seeds" if several_seeds else "error", color=style.BLUE, **_ERROR),
    ]
    if several_seeds:
        handles.append(Line2D([], [], label="error of one seed", linestyle="", **_SEED))
    if "published" in parts:
        handles.append(Line2D([], [], label="published", linestyle="", **_PUBLISHED))
    return handles


def _arms(table: pd.DataFrame, part: str) -> list[str]:
    return [arm for arm in ARMS if arm in set(table.loc[table["part"] == part, "arm"])]


def _plot_errors(axes: Axes, table: pd.DataFrame, arms: Sequence[str]) -> None:
    """Draw the errors. The axis does not start at zero, because that would hide differences between close arms."""
    measure = MEASURES[table["metric"].iloc[0]]
    by_part = dict(iter(table.groupby("part")))
    far = []
    for error in by_part["error"].itertuples():
        place = arms.index(error.arm)
        seeds, shown = (
            by_part[part].loc[by_part[part]["arm"] == error.arm, "value"].tolist() if part in by_part else []
            for part in ("seed", "published")
        )
        axes.plot([error.low, error.high], [place, place], color=COLOURS[error.arm], linewidth=1.4, zorder=2)
        axes.plot([error.value], [place], color=COLOURS[error.arm], zorder=3, **_ERROR)
        if len(seeds) > 1:
            axes.plot(seeds, [place - 0.28] * len(seeds), linestyle="", zorder=4, **_SEED)
        axes.plot(shown, [place] * len(shown), linestyle="", zorder=5, **_PUBLISHED)
        far += [error.low, error.high, *seeds, *shown]
        style.write_at_right(axes, place, f"{error.value:.{measure.decimals}f}", fontsize=6.5)
    span = (max(far) - min(far)) or 1.0
    # At the right the numbers stand.
    axes.set_xlim(min(far) - 0.06 * span, max(far) + 0.3 * span)
    _space_ticks(axes)
    axes.set_ylim(len(arms) - 0.5, -0.5)
    constant = by_part["constant"]["value"].iloc[0] if "constant" in by_part else None
    best = "" if constant is None else f" (constant: {constant:.{min(measure.decimals, 3)}f})"
    axes.set_xlabel(measure.label + best)


def _space_ticks(axes: Axes) -> None:
    """Number the x axis in four spaces at most: numbers of small differences, such as -0.004, are wide."""
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))


def _plot_differences(axes: Axes, rows: pd.DataFrame, names: Sequence[str], column: str) -> None:
    """Draw differences with their intervals around zero, one line for each of `names` in `column`."""
    axes.axvline(0, color=style.REFERENCE, linewidth=0.6, zorder=1)
    for row in rows.itertuples():
        name = getattr(row, column)
        place = names.index(name)
        look = _difference_look(COLOURS[name], beyond=row.q <= BEYOND)
        axes.plot([row.low, row.high], [place, place], zorder=2, **look | {"marker": ""})
        axes.plot([row.value], [place], zorder=3, **look | {"linestyle": ""})
        if row.q > BEYOND and row.detectable > 0:
            style.write_detectable(axes, place, row.detectable, MEASURES[row.metric].decimals)
    reach = [min(0.0, rows["low"].min()), max(0.0, rows["high"].max())] if len(rows) else [-1.0, 1.0]
    span = (reach[1] - reach[0]) or 1.0
    # At the right, what could have been seen stands in brackets: four decimals are wider than one.
    room = 0.37 if len(rows) and MEASURES[rows["metric"].iloc[0]].decimals > 1 else 0.22
    low, high = reach[0] - 0.06 * span, reach[1] + room * span
    # The side without differences is drawn out until its name has room.
    low, high = min(low, -high * _SIDE / (1 - _SIDE)), max(high, -low * _SIDE / (1 - _SIDE))
    axes.set_xlim(low, high)
    _space_ticks(axes)
    axes.set_ylim(len(names) - 0.5, -0.5)
    for text, side, shift in (("← better", "right", -3), ("worse →", "left", 3)):
        axes.annotate(
            text,
            (0, 1),
            (shift, 2),
            xycoords=axes.get_xaxis_transform(),
            textcoords="offset points",
            ha=side,
            va="bottom",
            fontsize=6.5,
            color=style.CONTROL,
        )


def _difference_look(colour: str, *, beyond: bool) -> dict[str, object]:
    return {
        "color": colour,
        "linewidth": 1.4,
        "marker": "o",
        "markersize": 4,
        "markerfacecolor": colour if beyond else "white",
        "markeredgewidth": 1.0,
    }


def _name_rows(panels: Sequence[Axes], names: Sequence[str]) -> None:
    """Name what stands at 0, 1, 2 ... of the vertical axis, at the first panel; the others share the axis."""
    panels[0].set_yticks(range(len(names)), names)
    for axes in panels:
        axes.tick_params("y", length=0)
    style.share_vertical([panels])
