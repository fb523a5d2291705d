"""What a run is planned to be follows from the configuration alone: the formula of docs/scale.md, on a stub corpus."""

import re

import pytest

from tests.integration.project import Project

pytestmark = pytest.mark.integration

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
    """Jobs of Figures 2, 3, 4, 5, 7 and 8 by rule: docs/scale.md."""
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
        "find_neurons": 8,
        "draw": 6,
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
    assert planned(project.snakemake("-n")) == jobs_of_the_figures(subsets=2, shards=40, models=3)
