"""What runs again after a change, read from dry runs of a finished project."""

import os
import subprocess

import pytest

from tests.integration.project import Project

pytestmark = pytest.mark.integration

MODELS = ("melhubert-mini", "melhubert-mini-random")
MODEL_RULES = {"prepare_model", "rank_neurons"}


def of_rule(jobs, rule):
    """The stores that a rule would write, without suffix."""
    return {output.partition(".")[0] for output, made_by in jobs.items() if made_by == rule}


def test_after_a_run_nothing_is_to_be_done(finished):
    assert "Nothing to be done" in finished.snakemake("--dry-run")


def test_sigma_runs_neuron_tables_and_their_figures_only(finished, changed):
    finished.configure(changed("analysis.sigma", 0.7))
    assert finished.planned_rules() == {
        "find_neurons",
        "test_confound",
        *(f"draw_{name}" for name in ("fig4", "fig7", "fig8", "stability", "confounds")),
    }


def test_statistics_run_again_without_counts_or_models(finished, changed):
    finished.configure(changed("statistics.permutations", 99))
    assert finished.planned_rules() == {
        "find_neurons",
        "test_confound",
        *(f"draw_{name}" for name in ("fig4", "fig7", "fig8", "stability", "confounds")),
    }


def test_lambda_up_to_the_ranks_kept_runs_no_model(finished, changed):
    finished.configure(changed("analysis.lambda", 0.015))
    rules = finished.planned_rules()
    assert "count_activations" in rules
    assert not rules & (MODEL_RULES | {"build_frames"})


def test_lambda_beyond_the_ranks_kept_is_refused_with_the_remedy(finished, changed):
    finished.configure(changed("analysis.lambda", 0.05))
    assert "raise ranks.lambda_max" in finished.snakemake("--dry-run", fails=True)


@pytest.mark.slow
def test_pitch_cuts_recount_pitch_only(finished, changed):
    finished.configure(changed("analysis.pitch_cuts", [130.0, 180.0]))
    jobs = finished.planned()
    counted = {f"{folder}/{model}/demo/pitch" for model in MODELS for folder in ("counts", "neurons")}
    assert of_rule(jobs, "count_activations") == counted
    assert not finished.planned_rules() & (MODEL_RULES | {"build_frames"})


@pytest.mark.slow
def test_an_mds_seed_runs_mds_and_its_figures_only(finished, changed):
    finished.configure(changed("embedding.seeds", [0, 7]))
    assert finished.planned_rules() == {"embed_patterns", "draw_fig3", "draw_fig4", "draw_fig5"}


def test_one_more_model_runs_only_that_model(finished, changed):
    finished.configure(changed("models.another", {"kind": "random_twin", "of": "melhubert-mini", "seed": 1}))
    jobs = finished.planned()
    assert {rule for output, rule in jobs.items() if "/another" not in output} == {"draw_fig5"}
    assert of_rule(jobs, "rank_neurons") == {f"ranks/another/demo/demo-00{shard}" for shard in range(2)}


@pytest.mark.parametrize(
    ("section", "made_first"),
    [
        ({"column": "speaker"}, set()),
        ({"set": "place"}, set()),
        ({"track": "energy", "by": "none"}, {"measure_track"}),
        ({"tier": "phones", "groups": {"a": ["AH"], "i": ["IY"]}}, {"read_intervals"}),
        pytest.param(
            {"clusters": "units"}, {"sample_points", "fit_clusters", "assign_clusters"}, marks=pytest.mark.slow
        ),
    ],
    ids=["column", "set", "track", "tier", "clusters"],
)
def test_a_further_property_runs_no_model(finished, changed, section, made_first):
    clusters = {"units": {"model": "melhubert-mini", "layer": 1, "clusters": 8}}
    finished.configure(changed("properties.further", section) | {"clusters": clusters})
    target = "results/neurons/melhubert-mini/demo/further.parquet"
    assert finished.planned_rules(target) == {"count_activations", "count_units", "find_neurons", *made_first}


def test_other_properties_of_the_figures_run_no_model(finished, changed):
    finished.configure(changed("figures.properties", ["manner", "pitch"]))
    rules = finished.planned_rules()
    assert {"count_activations", "embed_patterns", "draw_fig3", "draw_fig7"} <= rules
    assert not rules & (MODEL_RULES | {"build_frames"})


def test_a_changed_policy_checks_the_corpus_and_no_more_than_counts_again(finished, changed):
    finished.configure(changed("corpora.demo.on_bad_utterance", "skip"))
    rules = finished.planned_rules()
    assert "check_corpus" in rules
    assert not rules & (MODEL_RULES | {"scan_demo.demo", "build_frames", "make_demo_corpus"})


def edit(project, file, before, after, folder="src/property_neurons"):
    path = project.folder / folder / file
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))


def test_editing_a_figure_draws_that_figure(finished):
    edit(finished, "figures/fig8.py", "\ndef draw(", "\nADDED = 1\n\n\ndef draw(")
    assert finished.planned_rules() == {"draw_fig8"}


@pytest.mark.slow
def test_editing_the_ranking_code_ranks_again(finished):
    edit(finished, "ranks/topk.py", "\ndef rank_neurons(", "\nADDED = 1\n\n\ndef rank_neurons(")
    jobs = finished.planned()
    assert of_rule(jobs, "rank_neurons") == {
        f"ranks/{model}/demo/demo-00{shard}" for model in MODELS for shard in range(2)
    }
    assert not set(jobs.values()) & {"prepare_model", "scan_demo.demo", "build_frames"}


def test_editing_the_counting_code_counts_again_and_ranks_nothing(finished):
    edit(finished, "counting/count.py", "\ndef count_activations(", "\nADDED = 1\n\n\ndef count_activations(")
    rules = finished.planned_rules()
    assert "count_activations" in rules
    assert not rules & (MODEL_RULES | {"build_frames"})


FURTHER = '\nrule further:\n    output:\n        "further",\n    shell:\n        "touch {output}"\n\n'


RULE_EDITS = (
    ("common.smk", "\nwildcard_constraints:", f"{FURTHER}\nwildcard_constraints:"),
    ("corpus.smk", "\nrule make_demo_corpus:", f"{FURTHER.replace('further', 'second')}\nrule make_demo_corpus:"),
    ("corpus.smk", "\nrule assemble_corpus:", f"{FURTHER.replace('further', 'third')}\nrule assemble_corpus:"),
    ("corpus.smk", '"Aligning {wildcards.corpus}', '"Now aligning {wildcards.corpus}'),
    ("corpus.smk", 'f"Reading and checking', 'f"Now reading and checking'),
    ("models.smk", '"""', '"""Differently put: '),
)


def test_editing_rules_comments_docstrings_and_times_runs_nothing(finished):
    """All at once: what none of them may run, all of them may not."""
    for file, before, after in RULE_EDITS:
        edit(finished, file, before, after, folder="rules")
    edit(finished, "ranks/topk.py", '"""', '"""Differently put: ')
    edit(finished, "counting/count.py", "\ndef count_activations(", "\n# A remark.\ndef count_activations(")
    results = finished.folder / "results"
    for path in [*results.glob("corpora/**/*"), *results.glob("models/**/*"), *results.glob("ranks/**/*")]:
        # Not newer than what was made from it is what an untouched file looks like, so go well beyond now.
        os.utime(path)
    for path in (finished.folder / "src").rglob("*.py"):
        os.utime(path)
    os.utime(finished.folder / "resources/demo/sentences.txt")
    assert "Nothing to be done" in finished.snakemake("--dry-run")


def test_a_project_that_is_copied_with_its_times_has_nothing_to_do(finished, tmp_path):
    subprocess.run(["cp", "-a", finished.folder, tmp_path / "elsewhere"], check=True)
    assert "Nothing to be done" in Project(tmp_path / "elsewhere").snakemake("--dry-run")


@pytest.mark.slow
def test_a_model_that_was_made_from_another_folder_is_not_up_to_date(finished, changed):
    finished.configure(changed("models.melhubert-mini", {"kind": "folder", "path": "melhubert-mien"}))
    printed = finished.snakemake("--dry-run", fails=True)
    assert "models.melhubert-mini: expected what is made from path melhubert-mien, which is not there" in printed
    assert "made from path resources/models/melhubert-mini" in printed


@pytest.mark.slow
def test_a_scan_runs_again_where_its_script_is_newer(finished):
    """Snakemake goes by the time of a script's file: a tree copied without its times is one of new scripts."""
    script = finished.folder / "workflow/scripts/scan_subset.py"
    before = script.stat()
    os.utime(script)
    try:
        assert "scan_demo.demo" in finished.planned_rules()
    finally:
        os.utime(script, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert "Nothing to be done" in finished.snakemake("--dry-run")
