"""Snakemake makes the figures of docs/studies from the archives alone, whether or not the speech is there."""

import pytest
import yaml

from tests.integration.project import ROOT, Project

pytestmark = [pytest.mark.integration, pytest.mark.slow]
STUDIES = {
    "whisper-phones": ("figures/whisper-phones_cut.tsv", {"collect_pruning", "draw_whisper-phones_cut"}),
    "phones-whisper": ("figures/phones-whisper.tsv", {"tabulate_erasure", "draw_erasure"}),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A fresh clone: its files are newer than those that an archive was packed from."""
    config = yaml.safe_load((ROOT / "config/claims.yaml").read_text(encoding="utf-8"))
    project = Project.copy(tmp_path_factory.mktemp("clone") / "project", config)
    for script in (project.folder / "workflow/scripts").iterdir():
        script.touch()
    return project


def planned_after_unpacking(project, study, results, *settings):
    """The target, with options of Snakemake; and the rules that it would run."""
    figure, _ = STUDIES[study]
    there = ["--config", f"results={results}"]
    project.archive(study, ROOT / f"docs/studies/{study}.tar.xz", "--unpack", *there)
    target = [f"{results}/{figure}", *there, *settings]
    return target, project.planned_rules(*target)


@pytest.mark.parametrize("study", STUDIES)
def test_a_figure_is_made_from_an_archive_alone(study, project):
    target, planned = planned_after_unpacking(project, study, study)
    assert planned == STUDIES[study][1]
    project.snakemake(*target)
    assert project.planned(*target) == {}


@pytest.mark.sample
@pytest.mark.parametrize("study", STUDIES)
def test_nothing_is_trained_where_the_speech_is_there(study, project, sample_data):
    _, planned = planned_after_unpacking(project, study, f"{study}-heard", f"data_root={sample_data}")
    assert planned == STUDIES[study][1]
