"""Two stages of pre-training on the demo corpus, by the real workflow, undisturbed and killed."""

import shutil
from pathlib import Path

import pytest

from property_neurons.config.load import load_config
from property_neurons.ranks.store import open_ranks
from property_neurons.stores.files import read_json, read_table
from property_neurons.stores.manifests import verify_files
from tests.integration.project import TINY, Project, check_taken

pytestmark = [pytest.mark.integration, pytest.mark.slow]

STAGE = {
    "steps": 120,
    "batch_size": 4,
    "crop_seconds": 2,
    "learning_rate": 2e-3,
    "evaluate_every": 40,
    "save_every": 20,
    "log_every": 20,
}
CONFIG = {
    "corpora": {"demo": {"kind": "demo", "voices": 4, "minutes": 1.5, "shards": 1, "pitch": {"method": "praat"}}},
    "pretraining": {
        "tiny": {
            "corpus": "demo",
            "validation_share": 0.2,
            "architecture": TINY,
            "stages": [
                STAGE | {"targets": {"clusters": 16}, "coded_share": 0.5},
                STAGE | {"steps": 40, "targets": {"clusters": 16, "layer": 1}, "initial": "previous"},
            ],
        }
    },
    "models": {
        "tiny": {"kind": "pretrained", "run": "tiny"},
        "tiny-stage1": {"kind": "pretrained", "run": "tiny", "stage": 1},
        "tiny-random": {"kind": "random_twin", "of": "tiny"},
    },
    "figures": {"corpus": "demo", "model": "tiny", "control": "tiny-random"},
}
TARGETS = ("results/figures/pretraining_tiny.pdf", "results/ranks/tiny/demo/demo-000.manifest.json")


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def trained(tmp_path_factory, cache) -> Project:
    load_config(CONFIG)
    project = Project.copy(tmp_path_factory.mktemp("pretraining") / "project", CONFIG | {"cache": str(cache)})
    project.snakemake(*TARGETS)
    project.configure(CONFIG)
    return project


def test_both_stages_learn_and_the_model_is_ranked(trained):
    results = trained.folder / "results"
    for stage in (1, 2):
        metrics = read_json(results / f"checkpoints/tiny-stage{stage}/metrics.json")
        assert metrics["loss"] < metrics["unigram_loss"]
        assert metrics["masked_accuracy"] > metrics["chance"]
    ranks = open_ranks(results / "ranks/tiny/demo/demo-000.zarr")
    assert [site.width for site in ranks.sites] == [64, 64]
    assert len(ranks.frame) > 500
    drawn = read_table(results / "figures/pretraining_tiny.tsv")
    assert set(drawn["series"]) == {"train", "validation", "unigram", "chance"}
    assert set(drawn["stage"]) == {1, 2}
    assert list((results / "logs/tensorboard/tiny-stage1").iterdir())
    assert [path.name for path in (results / "checkpoints").glob(".*")] == [".kept"]


def test_nothing_is_left_to_do(trained):
    assert trained.planned(*TARGETS) == {}


def test_another_directory_takes_both_stages_under_its_own_name(trained, cache, tmp_path):
    own = {
        "pretraining": {"small": CONFIG["pretraining"]["tiny"]},
        "models": {"small": {"kind": "pretrained", "run": "small"}},
        "figures": {"corpus": "demo", "model": "small"},
        "cache": str(cache),
    }
    second = Project.copy(tmp_path / "second", CONFIG | own)
    results = trained.folder / "results", second.folder / "results"
    shutil.copytree(results[0] / "corpora", results[1] / "corpora")
    # What names no run; the second stage's targets are made under the name of this one.
    shutil.copytree(results[0] / "pretraining/tiny/stage1", results[1] / "pretraining/small/stage1")
    shutil.copy2(results[0] / "pretraining/tiny/log_mel.json", results[1] / "pretraining/small/log_mel.json")
    stages = {
        name: [(f"pretrain/{name}-stage{stage}", f"checkpoints/{name}-stage{stage}") for stage in (1, 2)]
        for name in ("tiny", "small")
    }
    second.snakemake(*[f"results/{output}.manifest.json" for _, output in stages["small"]])
    check_taken(trained, second, dict(zip(stages["tiny"], stages["small"], strict=True)))


def test_a_run_that_takes_coded_crops_trains_no_other_run_anew(trained):
    run = CONFIG["pretraining"]["tiny"]
    plain = run | {"stages": [STAGE | {"steps": 20, "targets": {"clusters": 16}}]}
    coded = run | {"stages": [STAGE | {"steps": 20, "targets": {"clusters": 16}, "coded_share": 1.0}]}
    target = "results/checkpoints/plain-stage1.manifest.json"
    trained.configure(CONFIG | {"pretraining": {"tiny": run, "plain": plain}})
    before = trained.planned(target)
    trained.configure(CONFIG | {"pretraining": {"tiny": run, "plain": plain, "coded": coded}})
    after = trained.planned(target)
    of_both = trained.planned(target, "results/checkpoints/coded-stage1.manifest.json")
    trained.configure(CONFIG)
    assert after == before
    assert "extract_log_mel" not in after.values()
    assert {output for output, rule in of_both.items() if rule == "extract_log_mel"} == set()
    assert (trained.folder / "results/corpora/demo/log_mel_coded/demo-000.manifest.json").is_file()


def test_what_a_changed_setting_runs_again(trained, tmp_path):
    stages = [CONFIG["pretraining"]["tiny"]["stages"][0], STAGE | {"targets": {"clusters": 12, "layer": 1}}]
    trained.configure(CONFIG | {"pretraining": {"tiny": CONFIG["pretraining"]["tiny"] | {"stages": stages}}})
    planned = trained.planned(*TARGETS)
    trained.configure(CONFIG)
    trainings = {output for output, rule in planned.items() if rule == "pretrain"}
    assert {"checkpoints/tiny-stage2", "checkpoints/tiny-stage2.manifest.json"} == trainings
    assert not set(planned.values()) & {"extract_log_mel", "measure_log_mel", "build_frames", "make_demo_corpus"}


def test_a_killed_training_goes_on_to_the_same_bytes(trained):
    folder = trained.folder / "results/checkpoints/tiny-stage1"
    manifest = Path(f"{folder}.manifest.json")
    undisturbed = read_json(manifest)["files"]
    target = "results/checkpoints/tiny-stage1.manifest.json"
    work = folder.parent / ".tiny-stage1.work"
    trained.kill_training(target, work)
    assert not manifest.exists()
    # Snakemake has deleted what was finished; it is beside, as it was.
    (aside,) = (path for path in folder.parent.glob(".old/tiny-stage1-*") if path.is_dir())
    assert verify_files(aside, f"{aside}.manifest.json")["files"] == undisturbed
    trained.snakemake("--unlock")
    trained.snakemake("--rerun-incomplete", target)
    log = (trained.folder / "results/logs/pretrain/tiny-stage1.log").read_text()
    assert "| 0/120" not in log
    assert read_json(manifest)["files"] == undisturbed
    assert not work.exists()
