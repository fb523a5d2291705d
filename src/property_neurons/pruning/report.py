"""Tables of pruning studies: scores of pruned models on tasks, sizes and speeds, and differences between arms."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from property_neurons.errors import StoreError
from property_neurons.neurons.statistics.false_discovery import q_values
from property_neurons.pruning.vocabulary import ARMS, UNCUT, needs_calibration, score_of, shield_of
from property_neurons.stores.files import read_json, read_table
from property_neurons.stores.manifests import read_manifest
from property_neurons.tasks.intervals import mean_interval, paired_difference

_MEASURED = MappingProxyType(
    {
        "macs": "macs",
        "speedup_whole": "whole",
        "speedup_encoder": "encoder",
        "real_time_factor": "real_time_factor",
    }
)
"""Columns of runs, and those of `speed.measure_speed` that they are taken from."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One training, finished and scored.

    study: "general" (Figure 6: a model is pruned, fine-tuned without labels, and judged by tasks) or "task_specific"
        (Figure 9: a model of one task is pruned and fine-tuned in turn).
    arm: one of `ARMS`.
    step: pruning steps so far; 0 = none.
    seed: of the training.
    task, model: their names in the configuration.
    trained: the task as `metrics` names it, where it differs (a task trained for fewer steps after pruning).
    recovered: whether the model was fine-tuned after each pruning step; else one step pruned the unpruned model.
    paired: whether the runs of a seed are a pair: their models are cut from one fine-tuned model.
    recovery: the record of the recovery without labels, as JSON; None where there was none.
    metrics: of `tasks.metrics.score_training`, as JSON.
    scores: the table of its test utterances.
    """

    study: str
    arm: str
    step: int
    seed: int
    task: str
    model: str
    metrics: Path
    scores: Path
    trained: str | None = None
    recovered: bool = True
    paired: bool = False
    recovery: str | Path | None = None

    def __post_init__(self) -> None:
        if self.arm not in ARMS:
            raise ValueError(f"run {self.metrics}: expected an arm among {', '.join(ARMS)}, found {self.arm!r}")


@dataclass(frozen=True)
class _Size:
    """widths: neurons of each feed-forward network."""

    widths: list[int]
    parameters: int


def collect_runs(
    runs: Sequence[Run], models: Mapping[str, str | Path], speed: pd.DataFrame, calibration: str = ""
) -> pd.DataFrame:
    """The score of every run, and the size and speed of its model.

    Args:
        models: manifest of each model by name; see `models.prepare.prepare_model`.
        speed: of `speed.measure_speed`. A model may be absent.
        calibration: the speech that calibrates the criteria that need some.

    Returns:
        One row per run: study, task, kind, mode, metric, arm, step, recovered, seed, model, neurons, neurons_per_layer
        ("144,150"), rows (mean neurons of a feed-forward network), share (of the neurons before any cut), parameters,
        macs (for a second of speech), speedup_whole, speedup_encoder (times as fast as the
        unpruned model), real_time_factor (these four nan where not measured), learning_rate (of the task),
        recovery_learning_rate (of the recovery without labels; nan, like the other, where nothing was trained),
        calibration (empty where the arm needs none), value, low, high (its 95 % interval over test speakers), arm_low,
        arm_high (that of the mean over the arm's seeds, over test speakers and seeds; see `intervals.mean_interval`),
        constant_mse, r2 (nan where the task is not F0 reconstruction), utterances, speakers, split_digest.

    Raises:
        StoreError: a run is not what it is said to be, is there twice, or has no unpruned run beside it; runs of one
            task were scored on different splits; a model has no manifest; a recovery has no learning rate.
    """
    metrics = _read_metrics(runs)
    sizes = {model: _size(model, models) for model in dict.fromkeys(run.model for run in runs)}
    speeds = speed.set_index("model")
    before = {
        (run.study, run.task): sum(sizes[run.model].widths) for run in runs if run.arm == "unpruned" and run.step == 0
    }
    of_arm: dict[tuple[str, str, str, int, bool], list[pd.DataFrame]] = {}
    for run in runs:
        of_arm.setdefault((run.study, run.task, run.arm, run.step, run.recovered), []).append(read_table(run.scores))
    intervals = {arm: mean_interval(tables) for arm, tables in of_arm.items()}
    rows = []
    for run, scored in zip(runs, metrics, strict=True):
        if (run.study, run.task) not in before:
            raise StoreError(
                f"study {run.study}, task {run.task}: expected a run of the arm unpruned at step 0, found none; add it"
            )
        size, settings = sizes[run.model], scored["settings"]
        neurons = sum(size.widths)
        low, high = scored["interval"]
        arm_low, arm_high = intervals[run.study, run.task, run.arm, run.step, run.recovered]
        rows.append(
            {
                "study": run.study,
                "task": run.task,
                **{key: scored[key] for key in ("kind", "mode", "metric")},
                "arm": run.arm,
                "step": run.step,
                "recovered": run.recovered,
                "seed": run.seed,
                "model": run.model,
                "neurons": neurons,
                "neurons_per_layer": ",".join(map(str, size.widths)),
                "rows": neurons / len(size.widths),
                "share": neurons / before[run.study, run.task],
                "parameters": size.parameters,
                **{column: speeds.get(key, {}).get(run.model, math.nan) for column, key in _MEASURED.items()},
                "learning_rate": settings["learning_rate"] if settings["steps"] else math.nan,
                "recovery_learning_rate": _recovery_rate(run.recovery),
                "calibration": calibration if needs_calibration(run.arm) else "",
                "value": scored["value"],
                "low": low,
                "high": high,
                "arm_low": arm_low,
                "arm_high": arm_high,
                "constant_mse": scored["extra"].get("constant_mse", math.nan),
                "r2": scored["extra"].get("r2", math.nan),
                "utterances": scored["utterances"],
                "speakers": scored["speakers"],
                "split_digest": scored["split_digest"],
            }
        )
    return pd.DataFrame(rows)


def compare_runs(runs: Sequence[Run], *, resamples: int = 2000) -> pd.DataFrame:
    """Differences between arms on the same utterances: protect minus each other arm, and each arm minus unpruned.

    Runs of one seed are a pair where their models are cut from one fine-tuned model; see `intervals.paired_difference`.

    `protect_wanda` and its like are also compared with `wanda` and `random_protect_wanda`.

    An arm that keeps every neuron is taken at its last tuning up to the step. Models fine-tuned after each pruning step
    are compared with each other, and so are models without recovery.

    Args:
        resamples: bootstrap samples of test speakers.

    Returns:
        study, task, metric, step, recovered, first, second (arms), difference (first minus second, in the metric's
        unit), low, high, p, q (p corrected over the whole table), detectable (the smallest difference that the test
        would find before the correction; see `estimates.Estimate`), seeds_first, seeds_second, utterances, speakers.

    Raises:
        StoreError: as `collect_runs`.
    """
    metric = {run.task: scored["metric"] for run, scored in zip(runs, _read_metrics(runs), strict=True)}
    rows = []
    for study, task, recovered in dict.fromkeys((run.study, run.task, run.recovered) for run in runs):
        scores: dict[tuple[str, int], dict[int, pd.DataFrame]] = {}
        for run in runs:
            if (run.study, run.task) == (study, task) and (run.recovered == recovered or run.arm == "unpruned"):
                scores.setdefault((run.arm, run.step), {})[run.seed] = read_table(run.scores)
        paired = all(run.paired for run in runs if (run.study, run.task) == (study, task))
        for step in sorted({step for _, step in scores}):
            for first, second in _pairs({arm for arm, at in scores if at == step}, {arm for arm, _ in scores}):
                last = max((at for arm, at in scores if arm == second and at <= step), default=None)
                if last is None or (second not in UNCUT and last != step):
                    continue
                sides = scores[first, step], scores[second, last]
                found = paired_difference(*sides, paired=paired, resamples=resamples)
                what = (study, task, metric[task], step, recovered, first, second)
                told = (found.mean, found.low, found.high, found.p, found.detectable)
                rows.append((*what, *told, found.n_first, found.n_second, found.utterances, found.speakers))
    names = "study task metric step recovered first second difference low high p detectable seeds_first seeds_second "
    table = pd.DataFrame(rows, columns=f"{names}utterances speakers".split())
    table.insert(table.columns.get_loc("detectable"), "q", q_values(table["p"]))
    return table


def pruning_table(collected: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The runs of several studies, one row for all seeds.

    Args:
        collected: tables of `collect_runs`.

    Returns:
        One row per study, task, arm, step and recovered: metric, seeds (how many), mean, lowest, highest (of the metric
        over the seeds), r2, constant_mse, share_of_neurons, neurons_per_layer (of the first seed), neurons_fewest,
        neurons_most (in all layers together, over the seeds), parameters, megabytes (1e6 bytes, of all in single
        precision: files of a model may be in half, and those of what is trained from it in single),
        macs (for a second of speech), speedup_whole, speedup_encoder, real_time_factor, learning_rates (each that a
        seed chose, "0.0003, 0.001"), recovery_learning_rates (the same of the recovery without labels), calibration;
        means where nothing else is said.
    """
    table = pd.concat(collected, ignore_index=True)
    table["megabytes"] = 4e-6 * table["parameters"]
    table["arm"] = pd.Categorical(table["arm"], ARMS)
    rows = []
    for _, of_task in table.groupby(["study", "task"], sort=False):
        for _, seeds in of_task.groupby(["recovered", "arm", "step"], observed=True):
            first = seeds.sort_values("seed").iloc[0]
            means = seeds[["r2", "constant_mse", "share", "parameters", "megabytes", *_MEASURED]].mean()
            rows.append(
                {
                    **first[["study", "task", "metric", "arm", "step", "recovered"]],
                    "seeds": len(seeds),
                    "mean": seeds["value"].mean(),
                    "lowest": seeds["value"].min(),
                    "highest": seeds["value"].max(),
                    **means[["r2", "constant_mse"]],
                    "share_of_neurons": means["share"],
                    "neurons_per_layer": first["neurons_per_layer"],
                    "neurons_fewest": seeds["neurons"].min(),
                    "neurons_most": seeds["neurons"].max(),
                    **means[["parameters", "megabytes", *_MEASURED]],
                    "learning_rates": _all_of(seeds["learning_rate"]),
                    "recovery_learning_rates": _all_of(seeds["recovery_learning_rate"]),
                    "calibration": first["calibration"],
                }
            )
    return pd.DataFrame(rows)


def _recovery_rate(record: str | Path | None) -> float:
    """The learning rate that a stage of pre-training, or a distillation, was trained with.

    Raises:
        StoreError: the record states none.
    """
    if record is None:
        return math.nan
    found = read_json(record)
    # A distillation states all its settings. One form for both would change the code of a training, and so repeat it.
    settings = found.get("settings", found)
    if "learning_rate" not in settings:
        raise StoreError(
            f"{record}: expected the learning_rate of a recovery, found {', '.join(settings) or 'nothing'}; move the "
            "folder of this training aside, and run again"
        )
    return settings["learning_rate"]


def _all_of(rates: pd.Series) -> str:
    return ", ".join(f"{rate:g}" for rate in sorted(rates.dropna().unique()))


def _pairs(here: set[str], anywhere: set[str]) -> Iterator[tuple[str, str]]:
    """The pairs of arms that are compared at a step."""
    if "protect" in here:
        yield from (("protect", arm) for arm in ARMS if arm in anywhere - {"protect", "unpruned"})
    for first in (arm for arm in ARMS if arm in here and shield_of(arm) == "protect" and arm != "protect"):
        others = (score_of(first), f"random_{first}")
        yield from ((first, arm) for arm in others if arm in anywhere)
    yield from ((arm, "unpruned") for arm in ARMS if arm in here - {"unpruned"})


def _read_metrics(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """The metrics of each run, after checking them against the run and the other runs of its task."""
    metrics = []
    first: dict[str, tuple[Run, dict[str, Any]]] = {}
    known: dict[tuple[str | int | bool, ...], Run] = {}
    for run in runs:
        scored = read_json(run.metrics)
        said = {"task": run.trained or run.task, "model": run.model, "seed": run.seed}
        found = {key: scored[key] for key in said}
        if found != said:
            raise StoreError(
                f"{run.metrics}: expected the run {_words(said)}, found {_words(found)}; delete the file and run again"
            )
        twin = known.setdefault((run.study, run.task, run.arm, run.step, run.recovered, run.seed), run)
        if twin is not run:
            raise StoreError(
                f"study {run.study}, {_words(said)}, arm {run.arm}, step {run.step}: expected one run, found "
                f"{twin.metrics} and {run.metrics}; leave one out"
            )
        other, theirs = first.setdefault(run.task, (run, scored))
        for key, name in (("split_digest", "split"), ("metric", "metric")):
            if scored[key] != theirs[key]:
                raise StoreError(
                    f"task {run.task}: expected all runs to be scored by one {name}, found {theirs[key]} in "
                    f"{other.metrics} and {scored[key]} in {run.metrics}; delete those of the old {name} and run again"
                )
        metrics.append(scored)
    return metrics


def _words(fields: Mapping[str, str | int]) -> str:
    return ", ".join(f"{key} {value}" for key, value in fields.items())


def _size(model: str, models: Mapping[str, str | Path]) -> _Size:
    if model not in models:
        raise StoreError(
            f"model {model}: expected its manifest, found those of {', '.join(models) or 'none'}; give it too"
        )
    manifest = read_manifest(models[model])
    return _Size(
        widths=[site["width"] for site in manifest["sites"]],
        parameters=manifest["n_parameters"],
    )
