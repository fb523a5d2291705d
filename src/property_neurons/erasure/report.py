"""Tables of an erasure study: whom it harms, with intervals and controls (Table 1), and curves over the dose."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from property_neurons.editing.vocabulary import ALL
from property_neurons.erasure.conditions import GROUP, RANDOM, WHOLE
from property_neurons.erasure.error_sums import ErrorSums
from property_neurons.erasure.table_terms import (
    BEYOND,
    BY_UTTERANCE,
    CROSS_ENTROPY,
    MEAN,
    MOST_SPELLED_OUT,
    OTHERS,
    OWN,
    mean_count,
)
from property_neurons.errors import StoreError
from property_neurons.neurons.statistics.false_discovery import q_values
from property_neurons.neurons.statistics.vocabulary import PAPER
from property_neurons.stores.files import read_json, read_table
from property_neurons.tasks.estimates import estimate

_RESAMPLES = 2000

FIXED = ["study", "task", "metric", "unit", "property", "erased"]
_ESTIMATED = ("delta", "excess", "causal_excess")
CELL_COLUMNS = [
    *FIXED,
    *("part", "sigma", "neurons", "neurons_per_layer", "before", "after"),
    *("delta", "low", "high", "p", "q", "detectable", "random_mean", "random_least", "random_most"),
    "random_frequency",
    *("excess", "excess_low", "excess_high", "excess_p", "excess_q", "excess_detectable", "beyond"),
    *("causal_excess", "causal_excess_low", "causal_excess_high"),
    *("causal_excess_p", "causal_excess_q", "causal_excess_detectable"),
    *("utterances", "speakers", "draws", "seeds"),
]
CURVE_COLUMNS = [
    *FIXED,
    *("sigma", "dose", "kind", "neurons", "part", "value", "delta", "low", "high", "least", "most", "draws", "seeds"),
]


@dataclass(frozen=True)
class _Measure:
    """A measure: the sum of a column of the scores over the sum of the weights, times `scale`, in `unit`."""

    name: str
    unit: str
    column: str = "error"
    scale: float = 1.0


@dataclass(frozen=True)
class _Run:
    """One job of `erasure.erase_groups`."""

    described: dict[str, Any]
    conditions: pd.DataFrame
    scores: pd.DataFrame

    def numbers(self, **wanted: Any) -> list[int]:
        """The conditions with these fields."""
        chosen = np.logical_and.reduce([self.conditions[key] == value for key, value in wanted.items()])
        return self.conditions.index[chosen].tolist()


@dataclass(frozen=True)
class Measured:
    """The runs (seeds) of a study, scored by one measure.

    fixed: the columns that are the same in all rows.
    """

    runs: Sequence[_Run]
    measure: _Measure
    fixed: dict[str, Any]
    sums: ErrorSums

    @property
    def erased(self) -> list[str]:
        """The groups, in the order in which they are erased."""
        table = self.runs[0].conditions
        return list(dict.fromkeys(table.loc[table["kind"] == GROUP, "erased"]))

    @property
    def sigma(self) -> float:
        """The sigma of the tables."""
        table = self.runs[0].conditions
        return table.loc[table["kind"] == GROUP, "sigma"].iloc[0]

    @cached_property
    def tested(self) -> list[str]:
        """The groups of which there is somebody in the test part, in the property's order."""
        found = set(self.runs[0].scores["part"])
        return [group for group in self.runs[0].described["groups"] if group in found]

    def parts_of(self, erased: str) -> list[str]:
        """The parts that a table spells out where a group is erased; one that is not tested has no error of its own."""
        if len(self.tested) <= MOST_SPELLED_OUT:
            return [*self.tested, ALL]
        return [OWN, OTHERS, ALL] if erased in self.tested else [OTHERS, ALL]

    def conditions(self, **wanted: Any) -> list[tuple[int, int]]:
        """Pairs of seed and condition that have these fields, seed by seed."""
        return [(seed, number) for seed, run in enumerate(self.runs) for number in run.numbers(**wanted)]

    def rates(self, at: Sequence[tuple[int, int]], part: str, erased: str) -> np.ndarray:
        """The rate of each: [pairs]."""
        return self.measure.scale * np.array([self.sums.rate(*one, part, erased) for one in at])

    def drawn_rates(self, at: Sequence[tuple[int, int]], part: str, erased: str) -> np.ndarray:
        """The same in each resample: [resamples, pairs]."""
        return self.measure.scale * self.sums.drawn_rates(at, part, erased)


@dataclass(frozen=True)
class Cell:
    """A row of the table, and what its estimates are means of.

    values: of each seed: [seeds] by name. A seed's model is the same before and after an edit: seeds are pairs.
    resampled: the same with test speakers resampled: [resamples, seeds] by name.
    drawn: the same by random set, for what is held against random sets: [seeds, sets] by name.
    """

    row: dict[str, Any]
    values: dict[str, np.ndarray] = field(default_factory=dict)
    resampled: dict[str, np.ndarray] = field(default_factory=dict)
    drawn: dict[str, np.ndarray] = field(default_factory=dict)

    def add(
        self, name: str, values: np.ndarray, resampled: np.ndarray, units: int, drawn: np.ndarray | None = None
    ) -> None:
        """Add an estimate, and its columns but q to the row.

        How far seeds differ has in it how far random sets do, as each has its own. Of one seed the sets stand for the
        runs of `estimate`; with one set too, nothing is known of them, and the estimate has no interval.

        Args:
            units: of the test part that were resampled.
            drawn: the values by random set.
        """
        self.values[name], self.resampled[name] = values, resampled
        runs = [values]
        if drawn is not None:
            self.drawn[name] = drawn
            runs = [values] if len(values) > 1 else [drawn[0]]
        found = estimate(float(values.mean()), resampled.mean(axis=1), units, runs)
        known = len(values) > 1 or drawn is None or drawn.shape[1] > 1
        self.row[name] = found.mean
        self.row.update(
            {column_of(name, of): getattr(found, of) if known else np.nan for of in ("low", "high", "p", "detectable")}
        )


def erasure_tables(study: str, folders: Sequence[str | Path]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables of a study.

    Args:
        folders: of its seeds, written by `erasure.erase_groups`.

    Returns:
        cells: for each erased group and part, error before and after and their difference (delta); the mean, least
            and most of the same for random neurons, seed by seed and draw by draw, and how often these are active
            (random_frequency, a share of how often the group's are); what the group's cost more than these (excess);
            and the excess of the group's own errors less that of the others' (causal excess). Each of the three has
            its 95 % interval, p, q (p corrected over the table) and the detectable difference; see
            `estimates.Estimate` and `Cell.add`. `beyond`: "more" or "less" where the excess has q <= 0.05 and no
            random set did as much, or as little; else "". The unit is points of per cent (`unit`), for F0 the MSE of
            ln F0. For speakers further rows have the cross-entropy in nats and, where clips are scored, the errors by
            utterance. Numbers of neurons are means over seeds.
        curves: the same over doses and over sigma, a row for each kind of condition ("group", "random": with least and
            most of the draws).

    Raises:
        StoreError: the seeds are of different tasks, or were scored on different utterances.
    """
    cells, curves = [], []
    for measured in measured_runs(study, folders):
        cells += _cells(measured)
        if measured.measure.name != BY_UTTERANCE:
            curves += _curves(measured)
    return _corrected(pd.DataFrame(cells, columns=CELL_COLUMNS)), pd.DataFrame(curves, columns=CURVE_COLUMNS)


def measured_runs(study: str, folders: Sequence[str | Path]) -> Iterator[Measured]:
    """The runs of a study by each measure; arguments and errors as of `erasure_tables`."""
    runs = [_read(Path(folder)) for folder in folders]
    _check_alike(runs, folders)
    described = runs[0].described
    for measure in _measures(described["kind"], in_clips=bool((runs[0].scores["weight"] > 1).any())):
        fixed = {
            "study": study,
            "task": described["task"],
            "metric": measure.name,
            "unit": measure.unit,
            "property": described["property"],
        }
        weight = {"weight": 1.0} if measure.name == BY_UTTERANCE else {}
        sums = ErrorSums([run.scores.assign(**weight) for run in runs], column=measure.column, resamples=_RESAMPLES)
        yield Measured(runs, measure, fixed, sums)


def _measures(kind: str, *, in_clips: bool) -> list[_Measure]:
    if kind == "f0_reconstruction":
        return [_Measure(kind, "MSE")]
    errors = _Measure(kind, "points", scale=100.0)
    if kind != "speaker_identification":
        return [errors]
    cross_entropy = _Measure(CROSS_ENTROPY, "nats", column="surprisal")
    by_utterance = _Measure(BY_UTTERANCE, "points", column="utterance_error", scale=100.0)
    return [errors, cross_entropy] + [by_utterance] * in_clips


def _read(folder: Path) -> _Run:
    return _Run(
        described=read_json(folder / "description.json"),
        conditions=read_table(folder / "conditions.tsv"),
        scores=read_table(folder / "scores.parquet"),
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


def _corrected(cells: pd.DataFrame) -> pd.DataFrame:
    """The table with q and `beyond`; q corrects each question over all cells of the table."""
    for name in _ESTIMATED:
        p, q = column_of(name, "p"), column_of(name, "q")
        cells[q] = q_values(cells[p].astype("float64"))
    more = (cells["excess"] > 0) & (cells["delta"] > cells["random_most"])
    less = (cells["excess"] < 0) & (cells["delta"] < cells["random_least"])
    shown = cells["excess_q"] <= BEYOND
    cells["beyond"] = np.select([shown & more, shown & less], ["more", "less"], "")
    return cells


def column_of(name: str, of: str) -> str:
    """The column that has the p, low, high ... of an estimate; those of delta have no name before them."""
    return of if name == "delta" else f"{name}_{of}"


def _cells(measured: Measured) -> Iterator[dict[str, Any]]:
    cells = []
    for group in measured.erased:
        at = {"erased": group, "sigma": measured.sigma, "dose": 1.0, "selector": PAPER}
        of_group = {part: cell_of(measured, at, part) for part in measured.parts_of(group)}
        own = of_group.get(OWN, of_group.get(group))
        if own is not None and own.row["draws"] and len(measured.tested) > 1:
            add_causal_excess(own, of_group.get(OTHERS) or cell_of(measured, at, OTHERS))
        cells += of_group.values()
    yield from (cell.row for cell in cells)
    if len(measured.erased) > MOST_SPELLED_OUT:
        for part in (OWN, OTHERS, ALL):
            if of_part := [cell for cell in cells if cell.row["part"] == part]:
                yield _mean_cell(of_part, whole_groups=part == OWN and measured.sums.apart)


def cell_of(measured: Measured, wanted: dict[str, Any], part: str) -> Cell:
    runs, group = measured.runs, wanted["erased"]
    before, after, random = (
        measured.conditions(kind=WHOLE),
        measured.conditions(kind=GROUP, **wanted),
        measured.conditions(kind=RANDOM, **wanted),
    )
    told = [measured.rates(at, part, group) for at in (before, after)]
    drawn = [measured.drawn_rates(at, part, group) for at in (before, after)]
    tested = measured.sums.tested(part, group)
    row = measured.fixed | {
        "erased": group,
        "part": part,
        "sigma": wanted["sigma"],
        **_sizes([runs[seed].conditions.loc[one] for seed, one in after]),
        "before": told[0].mean(),
        "after": told[1].mean(),
        **vars(tested),
        "draws": len(random) // len(runs),
        "seeds": len(runs),
    }
    cell = Cell(row)
    cell.add("delta", told[1] - told[0], drawn[1] - drawn[0], tested.units)
    if random:
        controls = measured.rates(random, part, group).reshape(len(runs), -1) - told[0][:, None]
        values = measured.drawn_rates(random, part, group).reshape(_RESAMPLES, *controls.shape)
        row |= {"random_mean": controls.mean(), "random_least": controls.min(), "random_most": controls.max()}
        row["random_frequency"] = _mean_of(runs, random, "frequency") / _mean_of(runs, after, "frequency")
        excess = told[1][:, None] - told[0][:, None] - controls
        cell.add("excess", excess.mean(axis=1), drawn[1] - values.mean(axis=2), tested.units, excess)
    return cell


def _mean_of(runs: Sequence[_Run], at: Sequence[tuple[int, int]], column: str) -> float:
    return float(np.mean([runs[seed].conditions.loc[number, column] for seed, number in at]))


def _sizes(conditions: Sequence[pd.Series]) -> dict[str, Any]:
    """How many neurons are erased, a mean over seeds: each finds sets in a model of its own."""
    layers = np.mean([[int(size) for size in one["neurons_per_layer"].split(",")] for one in conditions], axis=0)
    return {
        "neurons": np.mean([one["neurons"] for one in conditions]),
        "neurons_per_layer": ",".join(map(mean_count, layers)),
    }


def add_causal_excess(own: Cell, others: Cell) -> None:
    """Add the causal excess: how much more a group's neurons harm its own error than others', beyond random ones."""
    own.add(
        "causal_excess",
        own.values["excess"] - others.values["excess"],
        own.resampled["excess"] - others.resampled["excess"],
        min(own.row["units"], others.row["units"]),
        own.drawn["excess"] - others.drawn["excess"],
    )


def _mean_cell(cells: Sequence[Cell], *, whole_groups: bool) -> dict[str, Any]:
    """The mean over erased groups, which are drawn with replacement, and test speakers at once.

    Args:
        whole_groups: where no two groups share a speaker, a group is drawn as it is: how groups differ has in it how
            their own speakers do, as a speaker's rate has the variation of its utterances (`tasks.intervals`).
    """
    table = pd.DataFrame([cell.row for cell in cells])
    row = cells[0].row | {"erased": MEAN, "neurons_per_layer": ""}
    # A group's own utterances are nobody else's where groups share no speaker; others of one are others of the next.
    once = "sum" if whole_groups else "max"
    row |= {of: table[of].agg(once) for of in ("utterances", "speakers")}
    names = ["neurons", "before", "after", "random_mean", "random_least", "random_most", "random_frequency"]
    mean = Cell(row | {name: table[name].mean() for name in names if name in table})
    drawn = np.random.default_rng(0).integers(len(table), size=(_RESAMPLES, len(table), 1))
    for name in _ESTIMATED:
        if name in cells[0].values:
            drawn_of = _as_it_is if whole_groups else _resampled
            resampled = np.stack([drawn_of(cell, name) for cell in cells], axis=1)
            means = np.nanmean(np.take_along_axis(resampled, drawn, axis=1), axis=1)
            mean.add(name, np.mean([cell.values[name] for cell in cells], axis=0), means, len(table))
    return mean.row


def _resampled(cell: Cell, name: str) -> np.ndarray:
    return cell.resampled[name]


def _as_it_is(cell: Cell, name: str) -> np.ndarray:
    """As `_resampled`, with the group's own speakers as they are; others, of the causal excess, are resampled."""
    own = "excess" if name == "causal_excess" else name
    return cell.resampled[name] - cell.resampled[own] + cell.values[own]


def _curves(measured: Measured) -> Iterator[dict[str, Any]]:
    runs, table = measured.runs, measured.runs[0].conditions
    of_paper = (table["kind"] == GROUP) & (table["selector"] == PAPER)
    wanted = table.loc[of_paper, ["erased", "sigma", "dose"]].drop_duplicates()
    before = measured.conditions(kind=WHOLE)
    for row in wanted.itertuples(index=False):
        where = {"erased": row.erased, "sigma": row.sigma, "dose": row.dose}
        at = where | {"selector": PAPER}
        for part in measured.parts_of(row.erased):
            without = measured.rates(before, part, row.erased)
            for kind in (GROUP, RANDOM):
                found = measured.conditions(kind=kind, **at)
                if not found:
                    continue
                values = measured.rates(found, part, row.erased)
                deltas = values - without[[seed for seed, _ in found]]
                interval = {}
                if kind == GROUP:
                    drawn = [measured.drawn_rates(at, part, row.erased) for at in (found, before)]
                    units = measured.sums.tested(part, row.erased).units
                    own = estimate(float(deltas.mean()), (drawn[0] - drawn[1]).mean(axis=1), units, [deltas])
                    interval = {"low": own.low, "high": own.high}
                yield (
                    measured.fixed
                    | where
                    | interval
                    | {
                        "kind": kind,
                        "neurons": np.mean([runs[seed].conditions.loc[one, "neurons"] for seed, one in found]),
                        "part": part,
                        "value": values.mean(),
                        "delta": deltas.mean(),
                        "least": deltas.min(),
                        "most": deltas.max(),
                        "draws": len(found) // len(runs),
                        "seeds": len(runs),
                    }
                )
