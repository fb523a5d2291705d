"""The tables of Figures 6 and 9. An arm is one of the criteria and controls that a pruning study compares."""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import pandas as pd

from property_neurons.errors import ConfigError
from property_neurons.figures import style
from property_neurons.figures.published import Bars, read_bars
from property_neurons.figures.rare_cells import read_note
from property_neurons.pruning.vocabulary import ARMS, UNCUT
from property_neurons.stores.files import read_table
from property_neurons.tasks.intervals import few_speakers_note, interval_label

BEYOND = 0.05
"""The false discovery rate up to which a difference is called one, over all comparisons of the study."""


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
        "lnf0_mse": Measure("F0 reconstruction", "MSE of ln F0", "MSE", 1, 4),
    }
)


class Study(NamedTuple):
    """A pruning study, scored; the rows of no other.

    runs: of `pruning.report.collect_runs`.
    comparisons: of `pruning.report.compare_runs`.
    model: name of the pruned model.
    corpus: the corpus on which its property neurons were found.
    published: the paper's bars by metric, where the model is the paper's.
    notes: what has to be known of the test, and of the speech that gave the property neurons; see `rare_cells`.
    recovery: what follows a pruning step, in words; "" where that is fine-tuning on the task.
    """

    runs: pd.DataFrame
    comparisons: pd.DataFrame
    model: str
    corpus: str
    published: Mapping[str, Bars] = MappingProxyType({})
    notes: Sequence[str] = ()
    recovery: str = ""


def read_study(inputs: Any, params: Any, figure: str, *, recovered: bool = True) -> Study:
    """The study that a rule names, with the paper's bars of `figure`.

    Args:
        recovered: show models fine-tuned after each pruning step; else models after one step without recovery.
    """
    published = read_bars(inputs.published, figure, params.published[params.model])
    runs, comparisons = read_table(inputs.runs), read_table(inputs.comparisons)
    runs = runs[(runs["recovered"] == recovered) | (runs["arm"] == "unpruned")]
    comparisons = comparisons[comparisons["recovered"] == recovered]
    speakers = runs["speakers"].min()
    notes = (
        style.tested_note(speakers, runs["seed"].nunique()),
        few_speakers_note(speakers),
        read_note(inputs.cells, params.properties),
    )
    return Study(runs, comparisons, params.model, params.corpus, published, notes, params.recovery)


def means(runs: pd.DataFrame, part: str) -> pd.DataFrame:
    """Mean of each arm and step over its seeds, in the unit that is drawn.

    The error bar is the 95 % interval of that mean.

    Args:
        runs: of a `Study`, all or some.
        part: what the rows are called.

    Returns:
        part, task, metric, arm, step, seeds (how many), rows (neurons of a layer), share (of the unpruned model's),
        value, low, high, spread (what the interval is of).
    """
    rows = []
    for (task, metric, arm, step), seeds in runs.groupby(["task", "metric", "arm", "step"], sort=False):
        scale = MEASURES[metric].scale
        value = seeds["value"].mean()
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
                "low": seeds["arm_low"].iloc[0] * scale,
                "high": seeds["arm_high"].iloc[0] * scale,
                "spread": interval_label(len(seeds)),
            }
        )
    return _in_order(pd.DataFrame(rows))


def final_rows(study: Study) -> pd.DataFrame:
    """What is drawn of each task's last step: the columns of `means`, and seed and other.

    Parts: "change" (each arm minus the unpruned model, with the interval of that difference); "difference" (protect
    minus `other`, likewise); "error" (mean over seeds); "seed" (each of them); "published"; "constant" (error of the
    best constant prediction).

    Raises:
        ConfigError: nothing was pruned in the study.
    """
    runs = study.runs
    if runs["arm"].isin(UNCUT).all():
        name, found = (", ".join(runs[column].unique()) or "none" for column in ("study", "arm"))
        raise ConfigError(f"study {name}: expected runs of pruned models, found arms {found}; run more arms")
    last = _last_step(runs)
    parts = [
        means(last, "error").assign(other=""),
        *_seed_rows(last),
        *_constant_rows(last),
        *_published_rows(last, study.published),
    ]
    leading = [*change_rows(last, study.comparisons, "change"), *_difference_rows(last, study.comparisons)]
    table = pd.concat([*leading, *parts], ignore_index=True)
    columns = "part task metric arm other step seeds seed rows share value low high q detectable spread"
    table = table.reindex(columns=columns.split()).astype(dict.fromkeys(("step", "seeds", "seed"), "Int64"))
    return table.fillna({"arm": "", "other": "", "spread": ""})


def cut_to(table: pd.DataFrame) -> str:
    """The size of the pruned models, for a heading: "128 neurons per layer (17 %)", or from fewest to most."""
    cut = table[(table["part"] == "error") & ~table["arm"].isin(UNCUT)]
    rows, share = _span(cut["rows"]), _span(cut["share"] * 100)
    average = "" if cut["rows"].mod(1).eq(0).all() else " on average"
    return f"{rows} neurons per layer{average} ({share}\u00a0%)"


def all_sizes(study: Study) -> str:
    """The sizes, several, of models that are each cut from the unpruned one: "768, 512 or 384 neurons per layer"."""
    cut = study.runs[~study.runs["arm"].isin(UNCUT)]
    *sizes, last = [f"{rows:.0f}" for rows in cut.groupby("step")["rows"].mean()]
    return f"{', '.join(sizes)} or {last} neurons per layer"


def task_titles(table: pd.DataFrame) -> dict[str, str]:
    """The title of each task's panel; tasks of one kind also have their own name in it."""
    metrics = table.drop_duplicates("task").set_index("task")["metric"]
    titles = {task: MEASURES[metric].task for task, metric in metrics.items()}
    return {
        task: title if list(titles.values()).count(title) == 1 else f"{title}: {task}" for task, title in titles.items()
    }


def others_of(table: pd.DataFrame) -> list[str]:
    """The arms that protect is compared with, except the unpruned model, in their order."""
    return [arm for arm in ARMS if arm in set(table.loc[table["part"] == "difference", "other"])]


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


def change_rows(runs: pd.DataFrame, comparisons: pd.DataFrame, part: str) -> Iterator[pd.DataFrame]:
    """Each arm minus the unpruned model, task by task, at the steps of `runs`.

    Args:
        runs: of a `Study`, all or some.
        comparisons: of the same study.
        part: what the rows are called.
    """
    sizes = runs.groupby(["task", "arm", "step"], as_index=False)[["rows", "share"]].mean()
    held = comparisons[comparisons["second"] == "unpruned"].rename(columns={"first": "arm", "second": "other"})
    for task in runs["task"].unique():
        # A study that has no arm but the unpruned model has nothing to hold against it.
        found = held[held["task"] == task].merge(sizes, on=["task", "arm", "step"])
        if not found.empty:
            yield _in_order(_scaled(found).assign(part=part))


def _difference_rows(runs: pd.DataFrame, comparisons: pd.DataFrame) -> Iterator[pd.DataFrame]:
    for task, rows in runs.groupby("task", sort=False):
        chosen = comparisons[
            (comparisons["task"] == task)
            & (comparisons["first"] == "protect")
            & (comparisons["second"] != "unpruned")
            & (comparisons["step"] == rows["step"].max())
        ]
        found = _scaled(chosen.rename(columns={"first": "arm", "second": "other"})).assign(part="difference")
        if not found.empty:
            yield found.sort_values("other", key=lambda column: column.map(ARMS.index))


def _scaled(comparisons: pd.DataFrame) -> pd.DataFrame:
    """Differences in the unit that is drawn."""
    columns = ["value", "low", "high", "detectable"]
    seeds = comparisons[["seeds_first", "seeds_second"]].min(axis=1)
    found = comparisons.rename(columns={"difference": "value"}).assign(spread=seeds.map(interval_label))
    scales = found["metric"].map({name: measure.scale for name, measure in MEASURES.items()}).astype("float64")
    found[columns] = found[columns].mul(scales, axis=0)
    return found
