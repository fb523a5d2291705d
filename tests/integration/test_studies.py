"""Figures 6 and 9 and the pruning table at the smallest scale, by the real workflow: whole, changed, killed."""

import copy

import pytest

from property_neurons.config.load import load_config
from property_neurons.models.loading import load_encoder
from property_neurons.stores.files import read_json, read_table
from tests.integration.project import SHORT, SMALL, Project

pytestmark = [pytest.mark.integration, pytest.mark.slow]

UNSEEN, SEEN = SHORT | {"split": "unseen"}, SHORT | {"split": "seen"}
CONFIG = SMALL | {
    "tasks": {
        "pr": UNSEEN | {"kind": "phone_recognition", "precompute": True, "learning_rate": [1e-3, 1e-2]},
        "sid-tuned": SEEN | {"kind": "speaker_identification", "mode": "fine_tuned", "crop_seconds": 1},
    },
    "pruning": {
        "general": {
            "model": "mini",
            "corpus": "demo",
            "properties": ["phone", "gender"],
            "arms": ["protect", "random_protect"],
            "fine_tuning": {
                "corpus": "demo",
                "validation_share": 0.2,
                "stage": {
                    "targets": {"clusters": 8, "layer": 1},
                    "steps": 2,
                    "batch_size": 2,
                    "crop_seconds": 1,
                    "evaluate_every": 2,
                    "save_every": 2,
                    "log_every": 1,
                },
            },
            "tasks": ["pr"],
        },
        "task_specific": {
            "model": "mini",
            "corpus": "demo",
            "arms": ["protect", "random_protect"],
            "rows": [192, 38],
            "random": "size",
            "tasks": {"sid-tuned": {"properties": ["gender"], "steps": 4}},
        },
    },
}
FIGURES = [f"results/figures/{name}.{form}" for name in ("fig6", "fig9") for form in ("pdf", "png", "tsv")]
TARGETS = [*FIGURES, "results/tables/pruning.tsv"]
LAST = "results/tasks/sid-tuned-after-cut/task_specific-sid-tuned-protect-s0-cut2/seed0"


@pytest.fixture(scope="module")
def studied(tmp_path_factory) -> Project:
    load_config(CONFIG)
    project = Project.copy(tmp_path_factory.mktemp("studies") / "project", CONFIG)
    project.snakemake(*TARGETS)
    return project


def test_every_arm_is_scored_and_nothing_is_left_to_do(studied):
    results = studied.folder / "results"
    assert all((studied.folder / figure).stat().st_size > 200 for figure in FIGURES)
    assert studied.planned(*TARGETS) == {}
    table = read_table(results / "tables/pruning.tsv").set_index(["study", "task", "arm", "step"])
    arms = ("unpruned", "protect", "random_protect")
    general = [("general", "pr", arm, int(arm != "unpruned")) for arm in arms]
    cuts = [("unpruned", 0), *((arm, step) for arm in arms[1:] for step in (1, 2))]
    assert sorted(table.index) == sorted([*general, *(("task_specific", "sid-tuned", *cut) for cut in cuts)])
    sizes = read_json(results / "models/general-protect-cut1/pruning.json")["kept"]
    widths = ",".join(str(len(kept)) for kept in sizes)
    assert table.loc[("general", "pr", "protect", 1), "neurons_per_layer"] == widths
    assert table.loc[("general", "pr", "random_protect", 1), "neurons_per_layer"] == widths
    assert set(table.loc[("general", "pr"), "learning_rates"]) <= {"0.001", "0.01"}
    assert table["macs"].between(1e6, 1e9).all()
    assert table.loc[("task_specific", "sid-tuned", "protect", 2), "neurons_per_layer"] == "38,38,38,38,38,38"
    assert not list(results.glob("states/*/*")), "temporary states are removed when their tasks are done"
    assert not list(results.glob("tasks/*/*/.seed*.work")), "the Trainer's own checkpoints are removed"


def test_the_control_protects_as_many_neurons_at_every_step(studied):
    for step in (1, 2):
        protect, control = (
            read_json(studied.folder / f"results/models/task_specific-sid-tuned-{arm}-s0-cut{step}/pruning.json")
            for arm in ("protect", "random_protect")
        )
        assert control["protected"] == protect["protected"]
        assert sum(control["protected"]) > 0


def test_the_metrics_are_those_of_the_scores_and_all_arms_share_their_test_utterances(studied):
    folders = sorted((studied.folder / "results/tasks/pr").glob("*/seed0"))
    assert len(folders) == 3
    digests, utterances = set(), set()
    for folder in folders:
        metrics, scores = read_json(f"{folder}.metrics.json"), read_table(folder / "scores.tsv")
        assert metrics["value"] == pytest.approx(scores["error"].sum() / scores["weight"].sum())
        digests.add(metrics["split_digest"])
        utterances.add(tuple(scores["utterance"]))
    assert len(digests) == len(utterances) == 1


def test_a_stepwise_cut_goes_on_from_the_model_and_head_before_it(studied):
    last = read_json(f"{studied.folder}/{LAST}.manifest.json")["job"]
    assert last["initial"].endswith("sid-tuned-after-cut/task_specific-sid-tuned-protect-s0-cut1/seed0")
    assert [site.width for site in load_encoder(studied.folder / LAST / "encoder").sites] == [38] * 6


def test_a_changed_task_runs_that_task_alone(studied):
    changed = copy.deepcopy(CONFIG)
    changed["tasks"]["pr"]["learning_rate"] = 3e-3
    studied.configure(changed)
    try:
        planned = studied.planned(*TARGETS)
    finally:
        studied.configure(CONFIG)
    trained = {output for output, rule in planned.items() if rule == "train_task" and not output.endswith(".json")}
    assert {output.split("/")[1] for output in trained} == {"pr"}
    # The states that it is trained on were removed when it was done.
    after = {"score_task", "collect_pruning", "draw_fig6", "tabulate_pruning"}
    assert set(planned.values()) == {"store_states", "train_task", *after}


@pytest.mark.parametrize(("study", "figure"), [("general", "fig6"), ("task_specific", "fig9")])
def test_an_archive_gives_the_same_tables_without_models(studied, study, figure):
    tables = [f"pruning/{study}/runs.tsv", f"pruning/{study}/comparisons.tsv", f"figures/{figure}.tsv"]
    assert studied.remade_from_archive(study, *tables) == {"collect_pruning", f"draw_{figure}"}


def test_another_interval_trains_and_runs_nothing_again(studied):
    module = studied.folder / "src/property_neurons/tasks/intervals.py"
    text = module.read_text()
    module.write_text(f"{text}\n_ANOTHER = 1\n")
    try:
        planned = studied.planned_rules(*TARGETS)
    finally:
        module.write_text(text)
    assert planned == {"score_task", "collect_pruning", "draw_fig6", "draw_fig9", "tabulate_pruning"}


def test_a_killed_training_of_a_task_goes_on_to_the_same_bytes(studied):
    folder = studied.folder / LAST
    manifest = folder.with_name("seed0.manifest.json")
    undisturbed = read_json(manifest)["files"]
    target = f"{LAST}.manifest.json"
    work = folder.with_name(".seed0.work")
    studied.kill_training(target, work)
    assert not manifest.exists()
    studied.snakemake("--unlock")
    studied.snakemake("--rerun-incomplete", target)
    assert read_json(manifest)["files"] == undisturbed
    assert not work.exists()
