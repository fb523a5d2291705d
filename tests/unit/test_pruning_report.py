"""Runs of pruned models: collected, compared, tabulated."""

import math
import re
import runpy
from dataclasses import replace
from itertools import chain
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from figure_inputs import ROOT
from pruning_inputs import collected
from scipy import stats

from property_neurons.errors import StoreError
from property_neurons.neurons.statistics.false_discovery import q_values
from property_neurons.pruning.report import Run, collect_runs, compare_runs, pruning_table
from property_neurons.stores.files import read_table, write_json, write_table
from property_neurons.stores.manifests import describe_files, write_manifest
from property_neurons.tasks.intervals import paired_difference

UTTERANCES = [f"u{number}" for number in range(8)]
SPEAKERS = [f"s{number // 2}" for number in range(8)]
SPEED = pd.DataFrame(
    {
        "model": ["whole", "protect-1"],
        "whole": [1.0, 1.25],
        "encoder": [1.0, 1.5],
        "rounds": 15,
        "real_time_factor": [0.01, 0.008],
        "macs": [1e9, 5e8],
    }
)
WIDTHS = {"whole": [100, 100], "protect-1": [30, 50], "norm-1": [40, 40], "norm-2": [20, 20], "protect-2": [10, 30]}
METRICS = {"pr": ("phone_recognition", "phone_error_rate"), "f0": ("f0_reconstruction", "lnf0_mse")}


@pytest.fixture
def models(tmp_path):
    """Manifests of models whose networks are of `WIDTHS`."""
    paths = {}
    for name, widths in WIDTHS.items():
        paths[name] = tmp_path / "models" / f"{name}.manifest.json"
        sites = [{"layer": layer, "name": str(layer), "width": width} for layer, width in enumerate(widths, start=1)]
        folder = tmp_path / "models" / name
        folder.mkdir(parents=True)
        for file, size in {"config.json": 7, "model-1.safetensors": 1000, "model-2.safetensors": sum(widths)}.items():
            (folder / file).write_bytes(bytes(size))
        write_manifest(paths[name], {"sites": sites, "n_parameters": 10 * sum(widths), **describe_files(folder)})
    return paths


@pytest.fixture
def add_run(tmp_path):
    """Write a finished run of `errors` per utterance and say what it is."""

    def add(
        arm,
        step,
        seed,
        model,
        errors,
        *,
        study="general",
        task="pr",
        split="split",
        trained=None,
        extra=None,
        recovered=True,
    ):
        folder = tmp_path / "tasks" / (trained or task) / model / f"{study}-{arm}-{step}-seed{seed}"
        scores = pd.DataFrame(
            {"utterance": UTTERANCES, "speaker": SPEAKERS, "gender": "F", "error": errors, "weight": 10}
        )
        kind, metric = METRICS[task]
        value = scores["error"].sum() / scores["weight"].sum()
        metrics = {
            "task": trained or task,
            "model": model,
            "kind": kind,
            "mode": "frozen",
            "metric": metric,
            "value": value,
            "interval": [value - 0.01, value + 0.02],
            "seed": seed,
            "settings": {"learning_rate": 0.01 * (seed + 1), "steps": 100 if recovered else 0},
            "utterances": len(scores),
            "speakers": 4,
            "split_digest": split,
            "extra": extra or {},
        }
        metrics_file = folder.with_name(f"{folder.name}.metrics.json")
        write_json(metrics_file, metrics)
        write_table(folder / "scores.tsv", scores)
        write_json(folder.with_name(f"{folder.name}.manifest.json"), describe_files(folder))
        files = {"metrics": metrics_file, "scores": folder / "scores.tsv"}
        return Run(
            study=study,
            arm=arm,
            step=step,
            seed=seed,
            task=task,
            model=model,
            trained=trained,
            recovered=recovered,
            **files,
        )

    return add


def errors(mean, spread=0.0):
    """Errors of the utterances, `mean` on average."""
    return mean + spread * np.linspace(-1, 1, len(UTTERANCES))


def test_a_run_comes_with_size_and_speed_of_its_model(add_run, models):
    extra = {"constant_mse": 0.15, "r2": 0.2}
    runs = [
        add_run("unpruned", 0, 0, "whole", errors(1)),
        add_run("protect", 1, 0, "protect-1", errors(2), trained="pr-after-cut"),
        add_run("norm", 1, 0, "norm-1", errors(3)),
        add_run("unpruned", 0, 0, "whole", errors(1), task="f0", split="other", extra=extra),
    ]
    table = collect_runs(runs, models, SPEED)
    columns = (
        "study task kind mode metric arm step recovered seed model neurons neurons_per_layer rows share parameters "
        "macs speedup_whole speedup_encoder real_time_factor learning_rate recovery_learning_rate calibration "
        "value low high arm_low arm_high constant_mse r2 utterances speakers split_digest"
    )
    assert table.columns.tolist() == columns.split()
    _, protect, norm, f0 = table.to_dict("records")
    assert protect == {
        "study": "general",
        "task": "pr",
        "kind": "phone_recognition",
        "mode": "frozen",
        "metric": "phone_error_rate",
        "arm": "protect",
        "step": 1,
        "recovered": True,
        "seed": 0,
        "model": "protect-1",
        "neurons": 80,
        "neurons_per_layer": "30,50",
        "rows": 40.0,
        "share": 0.4,
        "parameters": 800,
        "macs": 5e8,
        "speedup_whole": 1.25,
        "speedup_encoder": 1.5,
        "real_time_factor": 0.008,
        "learning_rate": 0.01,
        "recovery_learning_rate": pytest.approx(math.nan, nan_ok=True),
        "calibration": "",
        "value": 0.2,
        "low": pytest.approx(0.19),
        "high": pytest.approx(0.22),
        "arm_low": pytest.approx(0.2),
        "arm_high": pytest.approx(0.2),
        "constant_mse": pytest.approx(math.nan, nan_ok=True),
        "r2": pytest.approx(math.nan, nan_ok=True),
        "utterances": 8,
        "speakers": 4,
        "split_digest": "split",
    }
    assert math.isnan(norm["speedup_whole"])
    assert math.isnan(norm["macs"])
    assert (f0["constant_mse"], f0["r2"], f0["share"]) == (0.15, 0.2, 1.0)


def test_a_recovery_says_which_learning_rate_it_was_trained_with(add_run, models, tmp_path):
    records = {"distilled": {"settings": {"learning_rate": 3e-4}}, "pretrained": {"learning_rate": 1e-4}}
    for name, record in records.items():
        write_json(tmp_path / f"{name}.json", record)
    runs = [
        add_run("unpruned", 0, 0, "whole", errors(1)),
        replace(add_run("protect", 1, 0, "protect-1", errors(2)), recovery=tmp_path / "distilled.json"),
        replace(add_run("protect", 1, 1, "protect-1", errors(2)), recovery=str(tmp_path / "pretrained.json")),
    ]
    table = pruning_table([collect_runs(runs, models, SPEED)])
    assert table["recovery_learning_rates"].tolist() == ["", "0.0001, 0.0003"]
    documented = re.search(r"`tables/pruning.tsv`.*?\n\n(.*?)\n\n", (ROOT / "docs/tables.md").read_text(), re.DOTALL)[1]
    columns = [line.strip("|").split(" | ")[0].strip().split(", ") for line in documented.splitlines()[2:]]
    assert sorted(chain(*columns)) == sorted(table.columns)


@pytest.mark.parametrize(
    ("record", "found"), [({"loss": 1}, "loss"), ({"settings": {"steps": 3}}, "steps"), ({}, "nothing")]
)
def test_a_recovery_that_states_no_learning_rate_is_refused(add_run, models, tmp_path, record, found):
    write_json(tmp_path / "record.json", record)
    run = replace(add_run("unpruned", 0, 0, "whole", errors(1)), recovery=tmp_path / "record.json")
    with pytest.raises(StoreError, match=rf"record\.json: expected the learning_rate of a recovery, found {found};"):
        collect_runs([run], models, SPEED)


def test_what_does_not_fit_together_is_refused(add_run, models):
    whole = add_run("unpruned", 0, 0, "whole", errors(1))
    other = add_run("protect", 1, 0, "protect-1", errors(2), split="another")
    for made in (lambda runs: collect_runs(runs, models, SPEED), compare_runs):
        with pytest.raises(StoreError, match=r"task pr: expected all runs to be scored by one split.*split.*another"):
            made([whole, other])
    protect = add_run("protect", 1, 0, "protect-1", errors(2))
    with pytest.raises(StoreError, match="task pr: expected a run of the arm unpruned at step 0"):
        collect_runs([protect], models, SPEED)
    with pytest.raises(StoreError, match="expected one run, found"):
        compare_runs([whole, whole.__class__(**vars(whole))])
    with pytest.raises(StoreError, match="expected the run task pr, model norm-1, seed 0, found task pr, model whole"):
        collect_runs([whole.__class__(**vars(whole) | {"model": "norm-1"})], models, SPEED)
    with pytest.raises(StoreError, match="model whole: expected its manifest, found those of norm-1"):
        collect_runs([whole], {"norm-1": models["norm-1"]}, SPEED)
    with pytest.raises(ValueError, match=r"expected an arm among unpruned.*found 'largest'"):
        whole.__class__(**vars(whole) | {"arm": "largest"})


def test_arms_are_compared_step_by_step(add_run):
    runs = [add_run("unpruned", 0, seed, "whole", errors(1, 0.5)) for seed in (0, 1)]
    runs.append(add_run("fine_tuned", 0, 0, "whole", errors(0.9)))
    for step in (1, 2):
        runs += [add_run("norm", step, seed, f"norm-{step}", errors(2 + step + 0.2 * seed, 1)) for seed in (0, 1, 2)]
        runs += [add_run("protect", step, seed, f"protect-{step}", errors(1 + step, 1)) for seed in (0, 1)]
    table = compare_runs(runs, resamples=200)
    columns = (
        "study task metric step recovered first second difference low high p q detectable seeds_first seeds_second "
    )
    columns += "utterances speakers"
    assert table.columns.tolist() == columns.split()
    found = {(row.step, row.first, row.second): row for row in table.itertuples()}
    assert list(found) == [
        (0, "fine_tuned", "unpruned"),
        (1, "protect", "fine_tuned"),
        (1, "protect", "norm"),
        (1, "protect", "unpruned"),
        (1, "norm", "unpruned"),
        (2, "protect", "fine_tuned"),
        (2, "protect", "norm"),
        (2, "protect", "unpruned"),
        (2, "norm", "unpruned"),
    ]
    row = found[2, "protect", "norm"]
    assert row.difference == pytest.approx(0.3 - 0.42)
    assert (row.seeds_first, row.seeds_second, row.utterances) == (2, 3, 8)
    sides = [
        {run.seed: read_table(run.scores) for run in runs if (run.arm, run.step) == side}
        for side in (("protect", 2), ("norm", 2))
    ]
    expected = paired_difference(*sides, resamples=200)
    assert (row.low, row.high, row.p) == (expected.low, expected.high, expected.p)
    assert table["q"].tolist() == pytest.approx(q_values(table["p"]).tolist())
    assert found[2, "norm", "unpruned"].difference == pytest.approx(0.42 - 0.1)


def test_seeds_of_one_training_are_pairs(add_run):
    values = {"unpruned": (1, 3, 6), "norm": (2, 4.1, 6.9)}
    runs = [
        add_run(arm, int(arm == "norm"), seed, f"{arm}-{seed}", errors(value, 0.3))
        for arm, of_seeds in values.items()
        for seed, value in enumerate(of_seeds)
    ]
    apart, paired = (compare_runs([replace(run, paired=paired) for run in runs]).iloc[0] for paired in (False, True))
    assert apart["difference"] == pytest.approx(paired["difference"]) == pytest.approx(0.1)
    assert apart["p"] > 0.5
    assert paired["p"] < 0.01
    assert paired["p"] == pytest.approx(stats.ttest_rel(values["norm"], values["unpruned"]).pvalue)


def test_models_before_recovery_are_compared_with_each_other(add_run, models):
    runs = [
        add_run("unpruned", 0, 0, "whole", errors(1)),
        add_run("protect", 1, 0, "protect-1", errors(2), trained="pr-after-cut"),
        add_run("norm", 1, 0, "norm-1", errors(3), trained="pr-after-cut"),
        add_run("protect", 1, 0, "protect-1", errors(6), trained="pr-at-cut", recovered=False),
        add_run("norm", 1, 0, "norm-1", errors(5), trained="pr-at-cut", recovered=False),
    ]
    table = compare_runs(runs).set_index(["recovered", "first", "second"])["difference"]
    assert table.to_dict() == {
        (True, "protect", "norm"): pytest.approx(-0.1),
        (True, "protect", "unpruned"): pytest.approx(0.1),
        (True, "norm", "unpruned"): pytest.approx(0.2),
        (False, "protect", "norm"): pytest.approx(0.1),
        (False, "protect", "unpruned"): pytest.approx(0.5),
        (False, "norm", "unpruned"): pytest.approx(0.4),
    }
    found = collect_runs(runs, models, SPEED)
    assert found.loc[found["arm"] == "protect", ["recovered", "arm_low"]].to_numpy().tolist() == [
        [True, pytest.approx(0.2)],
        [False, pytest.approx(0.6)],
    ]
    assert pruning_table([found])["mean"].tolist() == pytest.approx([0.6, 0.5, 0.1, 0.2, 0.3])


def test_what_is_protected_in_front_of_a_score_is_held_against_that_score_alone(add_run):
    arms = ("norm", "wanda", "protect_wanda", "random_protect_wanda")
    runs = [add_run("unpruned", 0, 0, "whole", errors(1))]
    runs += [add_run(arm, 1, 0, f"{arm}-1", errors(2 + number)) for number, arm in enumerate(arms)]
    found = compare_runs(runs).set_index("first").loc["protect_wanda"]
    assert found["second"].tolist() == ["wanda", "random_protect_wanda", "unpruned"]
    assert found["difference"].tolist() == pytest.approx([0.1, -0.1, 0.3])


def test_seeds_are_drawn_together_in_the_table():
    general = collected("general", tasks=("pr", "f0"), arms=("norm", "protect", "unpruned"), seeds=3)
    general.loc[general["arm"].eq("norm") & general["seed"].eq(1), ["neurons", "neurons_per_layer"]] = [7000, "583,584"]
    specific = collected("task_specific", tasks=("pr",), arms=("unpruned", "protect"), seeds=1, sizes=(3072, 528, 128))
    table = pruning_table([general, specific])
    assert table[["study", "task", "arm", "step"]].to_numpy().tolist() == [
        *(
            ["general", task, arm, step]
            for task in ("pr", "f0")
            for arm, step in (("unpruned", 0), ("protect", 1), ("norm", 1))
        ),
        *(["task_specific", "pr", arm, step] for arm, step in (("unpruned", 0), ("protect", 1), ("protect", 2))),
    ]
    norm = table.iloc[2]
    assert norm["learning_rates"] == "0.0003, 0.001"
    values = general.loc[general["arm"].eq("norm") & general["task"].eq("pr"), "value"]
    assert norm["seeds"] == 3
    assert norm[["mean", "lowest", "highest"]].tolist() == pytest.approx([values.mean(), values.min(), values.max()])
    assert norm["neurons_per_layer"] == ",".join(["577"] * 12)
    assert norm[["neurons_fewest", "neurons_most"]].tolist() == [12 * 577, 7000]
    assert norm["share_of_neurons"] == pytest.approx(577 / 3072)
    assert norm["megabytes"] == pytest.approx(4e-6 * norm["parameters"])
    assert table.iloc[2][["r2", "constant_mse"]].isna().all()
    f0 = table.iloc[5]
    of_f0 = general.loc[general["arm"].eq("norm") & general["task"].eq("f0")]
    assert f0["r2"] == pytest.approx(of_f0["r2"].mean())
    assert f0["constant_mse"] == pytest.approx(0.151)


class Named(SimpleNamespace):
    """Files or values by name, and all of them in turn, as Snakemake hands them to scripts."""

    def __iter__(self):
        for value in vars(self).values():
            yield from value if isinstance(value, list) else [value]

    def get(self, name):
        return vars(self).get(name)


def run_script(name, tmp_path, **parts):
    """Run a script of the workflow as Snakemake would."""
    parts = {part: Named(**fields) for part, fields in ({"params": {}} | parts).items()}
    job = SimpleNamespace(log=[str(tmp_path / "log")], **parts)
    runpy.run_path(str(ROOT / "workflow" / "scripts" / f"{name}.py"), init_globals={"snakemake": job})


def test_the_scripts_write_the_tables(add_run, models, tmp_path):
    runs = [add_run("unpruned", 0, 0, "whole", errors(1)), add_run("protect", 1, 0, "protect-1", errors(2, 1))]
    write_table(tmp_path / "speed.tsv", SPEED)
    said = [{key: value for key, value in vars(run).items() if key not in ("metrics", "scores")} for run in runs]
    given = {
        "trainings": [f"{run.scores.parent}.manifest.json" for run in runs],
        "metrics": [str(run.metrics) for run in runs],
        "models": [str(path) for path in models.values()],
        "speed": str(tmp_path / "speed.tsv"),
    }
    out = {name: str(tmp_path / f"{name}.tsv") for name in ("runs", "comparisons", "table")}
    parts = {"input": given, "params": {"runs": said, "calibration": ""}, "output": out}
    run_script("collect_pruning", tmp_path, **parts)
    run_script("tabulate_pruning", tmp_path, input={"runs": [out["runs"]]}, output=out)
    assert read_table(out["runs"])["neurons_per_layer"].tolist() == ["100,100", "30,50"]
    assert read_table(out["comparisons"])["difference"].tolist() == pytest.approx([0.1])
    assert read_table(out["table"])["speedup_encoder"].tolist() == [1.0, 1.5]

    write_table(runs[0].scores, pd.DataFrame({"utterance": []}))
    with pytest.raises(SystemExit):
        run_script("collect_pruning", tmp_path, **parts)
    assert "scores.tsv should be 142 bytes, found 10" in (tmp_path / "log").read_text()
