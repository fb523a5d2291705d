"""What each rule's fingerprint covers, and what re-runs after an edit of a module."""

import ast
import re
import shutil
import sys
from pathlib import Path

import pytest

import property_neurons
from property_neurons.jobs import fingerprint
from property_neurons.jobs.fingerprint import OUTSIDE, code_fingerprint, covered_modules
from property_neurons.jobs.what_reruns import rerun_table, rule_roots

ROOT = Path(__file__).resolve().parents[2]
LOADING = """
    models.backend models.batches models.features models.ffn models.folder models.loading models.log_mel
    models.melhubert models.melhubert.configuration models.melhubert.features models.melhubert.modeling models.pickles
    models.precision models.pruned models.weights
"""
COVERED = {
    "prepare_model": f"""
        {LOADING}
        models.hub models.melhubert.conversion models.prepare models.prepared models.whisper
    """,
    "rank_neurons": f"""
        {LOADING}
        ranks.batching ranks.extraction ranks.reading ranks.sites ranks.store ranks.topk
    """,
    "store_activations": f"""
        {LOADING}
        activations.choice activations.extraction activations.store ranks.sites
    """,
    "tabulate_browser": f"""
        {LOADING}
        activations.store activations.summary browser.derived browser.examples browser.f0 browser.neighbours
        browser.probabilities browser.speech browser.table_inputs browser.tables corpus.frame_store
        corpus.frame_values corpus.gate corpus.phones corpus.tracks corpus.utterance_columns counting.cell_sums
        counting.count_store counting.interval_properties counting.job counting.join counting.layout
        counting.numbers counting.pitch_bins
        counting.properties counting.runs counting.sampling ranks.sites ranks.store
    """,
    "store_states": f"""
        {LOADING}
        models.states tasks.stored_states
    """,
    "train_task": f"""
        {LOADING}
        models.states tasks.best_state tasks.examples tasks.heads tasks.job tasks.model tasks.scores
        tasks.stored_states tasks.table tasks.train tasks.utterance_errors training.learning_curves
        training.learning_rates training.optimisation training.order training.trainer
    """,
    "store_probed_frames": f"""
        {LOADING}
        corpus.frame_store corpus.gate corpus.phones probing.frames probing.representations
    """,
    "probe_layers": f"""
        {LOADING}
        codebooks.codebook codebooks.kmeans corpus.frame_store corpus.phones probing.clusters probing.frames
        probing.linear probing.probe probing.representations probing.silhouettes tasks.estimates
    """,
    "sample_points": f"""
        {LOADING}
        clustering.points clustering.sampled_points clustering.vocabulary codebooks.sample
        corpus.frame_store corpus.gate corpus.phones probing.frames probing.representations
    """,
    "assign_clusters": f"""
        {LOADING}
        clustering.assign clustering.points clustering.vocabulary codebooks.codebook
        corpus.frame_store corpus.frame_values corpus.phones corpus.utterance_columns
        probing.frames probing.representations
    """,
    "extract_log_mel": """
        models.log_mel pretraining.log_mel pretraining.log_mel_store
    """,
    "fit_targets": f"""
        {LOADING}
        codebooks.codebook codebooks.kmeans codebooks.sample pretraining.input_model pretraining.log_mel_store
        pretraining.represent pretraining.sampled_frames
    """,
    "sample_states": f"""
        {LOADING}
        codebooks.sample pretraining.input_model pretraining.log_mel_store pretraining.represent
        pretraining.sampled_frames
    """,
    "assign_targets": f"""
        {LOADING}
        codebooks.codebook pretraining.assign_targets pretraining.input_model pretraining.log_mel_store
        pretraining.represent
    """,
    "pretrain": f"""
        {LOADING}
        pretraining.crops pretraining.input_model pretraining.log_mel_store pretraining.masked_prediction
        pretraining.masking pretraining.stage pretraining.target_store pretraining.warping training.held_out
        training.learning_curves training.learning_rates training.optimisation training.order training.trainer
    """,
    "prune_model": f"""
        {LOADING}
        corpus.phones counting.count_store models.prepared neurons.membership neurons.random_sets
        pruning.calibration pruning.criteria pruning.gates_table pruning.prune pruning.selection pruning.vocabulary
        ranks.sites
    """,
    "learn_gates": f"""
        {LOADING}
        models.states pruning.calibrate pruning.calibration pruning.gates pruning.masks tasks.examples tasks.fine_tuned
        tasks.heads tasks.job tasks.model tasks.remembered tasks.stored_states tasks.table training.optimisation
        training.order
    """,
    "calibrate_model": f"""
        {LOADING}
        models.states pruning.calibrate pruning.calibration pruning.masks tasks.examples tasks.fine_tuned tasks.heads
        tasks.job tasks.model tasks.remembered tasks.stored_states tasks.table training.optimisation training.order
    """,
    "distil_model": f"""
        {LOADING}
        models.prepared models.states pruning.distillation tasks.heads tasks.job tasks.model
        tasks.table
        training.held_out training.learning_curves training.learning_rates training.optimisation training.order
        training.trainer
    """,
    "edit_model": f"""
        {LOADING}
        editing.interventions editing.saved editing.sets editing.statistics
        editing.vocabulary models.prepared neurons.definition neurons.groups neurons.membership neurons.patterns
        neurons.random_sets ranks.sites
    """,
    "erase_groups": f"""
        {LOADING}
        corpus.frame_store corpus.phones counting.count_store counting.pitch_bins editing.divided_by
        editing.interventions editing.parts editing.sets editing.statistics editing.vocabulary erasure.conditions
        erasure.study erasure.table_terms pruning.calibration pruning.criteria pruning.vocabulary
        models.states neurons.definition neurons.groups neurons.membership
        neurons.patterns
        neurons.random_sets neurons.statistics.vocabulary
        ranks.sites tasks.examples tasks.f0_tracks tasks.fine_tuned tasks.heads tasks.job
        tasks.model tasks.remembered tasks.stored_states tasks.table tasks.utterance_errors training.optimisation
        training.order
    """,
    "measure_speed": f"""
        {LOADING}
        pruning.speed
    """,
}
# Settings reach a result through `params`, and through the arguments that a cache's key is made of.
SETTINGS = ("plan", "config", "cache")


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    """The modules that each rule's fingerprint names."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("plan"))
        return rule_roots()


@pytest.mark.parametrize("rule", COVERED)
def test_what_can_change_the_result_of_a_rule_that_runs_a_model(roots, rule):
    assert covered_modules(*roots[rule]) == sorted(COVERED[rule].split())


def test_no_fingerprint_covers_what_makes_no_result(roots):
    covered = {module for modules in roots.values() for module in covered_modules(*modules)}
    unwanted = (*OUTSIDE, *SETTINGS, "doctor")
    assert not [module for module in covered for name in unwanted if f"{module}.".startswith(f"{name}.")]


MODEL_RULES = set(COVERED)
TRAININGS = {"train_task", "pretrain", "erase_groups"}


@pytest.mark.parametrize(
    ("module", "rules"),
    [
        ("ranks.topk", {"rank_neurons"}),
        ("ranks.extraction", {"rank_neurons"}),
        ("counting.count", {"count_activations", "count_training"}),
        ("counting.unit_counts", {"count_units", "count_strata", "count_training_units"}),
        ("neurons.embedding", {"embed_patterns"}),
        ("pretraining.masking", {"pretrain"}),
        ("pretraining.log_mel", {"extract_log_mel"}),
        ("probing.linear", {"probe_layers"}),
        ("pruning.criteria", {"prune_model", "erase_groups"}),
        ("tasks.metrics", {"score_task"}),
        ("corpus.pitch", {"build_frames"}),
        ("jobs.locks", set()),
        ("jobs.log", set()),
        ("stores.zarr", set()),
        ("stores.files", set()),
        ("corpus.audio", set()),
        ("corpus.recordings", set()),
        ("training.checkpoints", set()),
        ("plan.tasks", set()),
    ],
)
def test_an_edit_changes_the_fingerprints_of_these_rules(edited, roots, module, rules):
    assert edited(module, roots) == rules


@pytest.mark.parametrize("module", ["tasks.intervals", "figures.style", "figures.fig9", "pruning.report"])
def test_an_edit_of_intervals_or_figures_runs_no_model(edited, roots, module):
    assert edited(module, roots)
    assert not edited(module, roots) & MODEL_RULES


def test_an_edit_of_a_model_runs_every_rule_that_loads_one(edited, roots):
    assert edited("models.melhubert.modeling", roots) == MODEL_RULES - {"extract_log_mel"}


def test_a_version_makes_an_edit_outside_count(edited, roots):
    assert edited("stores.files", roots, "RESULT_VERSION = 2") >= TRAININGS
    assert edited("corpus.audio", roots, "RESULT_VERSION = 2") >= {"rank_neurons", "extract_log_mel", "scan"}


def test_scripts_use_nothing_that_can_change_a_result_beside_what_is_covered(roots):
    """Or the code that a script imports could change, and its rule would not run again."""
    # The last reads and writes a list.
    without = (*OUTSIDE, *SETTINGS, "corpus.shards")
    found = {}
    for rule, modules in roots.items():
        beside = imported(ROOT / "workflow/scripts" / f"{script_of(rule)}.py") - set(covered_modules(*modules))
        beside -= {module for module in beside for name in without if f"{module}.".startswith(f"{name}.")}
        if beside:
            found[rule] = beside
    assert found == BESIDE


def script_of(rule):
    return "draw_figure" if rule.startswith("draw_") else SCRIPTS.get(rule, rule)


SCRIPTS = {"scan": "scan_subset", "compare_training_selectors": "compare_selectors"}
# Ranks of the middle frames of segments cover it; those of all frames, as in the config read here, do not need it.
BESIDE = {"rank_neurons": {"counting.sampling"}}


def imported(script):
    """The modules of the package that a script imports, at the top or inside functions."""
    found = set()
    for node in ast.walk(ast.parse(script.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("property_neurons"):
            base = node.module.removeprefix("property_neurons").removeprefix(".")
            for alias in node.names:
                whole = f"{base}.{alias.name}".removeprefix(".")
                is_module = (PACKAGE / f"{whole.replace('.', '/')}.py").is_file() or (PACKAGE / whole).is_dir()
                found.add(whole if is_module else base)
    return found


PACKAGE = Path(property_neurons.__file__).parent


@pytest.fixture(scope="module")
def edited(tmp_path_factory):
    """A function: the rules whose fingerprint an added line changes."""
    root = tmp_path_factory.mktemp("copy") / "property_neurons"
    shutil.copytree(PACKAGE, root, ignore=shutil.ignore_patterns("__pycache__"))

    def fingerprints(roots):
        fingerprint._package.cache_clear()
        return {rule: code_fingerprint(*modules, root=root) for rule, modules in roots.items()}

    def edit(module, roots, line="ADDED = 1"):
        before = fingerprints(roots)
        file = root / f"{module.replace('.', '/')}.py"
        text = file.read_text()
        file.write_text(f"{text}\n{line}\n")
        after = fingerprints(roots)
        file.write_text(text)
        return {rule for rule in roots if after[rule] != before[rule]}

    with pytest.MonkeyPatch.context() as patch:
        # What was found in unchanged files is kept, or each edit takes a second.
        patch.setattr(sys, "dont_write_bytecode", False)
        yield edit


def test_the_table_in_the_docs_is_that_of_the_code(roots):
    text = (ROOT / "docs/development.md").read_text()
    (table,) = re.findall(r"<!-- what re-runs -->\n(.*?)\n<!-- end -->", text, re.DOTALL)
    assert table == rerun_table(roots), "run python -m property_neurons.jobs.what_reruns"
