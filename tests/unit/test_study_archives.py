"""The archives in docs/studies fit config/claims.yaml, and docs/results.md states what is in them."""

import re
from pathlib import Path

import pytest

from property_neurons import plan
from property_neurons.config.load import load_files
from property_neurons.plan.archive import unpack
from property_neurons.stores.files import read_json, read_table
from property_neurons.stores.manifests import verify_files

ARCHIVES = sorted(Path("docs/studies").glob("*.tar.xz"))
STUDIES = load_files(["config/claims.yaml"], [])
ARMS = {
    "norm": "norm",
    "protect": "protect, then norm",
    "random_protect": "one matched random set, then norm",
    "frequency": "frequency",
    "wanda": "wanda",
    "protect_wanda": "protect, then wanda",
    "taylor": "taylor",
}


def unpacked(archive, folder):
    config = load_files(["config/claims.yaml"], [f"results={folder}"])
    unpack(config, study_of(archive), archive)
    return config


def study_of(archive):
    return archive.name.removesuffix(".tar.xz")


def test_every_archive_is_described():
    described = re.findall(
        r"^\| \[?`(\S+\.tar\.xz)`", Path("docs/studies/README.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert sorted(described) == [archive.name for archive in ARCHIVES]
    assert described


@pytest.mark.parametrize("archive", ARCHIVES, ids=study_of)
def test_an_archive_is_of_today_s_study_and_holds_no_model(archive, tmp_path):
    unpacked(archive, tmp_path)
    assert not [file for file in tmp_path.rglob("*") if file.suffix in (".safetensors", ".bin")]


@pytest.mark.parametrize("archive", [one for one in ARCHIVES if study_of(one) in STUDIES.erasure], ids=study_of)
def test_an_erasure_scored_what_today_s_study_states(archive, tmp_path):
    config = unpacked(archive, tmp_path)
    study = config.erasure[study_of(archive)]
    for seed in study.seeds:
        folder = Path(plan.paths.erased(config, study_of(archive), seed))
        described, conditions = read_json(folder / "description.json"), read_table(folder / "conditions.tsv")
        assert (described["action"], described["random"]) == (study.action, study.random)
        scored = conditions.groupby(["kind", "erased", "dose"]).size().to_dict()
        groups = study.groups or described["groups"]
        stated = {("whole", "", 0.0): 1}
        for kind, number in (("group", 1), ("random", study.draws)):
            stated |= {(kind, group, dose): number for group in groups for dose in study.doses}
        assert scored == stated


def test_the_errors_of_whisper_phones_stand_in_the_results(tmp_path):
    config = unpacked(Path("docs/studies/whisper-phones.tar.xz"), tmp_path)
    values = {}
    for run, metrics in zip(
        plan.pruning.runs(config, "whisper-phones"), plan.pruning.metrics(config, "whisper-phones"), strict=True
    ):
        value, folder = read_json(metrics)["value"], Path(metrics.removesuffix(".metrics.json"))
        verify_files(folder, f"{folder}.manifest.json", only=["scores.tsv"])
        scores = read_table(folder / "scores.tsv")
        assert scores["error"].sum() / scores["weight"].sum() == pytest.approx(value)
        values.setdefault((run.arm, run.step), []).append(100 * value)
    text = Path("docs/results.md").read_text(encoding="utf-8")
    for arm, title in ARMS.items():
        cells = r"[^|]*\| \**".join(rf"{sum(values[arm, step]) / 3:.1f}\b" for step in (1, 2, 3))
        assert re.search(rf"^\| {title} \| \**{cells}", text, re.MULTILINE), arm


def test_the_errors_of_phones_whisper_stand_in_the_results(tmp_path):
    unpacked(Path("docs/studies/phones-whisper.tar.xz"), tmp_path)
    changes = []
    for seed in range(3):
        folder = tmp_path / f"erasure/phones-whisper/seed{seed}"
        verify_files(folder, f"{folder}.manifest.json")
        sums = read_table(folder / "scores.parquet").groupby(["condition", "part"])[["error", "weight"]].sum()
        rates = 100 * (sums["error"] / sums["weight"]).unstack()
        conditions = read_table(folder / "conditions.tsv")
        group = conditions.index[conditions["kind"] == "group"]
        changes.append((rates.loc[group] - rates.loc[0]).set_axis(conditions.loc[group, "erased"]))
    text = Path("docs/results.md").read_text(encoding="utf-8")
    for erased, change in (sum(changes) / 3).iterrows():
        row = re.search(rf"^\| {erased} \(\d+, .*$", text, re.MULTILINE)
        told = [float(number) for number in re.findall(r"\| \**([+-]\d+\.\d)", row[0])]
        parts = ["vowel", "voiced consonant", "unvoiced consonant", "all"]
        assert told == pytest.approx(change[parts].to_list(), abs=0.051), erased
