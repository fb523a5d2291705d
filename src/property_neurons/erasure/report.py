"""What erasing a group cost whom: Table 1 with intervals and controls, and curves over the dose."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from property_neurons.editing.vocabulary import ALL
from property_neurons.erasure.conditions import GROUP, RANDOM, WHOLE
from property_neurons.erasure.table_terms import CROSS_ENTROPY, MEAN, MOST_SPELLED_OUT, OTHERS, OWN
from property_neurons.errors import StoreError
from property_neurons.stores.files import read_json, read_table
from property_neurons.tasks.intervals import paired_difference
from property_neurons.tasks.scores import rate

_RESAMPLES = 2000

_FIXED = ["study", "task", "metric", "unit", "property", "erased"]
CELL_COLUMNS = [
    *_FIXED,
    *("part", "sigma", "neurons", "neurons_per_layer", "before", "after", "delta", "low", "high"),
    *("random_mean", "random_least", "random_most", "excess", "excess_low", "excess_high"),
    *("utterances", "draws", "seeds"),
]
CURVE_COLUMNS = [
    *_FIXED,
    *("sigma", "dose", "kind", "neurons", "part", "value", "delta", "low", "high", "least", "most", "draws"),
]


@dataclass(frozen=True)
class _Measure:
    """What is tabulated: a column of the scores, its sum over that of the weights times `scale`, in `unit`."""

    name: str
    unit: str
    column: str = "error"
    scale: float = 1.0


@dataclass(frozen=True)
class _Run:
    """One job of `erasure.erase_groups`."""

    described: dict[str, Any]
    conditions: pd.DataFrame
    scores: dict[int, pd.DataFrame]

    def numbers(self, **wanted: Any) -> list[int]:
        """The conditions with these fields."""
        chosen = self.conditions
        for key, value in wanted.items():
            chosen = chosen[chosen[key] == value]
        return chosen.index.tolist()

    def part(self, condition: int, part: str, erased: str, measure: _Measure) -> pd.DataFrame:
        """A score table of one part: utterance, error (of the measure), weight."""
        table = self.scores[condition]
        parts = table["part"]
        chosen = ~parts.isin([ALL, erased]) if part == OTHERS else parts == (erased if part == OWN else part)
        own = table.loc[chosen, ["utterance", measure.column, "weight"]].set_axis(
            ["utterance", "error", "weight"], axis=1
        )
        return own.groupby("utterance", as_index=False).sum() if part == OTHERS else own


def erasure_tables(study: str, folders: Sequence[str | Path]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables of a study.

    Args:
        folders: of its seeds, written by `erasure.erase_groups`.

    Returns:
        cells: for each erased group and part, error before and after and their difference (delta) with its 95 %
            bootstrap interval; the mean, least and most of the same for random neurons, seed by seed and draw by draw;
            and what the group's cost more than these (excess) with its interval. In points of per cent (`unit`), F0 in
            MSE of ln F0; for speakers also, as further rows, the cross-entropy in nats. Neurons are of the first seed.
        curves: the same over doses and over sigma, a row for each kind of condition ("group", "random": with least and
            most of the draws).

    Raises:
        StoreError: the seeds are of different tasks, or were scored on different utterances.
    """
    runs = [_read(Path(folder)) for folder in folders]
    _check_alike(runs, folders)
    described = runs[0].described
    cells, curves = [], []
    for measure in _measures(described["kind"]):
        fixed = {
            "study": study,
            "task": described["task"],
            "metric": measure.name,
            "unit": measure.unit,
            "property": described["property"],
        }
        cells += _cells(runs, fixed, measure)
        curves += _curves(runs, fixed, measure)
    return pd.DataFrame(cells, columns=CELL_COLUMNS), pd.DataFrame(curves, columns=CURVE_COLUMNS)


def _measures(kind: str) -> list[_Measure]:
    if kind == "f0_reconstruction":
        return [_Measure(kind, "MSE")]
    errors = _Measure(kind, "points", scale=100.0)
    cross_entropy = _Measure(CROSS_ENTROPY, "nats", column="surprisal")
    return [errors, cross_entropy] if kind == "speaker_identification" else [errors]


def _read(folder: Path) -> _Run:
    scores = read_table(folder / "scores.parquet")
    return _Run(
        described=read_json(folder / "description.json"),
        conditions=read_table(folder / "conditions.tsv"),
        scores={int(number): table for number, table in scores.groupby("condition")},
    )


def _check_alike(runs: Sequence[_Run], folders: Sequence[str | Path]) -> None:
    first = runs[0].described
    for run, folder in zip(runs, folders, strict=True):
        for key in ("task", "property", "corpus", "split_digest", "groups", "action"):
            if run.described[key] != first[key]:
                raise StoreError(
                    f"{folder}: expected the {key} {first[key]} of {folders[0]}, found {run.described[key]}; "
                    "delete the folder and run again"
                )


def _parts(run: _Run) -> list[str]:
    groups = [part for part in run.described["groups"] if part in set(run.scores[0]["part"])]
    if len(groups) > MOST_SPELLED_OUT:
        return [OWN, OTHERS, ALL]
    # A group whose neurons can be erased without anyone of it in the test part has no error of its own.
    return [*groups, ALL]


def _cells(runs: Sequence[_Run], fixed: dict[str, Any], measure: _Measure) -> Iterator[dict[str, Any]]:
    table = runs[0].conditions
    sigma = table.loc[table["kind"] == GROUP, "sigma"].iloc[0]
    erased = list(dict.fromkeys(table.loc[table["kind"] == GROUP, "erased"]))
    rows = [_cell(runs, fixed, measure, group, part, sigma) for group in erased for part in _parts(runs[0])]
    yield from rows
    if len(erased) > MOST_SPELLED_OUT:
        for part in (OWN, OTHERS, ALL):
            yield _mean_cell([row for row in rows if row["part"] == part])


def _cell(
    runs: Sequence[_Run], fixed: dict[str, Any], measure: _Measure, group: str, part: str, sigma: float
) -> dict[str, Any]:
    wanted, scale = {"erased": group, "sigma": sigma, "dose": 1.0}, measure.scale
    before = [run.part(run.numbers(kind=WHOLE)[0], part, group, measure) for run in runs]
    at = [run.numbers(kind=GROUP, **wanted)[0] for run in runs]
    after = [run.part(number, part, group, measure) for run, number in zip(runs, at, strict=True)]
    drawn = [[run.part(number, part, group, measure) for number in run.numbers(kind=RANDOM, **wanted)] for run in runs]
    own = paired_difference(after, before, resamples=_RESAMPLES)
    controls = [rate(one) - rate(whole) for draws, whole in zip(drawn, before, strict=True) for one in draws]
    condition = runs[0].conditions.loc[at[0]]
    row = fixed | {
        "erased": group,
        "part": part,
        "sigma": sigma,
        "neurons": condition["neurons"],
        "neurons_per_layer": condition["neurons_per_layer"],
        "before": scale * np.mean([rate(one) for one in before]),
        "after": scale * np.mean([rate(one) for one in after]),
        "delta": scale * own.mean,
        "low": scale * own.low,
        "high": scale * own.high,
        "utterances": own.utterances,
        "draws": len(drawn[0]),
        "seeds": len(runs),
    }
    if controls:
        more = paired_difference(after, [one for draws in drawn for one in draws], resamples=_RESAMPLES)
        row |= {
            "random_mean": scale * np.mean(controls),
            "random_least": scale * min(controls),
            "random_most": scale * max(controls),
            "excess": scale * more.mean,
            "excess_low": scale * more.low,
            "excess_high": scale * more.high,
        }
    return row


def _mean_cell(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The mean over erased groups; its intervals draw groups with replacement."""
    table = pd.DataFrame(rows)
    mean = dict(rows[0]) | {"erased": MEAN, "neurons_per_layer": "", "utterances": table["utterances"].sum()}
    names = ["neurons", "before", "after", "delta", "random_mean", "random_least", "random_most", "excess"]
    mean |= {name: table[name].mean() for name in names if name in table}
    drawn = np.random.default_rng(0).integers(len(table), size=(_RESAMPLES, len(table)))
    for name, ends in (("delta", ("low", "high")), ("excess", ("excess_low", "excess_high"))):
        if name in table:
            means = table[name].to_numpy()[drawn].mean(axis=1)
            mean |= dict(zip(ends, np.quantile(means, [0.025, 0.975]), strict=True))
    return mean


def _curves(runs: Sequence[_Run], fixed: dict[str, Any], measure: _Measure) -> Iterator[dict[str, Any]]:
    table, scale = runs[0].conditions, measure.scale
    wanted = table.loc[table["kind"] == GROUP, ["erased", "sigma", "dose"]].drop_duplicates()
    for row in wanted.itertuples(index=False):
        where = {"erased": row.erased, "sigma": row.sigma, "dose": row.dose}
        for part in _parts(runs[0]):
            before = [run.part(run.numbers(kind=WHOLE)[0], part, row.erased, measure) for run in runs]
            for kind in (GROUP, RANDOM):
                found = [(at, number) for at, run in enumerate(runs) for number in run.numbers(kind=kind, **where)]
                if not found:
                    continue
                after = [runs[at].part(number, part, row.erased, measure) for at, number in found]
                deltas = [scale * (rate(one) - rate(before[at])) for one, (at, _) in zip(after, found, strict=True)]
                interval = {}
                if kind == GROUP:
                    own = paired_difference(after, before, resamples=_RESAMPLES)
                    interval = {"low": scale * own.low, "high": scale * own.high}
                neurons = np.mean([runs[at].conditions.loc[number, "neurons"] for at, number in found])
                yield (
                    fixed
                    | where
                    | interval
                    | {
                        "kind": kind,
                        "neurons": neurons,
                        "part": part,
                        "value": scale * np.mean([rate(one) for one in after]),
                        "delta": np.mean(deltas),
                        "least": min(deltas),
                        "most": max(deltas),
                        "draws": len(found) // len(runs),
                    }
                )


def markdown_table(cells: pd.DataFrame) -> str:
    """The cells as Markdown tables, one for each metric.

    An erased group is a row, a part a column; delta (interval), random neurons in brackets.
    """
    return "\n".join(_markdown_lines(rows) for _, rows in cells.groupby("metric", sort=False))


def _markdown_lines(cells: pd.DataFrame) -> str:
    unit = cells["unit"].iloc[0]
    digits = {"points": 1, "nats": 3}.get(unit, 4)
    what = "Cross-entropy" if unit == "nats" else "Error"
    parts = list(dict.fromkeys(cells["part"]))
    lines = [
        f"{what} after minus before erasing, in {unit}: delta (95 % interval) [mean of random neurons, least to most].",
        "",
        "| erased (neurons) | " + " | ".join(map(_cell_text, parts)) + " |",
        "| --- |" + " --- |" * len(parts),
    ]
    for group, rows in cells.groupby("erased", sort=False):
        by_part = rows.set_index("part")
        written = [_written(by_part.loc[part], digits) if part in by_part.index else "" for part in parts]
        lines.append(f"| {_cell_text(group)} ({rows['neurons'].iloc[0]:.0f}) | " + " | ".join(written) + " |")
    lines.append("")
    before = cells.drop_duplicates(["part", "before"]).head(len(parts))
    if set(parts) != {OWN, OTHERS, ALL}:
        said = ", ".join(f"{row.part} {row.before:.{digits}f}" for row in before.itertuples())
        lines += [f"Before: {said}.", ""]
    return "\n".join(lines)


def _cell_text(name: str) -> str:
    """A name in a Markdown table, whose cells a bar would end."""
    return name.replace("|", r"\|")


def _written(row: pd.Series, digits: int) -> str:
    text = f"{row['delta']:+.{digits}f} ({row['low']:.{digits}f} to {row['high']:.{digits}f})"
    if row["draws"]:
        text += (
            f" [{row['random_mean']:+.{digits}f}, {row['random_least']:.{digits}f} to {row['random_most']:.{digits}f}]"
        )
    return text
