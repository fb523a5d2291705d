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
            # Of each sigma and selector whole sets alone.
            more = {1.0: max(1, len(study.sigmas or [])) + len(study.selectors)}
            stated |= {(kind, group, dose): number * more.get(dose, 1) for group in groups for dose in study.doses}
        assert scored == stated


def errors_of(study, folder):
    """The error of each seed, by arm, step, task and whether it is after a recovery; its own scores give it."""
    config = unpacked(Path(f"docs/studies/{study}.tar.xz"), folder)
    values = {}
    for run, metrics in zip(plan.pruning.runs(config, study), plan.pruning.metrics(config, study), strict=True):
        value, folder = read_json(metrics)["value"], Path(metrics.removesuffix(".metrics.json"))
        verify_files(folder, f"{folder}.manifest.json", only=["scores.tsv"])
        scores = read_table(folder / "scores.tsv")
        assert scores["error"].sum() / scores["weight"].sum() == pytest.approx(value)
        values.setdefault((run.arm, run.step, run.task, run.recovered), []).append(value)
    assert {len(of_seeds) for of_seeds in values.values()} == {3}
    return {key: sum(of_seeds) / 3 for key, of_seeds in values.items()}


@pytest.mark.parametrize(
    ("study", "heading", "steps"),
    [
        ("whisper-phones", "## What a pruning step does to phone recognition", (1, 2, 3)),
        ("whisper-speakers", "## What a pruning step does to speaker identification", (1, 2, 3)),
        ("whisper-phones-tuned", "## Pruned and fine-tuned in turn: phone recognition", (1, 2)),
        ("whisper-speakers-tuned", "## Pruned and fine-tuned in turn: speaker identification", (1, 2)),
    ],
)
def test_the_errors_of_figure_9_stand_in_the_results(study, heading, steps, tmp_path):
    errors = errors_of(study, tmp_path)
    text = Path("docs/results.md").read_text(encoding="utf-8").split(heading)[1].split("\n## ")[0]
    for arm in STUDIES.pruning.studies[study].arms:
        recovered, (task,) = study.endswith("-tuned"), STUDIES.pruning.studies[study].tasks
        cells = r"[^|]*\| \**".join(rf"{100 * errors[arm, step, task, recovered]:.1f}\b" for step in steps)
        assert re.search(rf"^\| {ARMS[arm]} \| \**{cells}", text, re.MULTILINE), arm


@pytest.mark.parametrize(
    ("study", "heading", "heads"),
    [
        ("whisper-distilled", "judged by tasks (Figure 6)\n", "frozen"),
        ("whisper-distilled-long", "### Figure 6 with three times the recovery: Whisper tiny.en\n", "frozen"),
        ("mini-distilled", "| heads on all layers |", "frozen"),
        ("mini-distilled", "| heads on the last layer |", "last"),
        ("mini-masked", "### Figure 6 with recovery by masked prediction: melhubert-mini\n", "last"),
    ],
)
def test_the_errors_after_a_recovery_stand_in_the_results(study, heading, heads, tmp_path):
    errors = errors_of(study, tmp_path)
    section = Path("docs/results.md").read_text(encoding="utf-8").split(heading)[1]
    titles = {"protect": "protect", "norm": "norm", "random_protect": "one matched random set"}
    for task, column, scale, spread in (("pr", 0, 100, 0.051), ("sid", 1, 100, 0.051), ("f0", 2, 1, 0.00051)):
        told = re.search(r"^\| unpruned \|(.*)\|$", section, re.MULTILINE)[1].split("|")[column]
        assert float(told.split()[0]) == pytest.approx(
            scale * errors["unpruned", 0, f"{task}-{heads}", True], abs=spread
        )
        for arm, title in titles.items():
            cell = re.search(rf"^\| {title} \|(.*)\|$", section, re.MULTILINE)[1].split("|")[column]
            told = [float(part.split()[0]) for part in cell.split(";")]
            found = (errors.get((arm, 1, f"{task}-{heads}", recovered)) for recovered in (False, True))
            own = [scale * error for error in found if error is not None]
            assert told == pytest.approx(own, abs=spread), (arm, task)


CLASSES = ["vowel", "voiced consonant", "unvoiced consonant"]
RANGES = ["low", "middle", "high"]


@pytest.mark.parametrize(
    ("study", "titles", "parts", "scale"),
    [
        ("phones-whisper", {one: one for one in CLASSES}, [*CLASSES, "all"], 100),
        ("phones-mini", {one: one for one in CLASSES}, [*CLASSES, "all"], 100),
        ("table1-whisper", {"M": "male", "F": "female"}, ["M", "F", "all"], 100),
        ("table1-mini", {"M": "male", "F": "female"}, ["M", "F", "all"], 100),
        ("pitch-whisper", {one: one for one in RANGES}, [*RANGES, "all"], 1000),
        ("pitch-mini", {one: one for one in RANGES}, [*RANGES, "all"], 1000),
    ],
)
def test_the_errors_of_an_erasure_stand_in_the_results(study, titles, parts, scale, tmp_path):
    config = unpacked(Path(f"docs/studies/{study}.tar.xz"), tmp_path / "results")
    changes, numbers = zip(
        *(_changes(Path(plan.paths.erased(config, study, seed)), scale) for seed in range(3)), strict=True
    )
    text = Path("docs/results.md").read_text(encoding="utf-8")
    for erased, title in titles.items():
        neurons = ", ".join(str(number[erased]) for number in numbers)
        row = re.search(rf"^\| {title} \({neurons}\) .*$", text, re.MULTILINE)
        told = [float(number) for number in re.findall(r"\| \**([+-]?\d+\.\d)", row[0])]
        change = sum(changes) / 3
        assert told[: len(parts)] == pytest.approx(change.loc[erased, parts].to_list(), abs=0.051), erased


@pytest.mark.parametrize("model", ["whisper", "mini"])
@pytest.mark.parametrize("action", ["mean", "clamp", "four"])
def test_what_replaces_the_neurons_stands_in_the_results(action, model, tmp_path):
    config = unpacked(Path(f"docs/studies/table1-{model}-{action}.tar.xz"), tmp_path / "results")
    folders = [Path(plan.paths.erased(config, f"table1-{model}-{action}", seed)) for seed in range(3)]
    change = sum(_changes(folder)[0] for folder in folders) / 3
    section = Path("docs/results.md").read_text(encoding="utf-8").split("### What replaces the neurons")[1]
    section = section.split("\nmelhubert-mini:\n")[model == "mini"]
    title = {"mean": r"their mean \| 60", "clamp": r"clamped \| 60", "four": r"zero \| four [^|]*"}[action]
    told = re.search(rf"^\| {title} \| (\S+) [^;]*; (\S+) ", section, re.MULTILINE)
    assert [float(told[1]), float(told[2])] == pytest.approx([change.loc["M", "M"], change.loc["F", "F"]], abs=0.051)


@pytest.mark.parametrize("model", ["mini", "whisper"])
def test_single_speakers_stand_in_the_results(model, tmp_path):
    config = unpacked(Path(f"docs/studies/speaker-{model}.tar.xz"), tmp_path / "results")
    changes = [_changes(Path(plan.paths.erased(config, f"speaker-{model}", seed)))[0] for seed in range(3)]
    own = sum(sum(change.loc[one, one] for one in change.index) / len(change) for change in changes) / 3
    section = Path("docs/results.md").read_text(encoding="utf-8").split("## Erasing one speaker's neurons")[1]
    told = re.findall(r"^\| errors \| [^|]* \| (\S+) points", section, re.MULTILINE)
    assert float(told[model == "whisper"]) == pytest.approx(own, abs=0.051)


def _changes(folder, scale=100):
    """What each group's neurons change in each part, in points of errors (1000: thousandths), and how many they are."""
    verify_files(folder, f"{folder}.manifest.json")
    sums = read_table(folder / "scores.parquet").groupby(["condition", "part"])[["error", "weight"]].sum()
    rates = scale * (sums["error"] / sums["weight"]).unstack()
    conditions = read_table(folder / "conditions.tsv")
    group = conditions[conditions["kind"] == "group"]
    changes = (rates.loc[group.index] - rates.loc[0]).set_axis(group["erased"].astype(str))
    return changes, dict(zip(group["erased"], group["neurons"], strict=True))
