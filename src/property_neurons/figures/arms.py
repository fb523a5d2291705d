"""The arms of a pruning study, side by side: bars, and paired differences below them (Figures 6 and 9)."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from property_neurons.errors import ConfigError
from property_neurons.figures import style
from property_neurons.pruning.vocabulary import ARMS, UNCUT
from property_neurons.stores.files import read_json

Bars = Mapping[str, float]
"""The paper's bars of one metric: {arm: value}, as drawn."""

DEVIATION = "standard deviation over seeds"
BOOTSTRAP = "95 % bootstrap interval"

# Inches of one bar and of one difference.
BAR = 0.21
DIFFERENCE = 0.17
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
_PUBLISHED_MODEL = "melhubert"


class Measure(NamedTuple):
    """How a metric is drawn: its task's name, its own, that of its differences, scale and decimals."""

    task: str
    label: str
    difference: str
    scale: float
    decimals: int


MEASURES = MappingProxyType(
    {
        "phone_error_rate": Measure("phone recognition", "phone error rate (%)", "percentage points", 100, 1),
        "speaker_error_rate": Measure("speaker identification", "speaker error rate (%)", "percentage points", 100, 1),
        "lnf0_mse": Measure("F0 reconstruction", "MSE of ln F0", "MSE", 1, 3),
    }
)

# Criteria have colours; what keeps every neuron and what draws lots is grey.
COLOURS = MappingProxyType(
    {
        "unpruned": "#6E6E6E",
        "fine_tuned": "#A0A0A0",
        "protect": style.BLUE,
        "norm": style.VERMILLION,
        "frequency": style.ORANGE,
        "random_protect": style.CONTROL,
        "random": "#B4B4B4",
    }
)
_SEED = MappingProxyType(
    {"marker": "o", "markersize": 2.6, "color": style.REFERENCE, "markeredgecolor": "white", "markeredgewidth": 0.4}
)
_ERROR = MappingProxyType({"color": style.REFERENCE, "linewidth": 0.9})
_PUBLISHED = MappingProxyType(
    {"marker": "D", "markersize": 3.6, "color": "white", "markeredgecolor": style.REFERENCE, "markeredgewidth": 0.8}
)
CONSTANT = MappingProxyType({"color": style.REFERENCE, "linewidth": 0.9, "linestyle": (0, (4, 2)), "zorder": 1})


def read_bars(path: str | Path, figure: str, published_as: str | None) -> dict[str, Bars]:
    """The paper's bars of `figure` ("fig6" or "fig9") by metric; none where it does not show the model.

    Args:
        path: resources/published.json.
        published_as: the model in the paper's words, None for another.
    """
    if published_as != _PUBLISHED_MODEL:
        return {}
    return {metric: bars for metric, bars in read_json(path)[figure].items() if metric in MEASURES}


def arm_title(arm: str) -> str:
    """An arm's name in a figure: "random_protect" -> "random protect"."""
    return {"fine_tuned": "fine-tuned"}.get(arm, arm.replace("_", " "))


def means(runs: pd.DataFrame, part: str) -> pd.DataFrame:
    """Mean of each arm and step over its seeds, in the unit that is drawn.

    The error bar is the standard deviation over seeds, of one seed its bootstrap interval.

    Args:
        runs: rows of one study of `pruning.report.collect_runs`.
        part: what the rows are called.

    Returns:
        part, task, metric, arm, step, seeds (how many), rows (neurons of a layer), share (of the unpruned model's),
        value, low, high, spread (`DEVIATION` or `BOOTSTRAP`).
    """
    rows = []
    for (task, metric, arm, step), seeds in runs.groupby(["task", "metric", "arm", "step"], sort=False):
        scale = MEASURES[metric].scale
        value = seeds["value"].mean()
        if len(seeds) > 1:
            deviation = seeds["value"].std()
            low, high, spread = value - deviation, value + deviation, DEVIATION
        else:
            low, high, spread = seeds["low"].iloc[0], seeds["high"].iloc[0], BOOTSTRAP
        rows.append(
            {
                "part": part,
                "task": task,
                "metric": metric,
                "arm": arm,
                "step": step,
                "seeds": len(seeds),
                "rows": seeds["rows"].mean(),
                "share": seeds["share"].mean(),
                "value": value * scale,
                "low": low * scale,
                "high": high * scale,
                "spread": spread,
            }
        )
    return _in_order(pd.DataFrame(rows))


def final_rows(runs: pd.DataFrame, comparisons: pd.DataFrame, published: Mapping[str, Bars]) -> pd.DataFrame:
    """What is drawn of each task's last step: the columns of `means`, and seed and other.

    Parts: "bar" (mean over seeds); "seed" (each of them); "constant" (error of the best constant prediction);
    "published"; "difference" (protect minus `other`, with its interval).

    Args:
        runs: as `means`.
        comparisons: rows of the same study of `pruning.report.compare_runs`.
        published: the paper's bars by metric.
    """
    last = _last_step(runs)
    parts = [
        means(last, "bar").assign(other=""),
        *_seed_rows(last),
        *_constant_rows(last),
        *_published_rows(last, published),
    ]
    table = pd.concat([*parts, *_difference_rows(last, comparisons)], ignore_index=True)
    table["seed"] = table["seed"].astype("Int64")
    table["step"] = table["step"].astype("Int64")
    table["seeds"] = table["seeds"].astype("Int64")
    columns = "part task metric arm other step seeds seed rows share value low high spread"
    return table.reindex(columns=columns.split()).fillna({"arm": "", "other": "", "spread": ""})


def of_study(table: pd.DataFrame, study: str) -> pd.DataFrame:
    """The rows of one study.

    Raises:
        ConfigError: nothing was cut in it.
    """
    rows = table[table["study"] == study]
    if rows["arm"].isin(UNCUT).all():
        found = ", ".join(rows["arm"].unique()) or "none"
        raise ConfigError(f"study {study}: expected runs of pruned models, found of the arms {found}; run more arms")
    return rows


def cut_to(table: pd.DataFrame) -> str:
    """What the cuts left, for a heading: "128 neurons per layer (17 %)", or from fewest to most."""
    cut = table[(table["part"] == "bar") & ~table["arm"].isin(UNCUT)]
    rows, share = _span(cut["rows"]), _span(cut["share"] * 100)
    return f"{rows} neurons per layer ({share} %)"


def new_figure(tasks: int, heights: Sequence[float], handles: Sequence[Line2D]) -> Figure:
    """A figure for panels of these heights in inches, that many side by side, with room for heading and legend."""
    width = min(style.PAGE, _NAMES + _PANEL * tasks)
    entries = [str(handle.get_label()) for handle in handles]
    lines = math.ceil(len(entries) / style.legend_columns(entries, width)) + any("\n" in entry for entry in entries)
    return style.new_figure(width, _HEADING + sum(heights) + _FRAME * len(heights) + _LEGEND_LINE * lines)


def panel_width(tasks: int) -> float:
    """Inches of a panel, one of that many side by side."""
    return (min(style.PAGE, _NAMES + _PANEL * tasks) - _NAMES) / tasks


def task_titles(table: pd.DataFrame) -> dict[str, str]:
    """What each task is called above its panel; its own name tells tasks of one kind apart."""
    metrics = table.drop_duplicates("task").set_index("task")["metric"]
    titles = {task: MEASURES[metric].task for task, metric in metrics.items()}
    return {
        task: title if list(titles.values()).count(title) == 1 else f"{title}: {task}" for task, title in titles.items()
    }


def draw_bars(panels: Sequence[Axes], table: pd.DataFrame) -> None:
    """Draw the bars of each task into its panel; the panels share their vertical axis."""
    bars = table[table["part"] == "bar"]
    arms = [arm for arm in ARMS if arm in set(bars["arm"])]
    tasks = list(bars["task"].unique())
    for axes, task in zip(panels, tasks, strict=True):
        _plot_bars(axes, table[table["task"] == task], arms, panel_width(len(tasks)))
    _name_rows(panels, [arm_title(arm) for arm in arms])


def draw_differences(panels: Sequence[Axes], table: pd.DataFrame) -> None:
    """Draw protect minus each other arm into each task's panel; the panels share their vertical axis."""
    rows = table[table["part"] == "difference"]
    others = others_of(table)
    for axes, task in zip(panels, table["task"].unique(), strict=True):
        _plot_differences(axes, rows[rows["task"] == task], others)
        axes.set_xlabel(f"protect − other ({MEASURES[_metric(table, task)].difference})")
    _name_rows(panels, [f"− {arm_title(arm)}" for arm in others])


def others_of(table: pd.DataFrame) -> list[str]:
    """The arms that protect is held against, in their order."""
    return [arm for arm in ARMS if arm in set(table.loc[table["part"] == "difference", "other"])]


def legend(table: pd.DataFrame) -> list[Line2D]:
    """Handles for what bars and differences do not name themselves."""
    parts = set(table["part"])
    handles = [Line2D([], [], label="one seed", linestyle="", **_SEED)]
    found = set(table.loc[table["part"] == "bar", "spread"])
    spreads = [spread for spread in (DEVIATION, BOOTSTRAP) if spread in found]
    handles.append(Line2D([], [], label="\nor ".join(spreads), **_ERROR))
    if "constant" in parts:
        handles.append(Line2D([], [], label="best constant prediction", **CONSTANT))
    if "published" in parts:
        handles.append(Line2D([], [], label="published", linestyle="", **_PUBLISHED))
    if "difference" in parts:
        handles.append(Line2D([], [], label="difference, 95 % interval", **_difference_look(style.BLUE, beyond=True)))
        handles.append(Line2D([], [], label="interval holds zero", **_difference_look(style.BLUE, beyond=False)))
    return handles


def _span(values: pd.Series) -> str:
    low, high = f"{values.min():.0f}", f"{values.max():.0f}"
    return low if low == high else f"{low}–{high}"


def _in_order(table: pd.DataFrame) -> pd.DataFrame:
    """Tasks as they come, arms in the order of `ARMS`, steps ascending."""
    tasks = {task: place for place, task in enumerate(table["task"].unique())}
    keys = {"task": tasks, "arm": {arm: place for place, arm in enumerate(ARMS)}}
    return table.sort_values(
        ["task", "arm", "step"], key=lambda column: column.map(keys[column.name]) if column.name in keys else column
    ).reset_index(drop=True)


def _last_step(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs of each task's last step, and the last ones of arms that keep every neuron."""
    last = runs.groupby("task")["step"].transform("max")
    own = runs.groupby(["task", "arm"])["step"].transform("max")
    return runs[runs["step"].eq(last) | (runs["arm"].isin(UNCUT) & runs["step"].eq(own))]


def _seed_rows(runs: pd.DataFrame) -> Iterator[pd.DataFrame]:
    seeds = runs[["task", "metric", "arm", "step", "seed", "rows", "share"]].assign(part="seed")
    seeds["value"] = runs["value"] * runs["metric"].map({name: measure.scale for name, measure in MEASURES.items()})
    yield _in_order(seeds.sort_values("seed", kind="stable"))


def _constant_rows(runs: pd.DataFrame) -> Iterator[pd.DataFrame]:
    for (task, metric), rows in runs.groupby(["task", "metric"], sort=False):
        if rows["constant_mse"].notna().any():
            value = rows["constant_mse"].mean() * MEASURES[metric].scale
            yield pd.DataFrame([{"part": "constant", "task": task, "metric": metric, "value": value}])


def _published_rows(runs: pd.DataFrame, published: Mapping[str, Bars]) -> Iterator[pd.DataFrame]:
    for (task, metric), rows in runs.groupby(["task", "metric"], sort=False):
        bars = [(arm, published[metric][arm]) for arm in ARMS if arm in published.get(metric, {})]
        shown = [(arm, value) for arm, value in bars if arm in set(rows["arm"])]
        if shown:
            yield pd.DataFrame(shown, columns=["arm", "value"]).assign(part="published", task=task, metric=metric)


def _difference_rows(runs: pd.DataFrame, comparisons: pd.DataFrame) -> Iterator[pd.DataFrame]:
    for (task, metric), rows in runs.groupby(["task", "metric"], sort=False):
        chosen = comparisons[
            (comparisons["task"] == task)
            & (comparisons["first"] == "protect")
            & (comparisons["step"] == rows["step"].max())
        ]
        found = chosen[["task", "metric", "step", "low", "high"]].assign(
            part="difference", arm="protect", other=chosen["second"], value=chosen["difference"], spread=BOOTSTRAP
        )
        found[["value", "low", "high"]] *= MEASURES[metric].scale
        if not found.empty:
            yield found.sort_values("other", key=lambda column: column.map(ARMS.index))


def _metric(table: pd.DataFrame, task: str) -> str:
    return str(table.loc[table["task"] == task, "metric"].iloc[0])


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
        look = _difference_look(COLOURS[row.other], beyond=row.low > 0 or row.high < 0)
        axes.plot([row.low, row.high], [place, place], zorder=2, **look | {"marker": ""})
        axes.plot([row.value], [place], zorder=3, **look | {"linestyle": ""})
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
    for axes in panels:
        axes.tick_params("y", length=0)
    panels[0].set_yticks(range(len(names)), names)
