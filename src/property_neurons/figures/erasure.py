"""Table 1 as a figure, and what erasing a group costs by the dose, for any property."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from property_neurons.editing.vocabulary import ALL
from property_neurons.erasure.conditions import GROUP, RANDOM
from property_neurons.erasure.table_terms import CROSS_ENTROPY, MEAN, MOST_SPELLED_OUT, OTHERS, OWN
from property_neurons.figures import style
from property_neurons.stores.files import read_json

_ROW = 0.17
_AXIS_INCHES = 1.3
_RANDOM = {"color": style.CONTROL, "linewidth": 3.5, "alpha": 0.45, "solid_capstyle": "butt"}
_PANEL = 2.1
# Less than this beside zero is what differences of equal means leave.
_ROUNDING = 1e-9


def read_table1(path: str | Path) -> dict[tuple[str, str], float]:
    """The published Table 1: {(erased, part): delta in points}. Which gender is which is not sure there."""
    names = {"male": "M", "female": "F"}
    published = read_json(path)["table1_delta_error_rate"]
    return {
        (names[erased.removeprefix("erase_")], names[part]): value
        for erased, parts in published.items()
        for part, value in parts.items()
    }


def draw_cells(
    cells: pd.DataFrame,
    model: str,
    corpus: str,
    out: str | Path,
    published: Mapping[tuple[str, str], float] | None = None,
) -> None:
    """Draw the change of every part's error, by erased group, with its interval and beside that of random neurons.

    Args:
        cells: of `erasure.report.erasure_tables`.
        model: name of the model that was fine-tuned.
        corpus: the corpus on which its group neurons were found.
        out: the figure's path; .pdf, .png and .tsv are written.
        published: of `read_table1`, where the model is the paper's.
    """
    published = published or {}
    drawn = cells.assign(
        published=[
            published.get((row.erased, row.part)) if row.metric != CROSS_ENTROPY else None for row in cells.itertuples()
        ]
    ).astype({"published": "float64"})
    drawn["beyond"] = _beyond(cells)
    metrics = [rows for _, rows in drawn.groupby("metric", sort=False)]
    with style.theme():
        height = _AXIS_INCHES + _ROW * (len(metrics[0]) + drawn["erased"].nunique())
        figure = style.new_figure(style.PAGE * 0.75 * (1 + 0.6 * (len(metrics) - 1)), height)
        for axes, rows in zip(figure.subplots(1, len(metrics), squeeze=False)[0], metrics, strict=True):
            places = _plot_cells(axes, rows)
            axes.set_ylim(max(places) + 0.8, -1.4)
            axes.set_xlabel(_measure(rows))
        style.legend_below(figure, _cell_legend(drawn))
        style.heading(figure, f"Erasing neurons of {style.property_title(drawn['property'].iloc[0])}", model, corpus)
        style.save(figure, drawn, out)


def draw_doses(curves: pd.DataFrame, model: str, corpus: str, out: str | Path) -> None:
    """Draw the change of error over the share of the group's neurons that is erased, and over sigma.

    With many groups, their mean is drawn, and each as a thin line.

    Args:
        curves: of `erasure.report.erasure_tables`.
        model, corpus, out: as `draw_cells`.
    """
    groups = list(dict.fromkeys(curves["erased"]))
    together = len(groups) > MOST_SPELLED_OUT
    first = curves["sigma"].iloc[0]
    doses, sigmas = curves[curves["sigma"] == first], curves[curves["dose"] == 1]
    several = len(set(sigmas["sigma"])) > 1
    rows = [
        (x, table[table["metric"] == metric])
        for metric in dict.fromkeys(curves["metric"])
        for x, table in ([("dose", doses), ("sigma", sigmas)] if several else [("dose", doses)])
    ]
    columns = 1 if together else len(groups)
    with style.theme():
        figure = style.new_figure(max(style.COLUMN, _PANEL * columns), 1.3 + 1.7 * len(rows))
        grid = figure.subplots(len(rows), columns, squeeze=False, sharey="row")
        for number, ((x, table), line) in enumerate(zip(rows, grid, strict=True)):
            for axes, group in zip(line, [None] if together else groups, strict=True):
                _plot_dose(axes, table if together else table[table["erased"] == group], x, together=together)
                if number == 0:
                    axes.set_title(
                        f"mean of {len(groups)} groups" if together else f"erased: {style.group_title(group)}"
                    )
            line[0].set_ylabel(_measure(table).replace("change of ", "change of\n"))
        style.legend_below(figure, _dose_legend(curves, together=together))
        title = f"Erasing neurons of {style.property_title(curves['property'].iloc[0])} by degrees"
        style.heading(figure, title, model, corpus)
        style.save(figure, curves, out)


def _beyond(cells: pd.DataFrame) -> pd.Series:
    """Where the change is more, or less, than random neurons make: by the interval of the excess, and than any draw."""
    more = (cells["excess_low"] > _ROUNDING) & (cells["delta"] > cells["random_most"])
    less = (cells["excess_high"] < -_ROUNDING) & (cells["delta"] < cells["random_least"])
    return more | less


def _measure(table: pd.DataFrame) -> str:
    what = {
        "speaker_identification": "speaker error",
        "phone_recognition": "phone error",
        "f0_reconstruction": "MSE of ln F0",
        CROSS_ENTROPY: "cross-entropy",
    }[table["metric"].iloc[0]]
    unit = table["unit"].iloc[0]
    return f"change of {what}" + (f" ({unit})" if unit in ("points", "nats") else "")


def _colours(parts: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Colour and marker of each part; all utterances together are black."""
    known = {OWN: (style.BLUE, "o"), OTHERS: (style.VERMILLION, "s"), ALL: (style.REFERENCE, "D")}
    groups = [part for part in dict.fromkeys(parts) if part not in known]
    return style.group_looks(groups) | known


def _plot_cells(axes: Axes, table: pd.DataFrame) -> list[float]:
    looks = _colours(table["part"])
    place, places, names, unit = -1.0, [], [], table["unit"].iloc[0]
    axes.axvline(0, color=style.REFERENCE, linewidth=0.6, zorder=0)
    for erased, rows in table.groupby("erased", sort=False):
        title = "mean" if erased == MEAN else style.group_title(erased)
        axes.annotate(
            f"erased: {title} ({rows['neurons'].iloc[0]:.0f} neurons)",
            (0, place),
            (2, 0),
            xycoords=axes.get_yaxis_transform(),
            textcoords="offset points",
            va="center",
            fontsize=7,
            fontweight="bold",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )
        for row in rows.itertuples():
            place += 1
            colour, marker = looks[row.part]
            if row.draws:
                axes.plot([row.random_least, row.random_most], [place, place], zorder=1, **_RANDOM)
                axes.plot([row.random_mean], [place], marker="|", color=style.CONTROL, markersize=7, zorder=2)
            axes.plot([row.low, row.high], [place, place], color=colour, linewidth=1.2, zorder=3)
            axes.plot(
                [row.delta],
                [place],
                linestyle="",
                marker=marker,
                markersize=4.5,
                color=colour,
                markerfacecolor=colour if row.beyond else "white",
                zorder=4,
            )
            if not pd.isna(row.published):
                axes.plot([row.published], [place], linestyle="", marker="x", color=style.ORANGE, zorder=5)
            places.append(place)
            before = f"{row.before:.1f} %" if unit == "points" else f"{row.before:.3f}"
            names.append(f"{style.group_title(row.part)} (before: {before})")
        place += 2
    axes.set_yticks(places, names)
    axes.tick_params("y", length=0)
    return places


def _cell_legend(table: pd.DataFrame) -> list[Line2D]:
    dark = {"color": style.REFERENCE, "markersize": 4.5, "linewidth": 1.2}
    handles = []
    if table["draws"].max():
        handles += [
            Line2D([], [], marker="o", label="change, 95 % interval; beyond random neurons", **dark),
            Line2D([], [], marker="o", markerfacecolor="white", label="not beyond them", **dark),
            Line2D([], [], label=f"as many random neurons: {table['draws'].max():.0f} draws and their mean", **_RANDOM),
        ]
    else:
        handles.append(Line2D([], [], marker="o", markerfacecolor="white", label="change, 95 % interval", **dark))
    if table["published"].notna().any():
        handles.append(Line2D([], [], linestyle="", marker="x", color=style.ORANGE, label="published"))
    return handles


def _plot_dose(axes: Axes, table: pd.DataFrame, x: str, *, together: bool) -> None:
    looks = _colours(table["part"])
    axes.axhline(0, color=style.REFERENCE, linewidth=0.6, zorder=0)
    scale = 100 if x == "dose" else 1
    own = OWN if OWN in set(table["part"]) else table["erased"].iloc[0]
    control = table[(table["kind"] == RANDOM) & (table["part"] == own)]
    band = _from_none(control.groupby(x, as_index=False)[["delta", "least", "most"]].mean(), x)
    axes.fill_between(scale * band[x], band["least"], band["most"], color=style.CONTROL, alpha=0.25, linewidth=0)
    axes.plot(scale * band[x], band["delta"], color=style.CONTROL, linestyle=(0, (4, 1.5)), linewidth=1.2)
    edited = table[table["kind"] == GROUP]
    for part in dict.fromkeys(edited["part"]):
        colour, marker = looks[part]
        lines = edited[edited["part"] == part].sort_values(x)
        if together and part == OWN:
            for _, line in lines.groupby("erased"):
                line = _from_none(line, x)
                axes.plot(scale * line[x], line["delta"], color=colour, linewidth=0.5, alpha=0.35)
        mean = _from_none(lines.groupby(x, as_index=False)["delta"].mean(), x)
        width = 2.0 if part == own else 1.0
        axes.plot(scale * mean[x], mean["delta"], color=colour, marker=marker, linewidth=width)
    neurons = edited.groupby(x)["neurons"].mean()
    axes.set_xticks(
        [scale * one for one in neurons.index],
        [f"{scale * one:g}\n({count:.0f})" for one, count in neurons.items()],
        fontsize=6,
    )
    axes.set_xlabel("erased, % (neurons)" if x == "dose" else "sigma (neurons)")


def _from_none(line: pd.DataFrame, x: str) -> pd.DataFrame:
    """A line over doses from its beginning: nothing erased, nothing changed."""
    none = pd.DataFrame([dict.fromkeys(line.columns, 0.0)])
    return pd.concat([none, line], ignore_index=True) if x == "dose" and len(line) else line


def _dose_legend(curves: pd.DataFrame, *, together: bool) -> list[Line2D]:
    looks = _colours(curves["part"])
    titles = {OWN: "the erased group", OTHERS: "all others", ALL: "all utterances"}
    handles = [
        Line2D([], [], color=looks[part][0], marker=looks[part][1], label=titles.get(part, style.group_title(part)))
        for part in dict.fromkeys(curves["part"])
    ]
    if (curves["kind"] == RANDOM).any():
        label = "the erased group, random neurons"
        handles.append(Line2D([], [], color=style.CONTROL, linestyle=(0, (4, 1.5)), label=label))
    return handles
