"""The criteria and controls of a pruning study, side by side: bars, and paired differences below (Figures 6 and 9)."""

import math
from collections.abc import Sequence
from types import MappingProxyType

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from property_neurons.figures import style
from property_neurons.figures.pruning_tables import BEYOND, INTERVAL, MEASURES, others_of
from property_neurons.pruning.vocabulary import ARMS, CRITERIA, score_of, shield_of

# Inches of one bar and of one difference.
_BAR = 0.21
_DIFFERENCE = 0.17
# Inches: names of arms at the left, a panel at most, what stands around each row of panels (title, ticks, name), the
# heading, a line of the legend, a value.
_NAMES = 1.1
_PANEL = 2.5
_FRAME = 0.65
_HEADING = 0.4
_LEGEND_LINE = 0.17
_VALUE_INCHES = 0.42
_THICKNESS = 0.68
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
_ERROR = MappingProxyType({"color": style.REFERENCE, "linewidth": 0.9})
_PUBLISHED = MappingProxyType(
    {"marker": "D", "markersize": 3.6, "color": "white", "markeredgecolor": style.REFERENCE, "markeredgewidth": 0.8}
)
CONSTANT = MappingProxyType({"color": style.REFERENCE, "linewidth": 0.9, "linestyle": (0, (4, 2)), "zorder": 1})


def arm_title(arm: str) -> str:
    """An arm's name in a figure: "random_protect" -> "random protect"."""
    return {"fine_tuned": "fine-tuned"}.get(arm, arm.replace("_", " "))


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
    """Inches of the bars and, where there are any, of the differences."""
    bars, others = table.loc[table["part"] == "bar", "arm"].nunique(), len(others_of(table))
    return [_BAR * bars, _DIFFERENCE * others] if others else [_BAR * bars]


def draw_bars_and_differences(rows: Sequence[Sequence[Axes]], table: pd.DataFrame) -> None:
    """Draw the bars of each task into its panel and, where there are any, protect minus each other arm below.

    Args:
        rows: as many as `heights` says; each has a panel for each task. The panels of a row come to share their axis.
        table: of `final_rows`, with or without other parts.
    """
    arms = [arm for arm in ARMS if arm in set(table.loc[table["part"] == "bar", "arm"])]
    tasks = dict(iter(table.groupby("task", sort=False)))
    for axes, own in zip(rows[0], tasks.values(), strict=True):
        _plot_bars(axes, own, arms, panel_width(len(tasks)))
    _name_rows(rows[0], [arm_title(arm) for arm in arms])
    others = others_of(table)
    if not others:
        return
    for axes, own in zip(rows[1], tasks.values(), strict=True):
        _plot_differences(axes, own[own["part"] == "difference"], others)
        axes.set_xlabel(f"protect − other ({MEASURES[own['metric'].iloc[0]].difference})")
    _name_rows(rows[1], [f"− {arm_title(arm)}" for arm in others])


def legend(table: pd.DataFrame) -> list[Line2D]:
    """Handles for what bars and differences do not name themselves."""
    parts = set(table["part"])
    handles = [Line2D([], [], label="one seed", linestyle="", **_SEED)]
    handles.append(Line2D([], [], label=INTERVAL, **_ERROR))
    if "constant" in parts:
        handles.append(Line2D([], [], label="best constant prediction", **CONSTANT))
    if "published" in parts:
        handles.append(Line2D([], [], label="published", linestyle="", **_PUBLISHED))
    if "difference" in parts:
        handles.append(Line2D([], [], label=f"difference, q ≤ {BEYOND}", **_difference_look(style.BLUE, beyond=True)))
        handles.append(
            Line2D([], [], label="none; in brackets: detectable", **_difference_look(style.BLUE, beyond=False))
        )
    return handles


def _plot_bars(axes: Axes, table: pd.DataFrame, arms: Sequence[str], inches: float) -> None:
    measure = MEASURES[table["metric"].iloc[0]]
    by_part = dict(iter(table.groupby("part")))
    constants = by_part["constant"]["value"].tolist() if "constant" in by_part else []
    for value in constants:
        axes.axvline(value, **CONSTANT)
    marks = {}
    for bar in by_part["bar"].itertuples():
        place = arms.index(bar.arm)
        seeds, shown = (
            by_part[part].loc[by_part[part]["arm"] == bar.arm, "value"].tolist() if part in by_part else []
            for part in ("seed", "published")
        )
        axes.barh(place, bar.value, height=_THICKNESS, color=COLOURS[bar.arm], zorder=2)
        # Beside the error bar, so that neither hides the other; a single seed is its middle.
        offsets = [0.0] if len(seeds) == 1 else [0.2 if index % 2 else -0.2 for index in range(len(seeds))]
        axes.plot(seeds, [place + offset for offset in offsets], linestyle="", zorder=3, **_SEED)
        axes.plot([bar.low, bar.high], [place, place], zorder=4, **_ERROR)
        axes.plot(shown, [place] * len(shown), linestyle="", zorder=5, **_PUBLISHED)
        marks[bar.arm] = (max(bar.value, bar.high, *seeds), shown)
    ends = [end for end, _ in marks.values()]
    far = max([*ends, *constants, *(value for _, shown in marks.values() for value in shown)])
    limit = max(far * 1.03, max(ends) * inches / (inches - _VALUE_INCHES))
    room = limit * _VALUE_INCHES / inches
    for bar in by_part["bar"].itertuples():
        end, shown = marks[bar.arm]
        # Behind whatever would stand within the number.
        for value in sorted([*shown, *constants]):
            end = value if end - room / 8 < value < end + room else end
        limit = max(limit, end + room)
        axes.annotate(
            f"{bar.value:.{measure.decimals}f}",
            (end, arms.index(bar.arm)),
            (5, 0),
            textcoords="offset points",
            va="center",
            fontsize=6.5,
        )
    axes.set_xlim(0, limit)
    axes.set_ylim(len(arms) - 0.5, -0.5)
    axes.set_xlabel(measure.label)


def _plot_differences(axes: Axes, rows: pd.DataFrame, others: Sequence[str]) -> None:
    axes.axvline(0, color=style.REFERENCE, linewidth=0.6, zorder=1)
    for row in rows.itertuples():
        place = others.index(row.other)
        look = _difference_look(COLOURS[row.other], beyond=row.q <= BEYOND)
        axes.plot([row.low, row.high], [place, place], zorder=2, **look | {"marker": ""})
        axes.plot([row.value], [place], zorder=3, **look | {"linestyle": ""})
        if row.q > BEYOND and row.detectable > 0:
            decimals = MEASURES[row.metric].decimals
            axes.annotate(
                f"({row.detectable:.{decimals}f})",
                (1, place),
                (-1, 0),
                xycoords=axes.get_yaxis_transform(),
                textcoords="offset points",
                ha="right",
                va="center",
                fontsize=5.5,
                color=style.CONTROL,
            )
    reach = [min(0.0, rows["low"].min()), max(0.0, rows["high"].max())] if len(rows) else [-1.0, 1.0]
    span = (reach[1] - reach[0]) or 1.0
    low, high = reach[0] - 0.06 * span, reach[1] + 0.06 * span
    # The side without differences is drawn out until its name has room.
    low, high = min(low, -high * _SIDE / (1 - _SIDE)), max(high, -low * _SIDE / (1 - _SIDE))
    axes.set_xlim(low, high)
    axes.set_ylim(len(others) - 0.5, -0.5)
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
    for axes in panels[1:]:
        axes.sharey(panels[0])
        axes.tick_params("y", labelleft=False)
