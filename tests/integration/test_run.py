"""The default target of a reduced default configuration, made by the real Snakemake."""

import shutil
import sys

import numpy as np
import pytest

from property_neurons.corpus.frame_store import open_frames
from property_neurons.corpus.phones import LABELS
from property_neurons.counting.count_store import open_counts
from property_neurons.ranks.store import open_ranks
from property_neurons.stores.files import read_table
from tests.drills.drill import Drill, Kill
from tests.integration.project import SMALL, Project

pytestmark = pytest.mark.integration

MODEL = "melhubert-mini"
# Of processor time that jobs take, more or less.
SECONDS = {"rank_neurons": 3.0, "find_neurons": 1.5}
FIGURES = ("fig2", "fig3", "fig4", "fig5", "fig7", "fig8", "stability", "confounds")


def test_every_figure_is_there_in_every_form(finished):
    for name in FIGURES:
        for form in ("pdf", "png", "tsv", "html"):
            assert (finished.folder / f"results/figures/{name}.{form}").stat().st_size > 200


def test_the_screen_counts_utterances_and_names_the_figures(first_run):
    assert "utterances fit for use, 0 skipped" in first_run
    assert "Drawing Figure 8" in first_run


@pytest.mark.slow
def test_the_path_of_python_may_hold_blanks_and_quotes(tmp_path, monkeypatch):
    project = Project.copy(tmp_path / "project", SMALL)
    environment = tmp_path / "O'Brien's speech"
    environment.symlink_to(sys.prefix)
    monkeypatch.setattr(sys, "executable", str(environment / "bin/python"))
    project.snakemake("results/corpora/demo/utterances.parquet")
    assert "Nothing to be done" in project.snakemake("-n", "results/corpora/demo/utterances.parquet")


def test_every_job_leaves_a_log_and_what_it_used(finished):
    logs, benchmarks = (
        {path.relative_to(finished.folder / "results" / folder).with_suffix("") for path in _files(finished, pattern)}
        for folder, pattern in (("logs", "logs/**/*.log"), ("benchmarks", "benchmarks/**/*.tsv"))
    )
    rules = {"make_demo_corpus", "scan", "build_frames", "rank_neurons", "count_activations", "figures"}
    assert rules <= {log.parts[0] for log in logs}
    assert benchmarks == logs
    assert all(path.read_text().startswith("s\th:m:s\tmax_rss") for path in _files(finished, "benchmarks/**/*.tsv"))


def test_counts_equal_a_plain_loop_over_ranks_and_frames(finished):
    """Gender, by the definition: for every frame of a voice, its tau first ids, one by one."""
    results = finished.folder / "results"
    counts = open_counts(results / f"counts/{MODEL}/demo/gender.zarr")
    tau = counts.tau[1]
    expected = {cell: np.zeros(counts.sites[1].width, dtype=int) for cell in counts.cells}
    for shard in ("demo-000", "demo-001"):
        frames = open_frames(results / f"corpora/demo/frames/{shard}.zarr")
        ranks = open_ranks(results / f"ranks/{MODEL}/demo/{shard}.zarr")
        ids = ranks.ids(1, tau)
        for index, gender in enumerate(frames.columns["gender"]):
            labels = frames.label[frames.offset[index] : frames.offset[index + 1]]
            rows = ids[ranks.offset[index] : ranks.offset[index + 1]]
            for label, row in zip(labels, rows, strict=False):
                for neuron in row:
                    expected[(gender, LABELS[label])][neuron] += 1
    found = counts.site_counts(1)
    for row, cell in enumerate(counts.cells):
        np.testing.assert_array_equal(found[row], expected[tuple(cell)])
    np.testing.assert_array_equal(found.sum(axis=1), counts.n * tau)


def test_real_model_separates_phones_better_than_its_random_twin(finished):
    best = {
        model: read_table(finished.folder / f"results/embeddings/{model}/demo/phone.silhouettes.tsv")
        .groupby("layer")["silhouette"]
        .mean()
        .max()
        for model in (MODEL, f"{MODEL}-random")
    }
    assert best[MODEL] > best[f"{MODEL}-random"]


@pytest.mark.slow
def test_a_second_run_elsewhere_gives_the_same_tables(finished, config, tmp_path):
    again = Project.copy(tmp_path / "again", config)
    # The models are copied: they are the slow part and another test compares their bytes.
    shutil.copytree(finished.folder / "results/models", again.folder / "results/models")
    names = (
        "figures/fig8.tsv",
        f"neurons/{MODEL}/demo/pitch.summary.tsv",
        f"embeddings/{MODEL}/demo/gender.silhouettes.tsv",
    )
    again.snakemake(*[f"results/{name}" for name in names], "--cores", "1")
    for name in names:
        assert (again.folder / "results" / name).read_bytes() == (finished.folder / "results" / name).read_bytes()


@pytest.mark.slow
def test_a_kill_at_a_random_moment_changes_nothing(finished, tmp_path):
    """The short form of tests/drills, where many more fall, also in trainings."""
    drill = Drill(finished, tmp_path / "kept", model=MODEL, seconds=SECONDS)
    drill.keep()
    outcome = drill.do(Kill.draw(0, seed=9, stages=("ranks", "neurons")))
    drill.restore()
    assert outcome.good, outcome


@pytest.mark.slow
def test_a_directory_that_shares_the_cache_runs_no_model_and_gives_the_same_tables(finished, cache, config, tmp_path):
    """Under another name of the model, which the ranks that are taken then bear."""
    models = {"mine": config["models"][MODEL]}
    figures = {"corpus": "demo", "model": "mine"}
    kept = {name: config[name] for name in ("corpora", "statistics")}
    second = Project.copy(tmp_path / "second", kept | {"models": models, "figures": figures, "cache": str(cache)})
    # Speech and models are made twice elsewhere in these tests; nothing of them names the model.
    shutil.copytree(finished.folder / "results/corpora", second.folder / "results/corpora")
    source, target = (project.folder / "results/models" for project in (finished, second))
    shutil.copytree(source / MODEL, target / "mine")
    shutil.copy2(source / f"{MODEL}.manifest.json", target / "mine.manifest.json")
    printed = second.snakemake("results/neurons/mine/demo/gender.summary.tsv")
    assert printed.count("taken from cache ranks/") == 2
    both = (finished, MODEL), (second, "mine")
    for shard in ("demo-000", "demo-001"):
        made, taken = (
            (project.folder / f"results/logs/rank_neurons/{model}/demo/{shard}.log").read_text()
            for project, model in both
        )
        key = made.rsplit(maxsplit=1)[-1]
        assert "ranking: 100%" in made
        assert f"published to cache {key}" in made
        assert taken.rsplit(maxsplit=1)[-1] == key
        assert "ranking" not in taken
        assert open_ranks(second.folder / f"results/ranks/mine/demo/{shard}.zarr").model == "mine"
    tables = [project.folder / f"results/neurons/{model}/demo" for project, model in both]
    for name in ("gender.summary.tsv", "gender.cells.tsv"):
        assert (tables[0] / name).read_bytes() == (tables[1] / name).read_bytes()
    neurons = [read_table(folder / "gender.parquet") for folder in tables]
    assert neurons[0].equals(neurons[1])
    assert neurons[0].attrs | {"model": "mine"} == neurons[1].attrs


@pytest.mark.slow
def test_a_damaged_rank_store_is_named_and_never_counted(finished, config, changed):
    target = f"results/counts/{MODEL}/demo/gender.manifest.json"
    before = (finished.folder / target).read_bytes()
    store = finished.folder / f"results/ranks/{MODEL}/demo/demo-001.zarr"
    chunk = next(path for path in sorted((store / "ranks/00/c").rglob("*")) if path.is_file())
    content = chunk.read_bytes()
    chunk.write_bytes(content[:-1])
    try:
        finished.configure(changed("analysis.lambda", 0.012))
        printed = finished.snakemake(target, fails=True)
    finally:
        chunk.write_bytes(content)
    assert "ranks/00/c" in printed
    assert "should be" in printed
    assert "Traceback" not in printed
    finished.configure(config)
    finished.snakemake(target)
    assert (finished.folder / target).read_bytes() == before


def _files(project, pattern):
    return [path for path in (project.folder / "results").glob(pattern) if path.is_file()]


# The last of those that share the run: ranks that are made again are not published again, which a test above looks at.
@pytest.mark.slow
def test_what_runs_while_code_is_edited_is_not_taken_for_that_of_the_code_before(finished):
    path = finished.folder / "src/property_neurons/ranks/topk.py"
    before = path.read_text()
    running = finished.start("-R", "rank_neurons")
    for line in running.stdout:
        if "Ranking neurons" in line:
            break
    path.write_text(f"{before}\nADDED = 1\n")
    printed = running.stdout.read()
    assert running.wait()
    assert "expected the code that this run was planned with" in printed
    assert "topk.py" in printed
    path.write_text(before)
    ranks = [
        f"results/ranks/{model}/demo/demo-00{shard}.manifest.json"
        for model in (MODEL, f"{MODEL}-random")
        for shard in range(2)
    ]
    missing = [target for target in ranks if not (finished.folder / target).exists()]
    assert missing
    assert finished.planned_rules(*missing) == {"rank_neurons"}
    finished.snakemake(*missing)
