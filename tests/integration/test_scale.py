"""What a run is planned to be follows from the configuration alone: the numbers of docs/scale.md, on stubs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from property_neurons.doctor.speech import LIBRISPEECH
from tests.integration.project import ENVIRONMENT, ROOT, Project

pytestmark = [pytest.mark.integration, pytest.mark.slow]

SUBSETS = {"train-a": (24, 3500), "train-b": (16, 1500)}  # shards, utterances
CONFIG = {
    "data_root": "data",
    "corpora": {
        "stub": {
            "kind": "librispeech",
            "root": "LibriSpeech",
            "subsets": {name: {"shards": shards} for name, (shards, _) in SUBSETS.items()},
            "alignments": {"kind": "textgrid", "path": "alignments/{subset}"},
        }
    },
    "models": {
        "mini": {"kind": "shipped", "name": "melhubert-mini"},
        "mini-random": {"kind": "random_twin", "of": "mini"},
        "mini-other": {"kind": "random_twin", "of": "mini", "seed": 1},
    },
    "figures": {"corpus": "stub", "model": "mini", "control": "mini-random"},
}


def jobs_of_the_figures(subsets: int, shards: int, models: int) -> dict[str, int]:
    """Jobs of Figures 2, 3, 4, 5, 7, 8, stability and confounds by rule: docs/scale.md."""
    return {
        "scan": subsets,
        "assemble_corpus": 1,
        "check_corpus": 1,
        "prepare_model": models,
        "build_frames": shards,
        "rank_neurons": shards * models,
        # Phone, gender and pitch of all, duration of the model and its control, single phones of the model.
        "count_activations": 3 * models + 3,
        "embed_patterns": 3 * models + 2,
        "count_units": 8,
        "find_neurons": 8,
        # Three confounds of the model and its control.
        "count_strata": 6,
        "test_confound": 6,
        "draw": 8,
    }


def planned(output: str) -> dict[str, int]:
    """The table of jobs of a dry run, scans and figures together, without the target rule."""
    jobs: dict[str, int] = {}
    table = output.partition("Job stats:")[2].partition("\ntotal ")[0]
    for rule, count in re.findall(r"^(\S+) +(\d+)$", table, re.MULTILINE):
        kind = rule.partition("_")[0]
        name = kind if kind in ("scan", "draw") else rule
        jobs[name] = jobs.get(name, 0) + int(count)
    jobs.pop("all")
    return jobs


def test_the_number_of_jobs_is_that_of_the_formula_and_no_utterance_is_looked_at(tmp_path):
    project = Project.copy(tmp_path / "project", CONFIG)
    root = project.folder / "data/LibriSpeech"
    for subset, (_, utterances) in SUBSETS.items():
        chapter = root / subset / "1/1"
        chapter.mkdir(parents=True)
        # Audio that would be refused, and no alignments: that is found when the scan runs.
        for number in range(utterances):
            (chapter / f"1-1-{number:04d}.flac").touch()
    (root / "SPEAKERS.TXT").write_text("1 | F | train-a | 25.0 | stub\n")
    printed = project.snakemake("-n", "--set-resources", "rank_neuron:mem_mb=1", "rank_neurons:mem_mb=1")
    assert planned(printed) == jobs_of_the_figures(subsets=2, shards=40, models=3)
    assert "rank_neuron, which is no rule" in printed
    assert "rank_neurons, which" not in printed


EVERY_FIGURE = ["all", *(f"results/paper/figures/{name}.pdf" for name in ("fig6", "fig9", "table1"))]
# A process begins with the peak of the one that starts it, so a small one starts Snakemake.
_MEASURE = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:])
print("peak", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, flush=True)
sys.exit(done.returncode)
"""
# 228 MB were measured. No utterance is looked at, so more of them make no larger plan.
PLANNING_MB = 400


def paper_on_960_hours() -> dict:
    """config/paper.yaml with the analysis of six models on all of LibriSpeech's training subsets."""
    config = yaml.safe_load((ROOT / "config/paper.yaml").read_text())
    config["models"]["melhubert-sid"] = {"kind": "tuned", "of": "melhubert", "task": "sid-tuned"}
    config["figures"]["corpus"] = "train-960"
    return config


def stub(data: Path) -> None:
    """The subsets and speakers of LibriSpeech, and the lists of VoxCeleb1, without any audio."""
    speakers = []
    for subset, (_, _, n_speakers) in LIBRISPEECH.items():
        for index in range(n_speakers):
            (data / "LibriSpeech" / subset / f"{subset}{index}").mkdir(parents=True)
            speakers.append(f"{subset}{index} | {'FM'[index % 2]} | {subset} | 25.0 | stub\n")
    (data / "LibriSpeech/SPEAKERS.TXT").write_text("".join(speakers))
    (data / "VoxCeleb1/wav").mkdir(parents=True)
    for name in ("iden_split.txt", "vox1_meta.csv"):
        (data / "VoxCeleb1" / name).touch()


def jobs_in_the_documentation() -> int:
    """Of every figure, with the analysis on 960 hours."""
    line = re.search(r"^\| jobs \|(.*)\|$", (ROOT / "docs/scale.md").read_text(), re.MULTILINE)
    return int(line[1].split("|")[-1].replace(",", ""))


def test_every_figure_of_the_paper_on_960_hours_is_planned_in_little_memory(tmp_path):
    project = Project.copy(tmp_path / "project", paper_on_960_hours())
    stub(project.folder / "data")
    targets = [*EVERY_FIGURE, "results/paper/tables/pruning.tsv"]
    command = [sys.executable, "-c", _MEASURE, sys.executable, "-m", "snakemake", "--cores", "1", "-n", *targets]
    done = subprocess.run(
        command,
        cwd=project.folder,
        env=ENVIRONMENT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    printed, _, peak = done.stdout.rpartition("peak ")
    jobs = planned(printed)
    assert jobs["rank_neurons"] > 6 * 80
    assert sum(jobs.values()) == jobs_in_the_documentation()
    assert int(peak) / (1e6 if sys.platform == "darwin" else 1e3) < PLANNING_MB
