"""Table 1 and its like at the smallest scale, by the real workflow; the notebook; the commands."""

import copy
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from nbclient import NotebookClient

from property_neurons.corpus.frame_store import open_frames
from property_neurons.counting.count_store import open_counts
from property_neurons.models.loading import load_encoder
from property_neurons.stores.files import read_json, read_table
from property_neurons.tasks.table import read_task_data
from tests.integration.project import ROOT, SHORT, SMALL, Project, check_taken

pytestmark = [pytest.mark.integration, pytest.mark.slow]

TUNING = SHORT | {"mode": "fine_tuned"}
STUDY = {"model": "mini", "draws": 1, "doses": [0.5, 1]}
CONFIG = SMALL | {
    "tasks": {
        "f0-tuned": TUNING | {"kind": "f0_reconstruction", "split": "unseen"},
        "sid-tuned": TUNING | {"kind": "speaker_identification", "split": "seen", "crop_seconds": 1},
    },
    "erasure": {
        "table1": STUDY | {"task": "sid-tuned", "property": "gender", "selectors": ["entropy"]},
        "pitch": STUDY | {"task": "f0-tuned", "property": "pitch", "draws": 0, "action": "mean", "corpus": "demo"},
    },
}
TUNED = "sid-tuned-mini-s0"
EDITED = {"kind": "edited", "of": TUNED, "property": "gender", "groups": ["F"], "corpus": "demo"}
TARGETS = [
    f"results/figures/{name}.pdf" for name in ("table1", "table1_dose", "table1_selectors", "pitch", "pitch_dose")
]
SCORES = [f"results/tasks/{name}-tuned/mini/seed0.metrics.json" for name in ("sid", "f0")]
TABLE = f"results/neurons/{TUNED}/demo/gender.parquet"


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def erased(tmp_path_factory, cache) -> Project:
    project = Project.copy(tmp_path_factory.mktemp("erasure") / "project", CONFIG | {"cache": str(cache)})
    project.snakemake(*TARGETS, *SCORES, TABLE)
    project.configure(CONFIG)
    return project


def test_tables_and_figures_are_made_and_nothing_is_left_to_do(erased):
    results = erased.folder / "results"
    whole, table = read_table(results / "tables/table1.tsv"), errors_of(erased)
    assert whole["metric"].value_counts().to_dict() == {"speaker_identification": 6, "cross_entropy": 6}
    assert table[["erased", "part"]].to_numpy().tolist() == [
        [group, part] for group in ("M", "F") for part in ("M", "F", "all")
    ]
    assert (table["after"] - table["before"]).tolist() == pytest.approx(table["delta"].tolist())
    assert table["random_mean"].notna().all()
    # The error before is the training's own.
    metrics = read_json(results / "tasks/sid-tuned/mini/seed0.metrics.json")
    assert table.loc[table["part"] == "all", "before"].tolist() == pytest.approx([100 * metrics["value"]] * 2)
    f0 = read_table(results / "tables/pitch.tsv")
    value = read_json(results / "tasks/f0-tuned/mini/seed0.metrics.json")["value"]
    assert f0.loc[f0["part"] == "all", "before"].tolist() == pytest.approx([value] * 3, rel=1e-4)
    selectors = read_table(results / "erasure/table1/selectors.tsv")
    errors = selectors[selectors["metric"] == "speaker_identification"]
    assert errors[["selector", "erased"]].to_numpy().tolist() == [
        [selector, group] for selector in ("paper", "entropy") for group in ("M", "F", "mean")
    ]
    own = table[table["erased"] == table["part"]]
    paper = errors[(errors["selector"] == "paper") & (errors["erased"] != "mean")]
    assert paper[["own", "causal_excess"]].to_numpy().tolist() == own[["delta", "causal_excess"]].to_numpy().tolist()
    assert read_table(results / "erasure/pitch/selectors.tsv").empty
    for name in ("table1", "table1_dose", "table1_selectors", "pitch", "pitch_dose"):
        assert all((results / f"figures/{name}.{form}").stat().st_size > 200 for form in ("pdf", "png", "tsv"))
    assert (results / "tables/table1.md").read_text().count("\n| ") == 8
    assert erased.planned(*TARGETS) == {}
    assert not list(results.glob("erasure/*/.seed*"))


def test_another_directory_takes_the_training_under_its_own_names(erased, cache, tmp_path):
    names = {
        "models": {"mine": CONFIG["models"]["mini"]},
        "tasks": {"who": CONFIG["tasks"]["sid-tuned"]},
        "figures": {"corpus": "demo", "model": "mine"},
    }
    second = Project.copy(tmp_path / "second", SMALL | names | {"cache": str(cache)})
    shutil.copytree(erased.folder / "results/corpora", second.folder / "results/corpora")
    second.snakemake("results/tasks/who/mine/seed0.metrics.json")
    check_taken(
        erased,
        second,
        {
            ("train_task/sid-tuned/mini-seed0", "tasks/sid-tuned/mini/seed0"): (
                "train_task/who/mine-seed0",
                "tasks/who/mine/seed0",
            )
        },
    )
    made, taken = (
        read_json(project.folder / f"results/tasks/{name}/seed0.metrics.json")
        for project, name in ((erased, "sid-tuned/mini"), (second, "who/mine"))
    )
    assert (taken["task"], taken["model"]) == ("who", "mine")
    assert {key: value for key, value in made.items() if taken[key] != value}.keys() == {"task", "model"}


def test_sets_are_found_on_what_the_task_is_trained_on_and_nothing_else(erased):
    results = erased.folder / "results"
    counts = open_counts(results / f"training_counts/{TUNED}/sid-tuned/gender.zarr")
    data = read_task_data(results / "tasks/data/speaker_identification-seen.manifest.json")
    trained_on = set(data.part("train")["utterance"])
    frames = 0
    for store in (results / "corpora/demo/frames").glob("*.zarr"):
        shard = open_frames(store)
        lengths = np.diff(shard.offset)
        frames += sum(lengths[at] for at, name in enumerate(shard.utterances) if name in trained_on)
    assert counts.n.sum() + counts.unranked == frames
    assert counts.corpus == "training part of sid-tuned"


def test_scores_made_of_the_same_are_taken_back(erased):
    """As where an input was written again with the same content."""
    results = erased.folder / "results/erasure"
    before = {file: file.read_bytes() for file in results.glob("*/seed*/scores.parquet")}
    erased.snakemake("-R", "erase_groups", "--", *TARGETS)
    logs = [file.read_text() for file in (erased.folder / "results/logs/erase_groups").iterdir()]
    assert all("taken from results kept here" in text for text in logs)
    assert {file: file.read_bytes() for file in before} == before
    assert not list(results.glob("*/.old"))


def test_an_archive_gives_the_same_tables_without_models(erased):
    tables = ["tables/table1.tsv", "figures/table1.tsv", "figures/table1_dose.tsv", "figures/table1_selectors.tsv"]
    drawn = {"draw_erasure", "draw_erasure_dose", "draw_erasure_selectors"}
    assert erased.remade_from_archive("table1", *tables) == {"tabulate_erasure", *drawn}


def test_more_draws_train_nothing_again(erased):
    changed = copy.deepcopy(CONFIG)
    changed["erasure"]["table1"]["draws"] = 2
    erased.configure(changed)
    try:
        planned = erased.planned_rules(*TARGETS)
    finally:
        erased.configure(CONFIG)
    assert planned == {
        "erase_groups",
        "tabulate_erasure",
        "draw_erasure",
        "draw_erasure_dose",
        "draw_erasure_selectors",
    }


def test_an_edited_model_of_the_config_equals_that_of_the_command(erased):
    changed = copy.deepcopy(CONFIG)
    changed["models"]["female-erased"] = EDITED | {"of": TUNED}
    changed["models"][TUNED] = {"kind": "tuned", "of": "mini", "task": "sid-tuned"}
    erased.configure(changed)
    try:
        erased.snakemake("--rerun-triggers", "mtime", "--", "results/models/female-erased.manifest.json")
    finally:
        erased.configure(CONFIG)
    done = command(erased, "write", f"results/models/{TUNED}.manifest.json", TABLE, "--groups", "F", "--to", "own")
    assert done.returncode == 0, done.stderr
    by_hand = read_json(erased.folder / "own/editing.json")
    record = read_json(erased.folder / "results/models/female-erased/editing.json")
    assert record == by_hand
    assert record["table"]["model"] == TUNED
    weights = [load_encoder(erased.folder / folder).model for folder in ("own", "results/models/female-erased")]
    for (name, one), other in zip(weights[0].named_parameters(), weights[1].parameters(), strict=True):
        assert one.equal(other), name
    layer, neurons = next(iter(record["neurons"].items()))
    column = weights[0].encoder.layers[int(layer) - 1].feed_forward.output_dense.weight[:, neurons]
    assert not column.any()


def test_the_command_scores_and_refuses(erased):
    arguments = ["results/tasks/sid-tuned/mini/seed0.manifest.json", f"results/models/{TUNED}.manifest.json"]
    done = command(erased, "score", *arguments, TABLE, "--groups", "F", "M")
    assert done.returncode == 0, done.stderr
    table = errors_of(erased).set_index(["erased", "part"])
    assert f"all: {table.loc[('F', 'all'), 'before']:.1f} -> " in done.stdout
    assert "95 % interval" in done.stdout
    wrong = command(erased, "write", "results/models/mini.manifest.json", TABLE, "--groups", "F", "--to", "x")
    assert wrong.returncode == 1
    assert f"found on the model {TUNED}" in wrong.stderr
    assert "Traceback" not in wrong.stderr
    assert not (erased.folder / "x").exists()


def test_the_notebook_runs(erased):
    notebook = nbformat.read(ROOT / "notebooks/erase_a_group.ipynb", as_version=4)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(erased.folder)}}).execute()
    shown = "".join(
        output.get("data", {}).get("text/plain", "") for cell in notebook.cells for output in cell.get("outputs", [])
    )
    assert "without F" in shown
    before = errors_of(erased)["before"]
    assert f"{before.iloc[-1]:.1f}" in shown


def errors_of(project: Project) -> pd.DataFrame:
    """The table of Table 1 without its rows of cross-entropy."""
    table = read_table(project.folder / "results/tables/table1.tsv")
    return table[table["metric"] == "speaker_identification"]


def command(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "property_neurons.editing", *arguments],
        cwd=project.folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
