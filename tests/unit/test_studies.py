"""What the pruning studies stand for: models, trainings and tasks that anyone could have written down."""

import re
from pathlib import Path

import pytest
import yaml

from property_neurons import plan
from property_neurons.config.load import load_config
from property_neurons.config.models import PretrainedModel, PrunedModel, TunedModel
from property_neurons.config.pretraining import InitialModel
from property_neurons.errors import ConfigError

ROOT = Path(__file__).parents[2]
STAGE = {"targets": {"clusters": 8, "layer": 1}, "steps": 10, "log_every": 1, "save_every": 5}


def content(**changes):
    """A config with both studies; `changes` go into the general one."""
    general = {
        "model": "mini",
        "corpus": "demo",
        "arms": ["protect", "random"],
        "seeds": [0, 1],
        "fine_tuning": {"corpus": "demo", "stage": STAGE},
        "tasks": ["pr"],
    }
    specific = {
        "model": "mini",
        "corpus": "demo",
        "arms": ["norm"],
        "rows": [100, 50],
        "tasks": {"pr-tuned": {"properties": ["phone"], "steps": 7}},
    }
    task = {"kind": "phone_recognition", "split": "unseen"}
    return {
        "corpora": {"demo": {"kind": "demo"}},
        "models": {"mini": {"kind": "shipped", "name": "melhubert-mini"}},
        "splits": {"unseen": {"by": "speaker", "corpus": "demo"}},
        "tasks": {"pr": task, "pr-tuned": task | {"mode": "fine_tuned"}},
        "pruning": {"general": general | changes, "task_specific": specific},
        "figures": {"corpus": "demo", "model": "mini"},
    }


def test_a_seed_is_a_repetition_and_a_cut_without_chance_is_made_once():
    config = load_config(content())
    runs = [(run.arm, run.step, run.seed, run.model) for run in plan.pruning.runs(config, "general")]
    assert runs == [
        ("unpruned", 0, 0, "mini"),
        ("protect", 1, 0, "general-protect-s0-step1"),
        ("random", 1, 0, "general-random-s0-step1"),
        ("unpruned", 0, 1, "mini"),
        ("protect", 1, 1, "general-protect-s1-step1"),
        ("random", 1, 1, "general-random-s1-step1"),
    ]
    cuts = [name for name, model in config.models.items() if isinstance(model, PrunedModel) and "general" in name]
    assert cuts == ["general-protect-cut1", "general-random-s0-cut1", "general-random-s1-cut1"]


def test_the_one_cut_to_the_size_of_the_property_neurons_is_scored_before_its_recovery_too():
    config = load_config(content(cost_of_cut=True))
    runs = plan.pruning.runs(config, "general")
    scored = [(run.arm, run.step, run.seed, run.model) for run in runs if not run.recovered]
    assert scored == [
        ("protect", 1, 0, "general-protect-cut1"),
        ("random", 1, 0, "general-random-s0-cut1"),
        ("protect", 1, 1, "general-protect-cut1"),
        ("random", 1, 1, "general-random-s1-cut1"),
    ]
    assert all(config.models[run.model].rows is None for run in runs if not run.recovered)
    with_recovery = [(run.arm, run.seed, run.model) for run in runs if run.recovered and run.step]
    assert with_recovery == [(arm, seed, f"general-{arm}-s{seed}-step1") for arm, _, seed, _ in scored]


def test_all_arms_are_fine_tuned_on_the_targets_of_the_unpruned_model():
    config = load_config(content())
    run = "general-random-s1-step1"
    assert plan.pruning.recovery(config, "general", run) == f"results/checkpoints/{run}-stage1/metrics.json"
    assert plan.pruning.recovery(config, "general", "mini") is None
    assert plan.pretraining.initial_model(config, run, 1) == "results/models/general-random-s1-cut1"
    assert plan.pretraining.target_owner(config, run, 1) == "general-targets"
    assert plan.pretraining.clustered_model(config, "general-targets", 1) == "results/models/mini"
    assert plan.pretraining.architecture(config, run) is None
    assert plan.pretraining.training_settings(config, run, 1)["seed"] == 1
    assert plan.pretraining.trained_runs(config) == []


def test_a_further_cut_is_of_the_fine_tuned_model_and_of_its_own_property_neurons():
    config = load_config(content(rows=[500, 300], seeds=[0]))
    assert config.models["general-protect-s0-cut2"].of == "general-protect-s0-step1"
    assert plan.pruning.neuron_tables(config, "general-protect-s0-cut2")[0] == (
        "results/neurons/general-protect-s0-step1/demo/phone.parquet"
    )
    assert [run.step for run in plan.pruning.runs(config, "general")] == [0, 2, 2]


def test_a_task_goes_on_after_each_cut_with_the_head_it_had():
    config = load_config(content())
    runs = plan.pruning.runs(config, "task_specific")
    assert [(run.arm, run.step, run.trained, run.model) for run in runs] == [
        ("unpruned", 0, "pr-tuned", "mini"),
        ("norm", 1, "pr-tuned-after-cut", "task_specific-pr-tuned-norm-s0-cut1"),
        ("norm", 2, "pr-tuned-after-cut", "task_specific-pr-tuned-norm-s0-cut2"),
    ]
    assert plan.tasks.settings(config, "pr-tuned-after-cut")["steps"] == 7
    assert plan.tasks.initial_head(config, "pr-tuned", "mini") is None
    heads = [plan.tasks.initial_head(config, run.trained, run.model) for run in runs[1:]]
    assert heads == [
        "results/tasks/pr-tuned/mini/seed0",
        "results/tasks/pr-tuned-after-cut/task_specific-pr-tuned-norm-s0-cut1/seed0",
    ]
    assert plan.tasks.data(config, "pr-tuned-after-cut") == "results/tasks/data/phone_recognition-unseen"


@pytest.mark.parametrize(("warmup", "steps", "expected"), [(0, 7, 0), (100, 250, 25), (1000, 7, 7), (14, 100, 1)])
def test_the_warm_up_of_a_task_keeps_its_share_of_the_steps_after_a_cut(warmup, steps, expected):
    written = content()
    written["tasks"]["pr-tuned"] |= {"steps": 1000, "warmup_steps": warmup}
    written["pruning"]["task_specific"]["tasks"]["pr-tuned"]["steps"] = steps
    after = load_config(written).tasks["pr-tuned-after-cut"]
    assert (after.steps, after.warmup_steps) == (steps, expected)


@pytest.mark.parametrize(
    ("changes", "goes_on"),
    [
        ({"steps": 3, "learning_rate": 0.5}, True),
        ({"mode": "frozen"}, False),
        ({"split": "other"}, False),
        ({"lexicon": "lexicon.txt"}, False),
        ({"kind": "f0_reconstruction"}, False),
    ],
)
def test_a_head_is_carried_on_only_to_a_task_that_it_fits(changes, goes_on):
    written = content()
    written["splits"]["other"] = {"by": "speaker", "corpus": "demo", "seed": 1}
    written["tasks"]["next"] = written["tasks"]["pr-tuned"] | changes
    head = plan.tasks.initial_head(load_config(written), "next", "task_specific-pr-tuned-norm-s0-cut1")
    assert head == ("results/tasks/pr-tuned/mini/seed0" if goes_on else None)


def test_a_name_that_a_study_needs_is_refused():
    taken = content()
    taken["models"]["general-protect-cut1"] = {"kind": "random_twin", "of": "mini"}
    with pytest.raises(ConfigError, match=r"models\.general-protect-cut1: the studies use this name"):
        load_config(taken)


def test_two_studies_that_make_one_name_in_two_ways_are_refused():
    written = content()
    general, specific = written["pruning"]["general"], written["pruning"]["task_specific"]
    one = specific | {"arms": ["protect"]}
    distilled = {key: value for key, value in general.items() if key != "fine_tuning"}
    distilled |= {"distillation": {"corpus": "demo", "steps": 10}}
    written["pruning"]["studies"] = {"a": one, "a-pr-tuned": distilled}
    with pytest.raises(ConfigError, match=r"models\.a-pr-tuned-protect-s0-step1: two studies make this, each in its"):
        load_config(written)
    written["pruning"]["studies"] = {"a": one, "A": one}
    with pytest.raises(ConfigError, match=r"two studies make this, each in its own way \(one calls it a-pr-tuned"):
        load_config(written)
    # Trainings that several studies share are no contradiction.
    written["pruning"]["studies"] = {"a": one, "b": one}
    assert load_config(written).tasks["a-pr-tuned-after-cut"].steps == 7


def test_figures_go_on_comparing_the_models_of_the_config():
    assert load_config(content()).figures.compare == ["mini"]


@pytest.mark.parametrize(
    ("where", "value", "message"),
    [
        (("splits", "unseen", "by"), "utterance", "tests on speakers that were trained on"),
        (("tasks", "pr", "split"), "other", "'other' is not defined"),
        (("pruning", "task_specific", "rows"), [50, 100], "fall from step to step"),
        (("tasks", "pr-tuned", "mode"), "frozen", "pruning steps go with fine-tuning"),
        (("pruning", "general", "tasks"), ["nothing"], "'nothing' is not defined"),
    ],
)
def test_what_does_not_fit_together_is_refused(where, value, message):
    wrong = content()
    section = wrong
    for key in where[:-1]:
        section = section[key]
    section[where[-1]] = value
    with pytest.raises(ConfigError, match=message):
        load_config(wrong)


@pytest.mark.parametrize("name", ["config.yaml", "sample.yaml", "paper.yaml"])
def test_every_model_and_run_of_the_shipped_configs_resolves(name):
    config = load_config(yaml.safe_load((ROOT / "config" / name).read_text()))
    assert {run.arm for run in plan.pruning.runs(config, "general")} >= {
        "unpruned",
        "protect",
        "norm",
        "random_protect",
    }
    for run in [*plan.pruning.runs(config, "general"), *plan.pruning.runs(config, "task_specific")]:
        assert run.model in config.models
        assert plan.tasks.data(config, run.trained)
        for model in config.models:
            assert plan.models.source(config, model)


ARMS = ["protect", "norm", "random_protect", "random", "frequency"]


def cuts_since(config, model, start):
    """The rows of the cuts that lead from the model `start` to another one of a study, the first first."""
    rows = []
    while model != start:
        section = config.models[model]
        if isinstance(section, PrunedModel):
            rows.insert(0, section.rows)
        model = config.pretraining[section.run].starts_from if isinstance(section, PretrainedModel) else section.of
    return rows


def missing_names(config):
    """What the sections and runs of a config refer to and is not there."""
    wanted = []
    for model in config.models.values():
        if isinstance(model, PrunedModel):
            wanted += [(model.of, config.models), (model.corpus or config.figures.corpus, config.corpora)]
            wanted += [(name, config.properties) for name in model.properties]
        elif isinstance(model, TunedModel):
            wanted += [(model.of, config.models), (model.task, config.tasks)]
        elif isinstance(model, PretrainedModel):
            wanted.append((model.run, config.pretraining))
    for run in config.pretraining.values():
        wanted.append((run.corpus, config.corpora))
        for stage in run.stages:
            initial = stage.initial.model if isinstance(stage.initial, InitialModel) else None
            wanted += [(initial, config.models), (stage.targets.model, config.models)]
            wanted.append((stage.targets_of, config.pretraining))
    for run in [*plan.pruning.runs(config, "general"), *plan.pruning.runs(config, "task_specific")]:
        wanted += [(run.model, config.models), (run.task, config.tasks), (run.trained, config.tasks)]
    return [name for name, known in wanted if name is not None and name not in known]


def test_a_figure_that_has_nothing_to_show_is_refused_before_any_job():
    config = load_config(yaml.safe_load((ROOT / "config/claims.yaml").read_text()))
    with pytest.raises(ConfigError, match=r"whisper-phones: .*found `steps: 0`.*figures/whisper-phones_cut\.pdf"):
        plan.pruning.runs_with_recovery(config, "whisper-phones")
    for study in ("whisper-phones-tuned", "whisper-distilled"):
        assert plan.pruning.runs_with_recovery(config, study).endswith(f"/pruning/{study}/runs.tsv")
    with pytest.raises(ConfigError, match=r"erasure\.table1-mini\.selectors: expected selectors .*name some"):
        plan.erasure.selector_table(config, "table1-mini")
    assert plan.erasure.selector_table(config, "gender-selectors").endswith("/erasure/gender-selectors/selectors.tsv")


def test_only_a_first_cut_that_draws_nothing_is_shared_by_seeds():
    config = load_config(content(arms=ARMS, rows=[500, 300]))
    of_general = {name: model for name, model in config.models.items() if name.startswith("general")}
    cuts = {name: model.seed for name, model in of_general.items() if isinstance(model, PrunedModel)}
    once = {f"general-{arm}-cut1": 0 for arm in ("protect", "norm", "frequency")}
    drawn = {f"general-{arm}-s{seed}-cut1": seed for arm in ("random_protect", "random") for seed in (0, 1)}
    later = {f"general-{arm}-s{seed}-cut2": seed if arm.startswith("random") else 0 for arm in ARMS for seed in (0, 1)}
    assert cuts == once | drawn | later
    runs = plan.pruning.runs(config, "general")
    assert [(run.seed, run.arm) for run in runs] == [(seed, arm) for seed in (0, 1) for arm in ["unpruned", *ARMS]]


def test_every_task_judges_every_model_of_the_general_study():
    plain = content(tasks=["f0", "pr"], seeds=[3])
    plain["tasks"]["f0"] = {"kind": "f0_reconstruction", "split": "unseen"}
    runs = plan.pruning.runs(load_config(plain), "general")
    assert [(run.arm, run.task, run.trained, run.seed) for run in runs] == [
        (arm, task, task, 3) for arm in ("unpruned", "protect", "random") for task in ("f0", "pr")
    ]


def test_a_cut_without_rows_has_the_size_of_the_property_neurons():
    general = content(match="global", bias=False, properties=["gender"], arms=["norm"])
    config = load_config(general)
    assert plan.pruning.settings(config, "general-norm-cut1") == {
        "criterion": "norm",
        "keep": None,
        "match": "global",
        "bias": False,
    }
    assert plan.pruning.neuron_tables(config, "general-norm-cut1") == ["results/neurons/mini/demo/gender.parquet"]
    config = load_config(content(arms=["norm"], rows=[500]))
    assert plan.pruning.settings(config, "general-norm-cut1")["rows"] == 500
    assert plan.pruning.neuron_tables(config, "general-norm-cut1") == []


def test_the_control_is_fine_tuned_like_the_cut_models():
    config = load_config(content(fine_tuned_control=True, seeds=[1]))
    runs = plan.pruning.runs(config, "general")
    assert [(run.arm, run.step) for run in runs] == [("unpruned", 0), ("fine_tuned", 0), ("protect", 1), ("random", 1)]
    control, protected = (config.pretraining[config.models[run.model].run] for run in runs[1:3])
    assert control.starts_from == "mini"
    assert protected.starts_from == "general-protect-cut1"
    alike = protected.stages[0].model_copy(update={"initial": control.stages[0].initial})
    assert control == protected.model_copy(update={"stages": [alike]})


def test_the_control_is_fine_tuned_as_often_as_the_cut_models():
    config = load_config(content(fine_tuned_control=True, seeds=[1], rows=[500, 300, 100]))
    model = next(run.model for run in plan.pruning.runs(config, "general") if run.arm == "fine_tuned")
    trained = []
    while model != "mini":
        trained.append(model)
        model = config.pretraining[config.models[model].run].starts_from
    assert trained == ["general-fine_tuned-s1-step3", "general-fine_tuned-s1-step2", "general-fine_tuned-s1"]


def test_calibration_speech_is_told_of_every_cut():
    config = load_config(content(arms=["wanda", "norm"], rows=[500]))
    assert plan.pruning.calibration_speech(config, "general") == "up to 128 utterances of demo"
    assert plan.pruning.calibration_speech(load_config(content(arms=["norm"], rows=[500])), "general") == ""


def test_targets_of_log_mel_frames_are_of_no_model():
    stage = {"targets": {"clusters": 8}, "steps": 10, "log_every": 1, "save_every": 5}
    config = load_config(content(fine_tuning={"corpus": "demo", "stage": stage}))
    assert plan.pretraining.clustered_model(config, "general-targets", 1) is None
    assert plan.pretraining.target_owner(config, "general-protect-s0-step1", 1) == "general-targets"
    assert plan.pretraining.target_owner(config, "general-targets", 1) == "general-targets"


def test_a_task_is_fine_tuned_and_cut_in_turn():
    specific = content()
    specific["pruning"]["task_specific"] |= {"arms": ["protect", "random"], "seeds": [2], "rows": [100, 50, 20]}
    config = load_config(specific)
    stem, between = "task_specific-pr-tuned", "pr-tuned-after-cut"
    chain = ["pr-tuned-mini-s2"]
    for step in (1, 2, 3):
        chain += [f"{stem}-random-s2-cut{step}", f"{stem}-random-s2-step{step}"]
    models = [config.models[name] for name in chain[:-1]]
    assert chain[-1] not in config.models
    assert [model.of for model in models] == ["mini", *chain[:-2]]
    assert [model.kind for model in models] == ["tuned", *["pruned", "tuned"] * 2, "pruned"]
    assert [model.task for model in models[::2][:1] + models[2::2]] == ["pr-tuned", between, between]
    assert {model.seed for model in models} == {2}
    assert [model.rows for model in models[1::2]] == [100, 50, 20]
    assert plan.models.source(config, f"{stem}-random-s2-step1")["path"] == (
        f"results/tasks/{between}/{stem}-random-s2-cut1/seed2/encoder"
    )
    assert plan.pruning.neuron_tables(config, f"{stem}-protect-s2-cut2") == [
        f"results/neurons/{stem}-protect-s2-step1/demo/phone.parquet"
    ]
    assert config.models[f"{stem}-protect-s2-cut1"].of == chain[0]


@pytest.mark.parametrize(
    ("changes", "sizes_of"),
    [
        ({"arms": ["random_protect", "protect"]}, None),
        ({"arms": ["random_protect", "protect"], "random": "size"}, "task_specific-pr-tuned-protect-s2-step1"),
        ({"arms": ["random_protect"], "random": "size"}, None),
        ({"arms": ["random_protect", "protect"], "match": "global", "random": "size"}, None),
    ],
)
def test_random_sets_are_as_large_as_those_that_are_protected_at_the_same_step(changes, sizes_of):
    specific = content()
    specific["pruning"]["task_specific"] |= {"seeds": [2], "rows": [100, 50]} | changes
    config = load_config(specific)
    first, second = (f"task_specific-pr-tuned-random_protect-s2-cut{step}" for step in (1, 2))
    assert config.models[first].sizes_of is plan.pruning.sizes_of(config, first) is None
    assert config.models[second].sizes_of == sizes_of
    assert plan.pruning.sizes_of(config, second) == (sizes_of and f"results/models/{sizes_of}")
    own = "task_specific-pr-tuned-random_protect-s2-step1"
    found_on = sizes_of or own
    matched = "random" not in changes
    assert plan.pruning.frequency_counts(config, second) == [f"results/counts/{own}/demo/phone.manifest.json"] * matched
    assert plan.pruning.neuron_tables(config, second)[0] == f"results/neurons/{found_on}/demo/phone.parquet"


def test_random_sets_of_a_general_study_follow_the_protected_model_too():
    config = load_config(content(arms=["protect", "random_protect", "norm"], random="size", rows=[100, 50]))
    cuts = {name: config.models[name].sizes_of for name in config.models if re.fullmatch("general-.*s0-cut2", name)}
    assert cuts == {
        "general-protect-s0-cut2": None,
        "general-random_protect-s0-cut2": "general-protect-s0-step1",
        "general-norm-s0-cut2": None,
    }


def test_the_fine_tuning_after_a_cut_has_whole_points_of_its_curve():
    specific = content()
    pace = {"log_every": 20, "evaluate_every": 100, "save_every": 200}
    specific["tasks"]["pr-tuned"] |= pace
    specific["pruning"]["task_specific"]["tasks"]["pr-tuned"]["steps"] = 150
    config = load_config(specific)
    after = config.tasks["pr-tuned-after-cut"]
    assert (after.steps, after.log_every, after.evaluate_every, after.save_every) == (150, 20, 20, 140)
    type(after).model_validate(after.model_dump())


def test_the_model_of_a_training_has_one_name_whatever_studies_need_it():
    several = content()
    specific = several["pruning"].pop("task_specific") | {"seeds": [0, 1]}
    erasure = {"model": "mini", "task": "pr-tuned", "property": "phone", "seeds": specific["seeds"]}
    names = set()
    for studies in ([], ["a"], ["b", "a"]):
        several["pruning"]["studies"] = dict.fromkeys(studies, specific)
        config = load_config(several | {"erasure": {"e": erasure}})
        names |= {plan.erasure.model(config, "e", seed) for seed in specific["seeds"]}
        assert sum(
            getattr(model, "of", "") == "mini" and model.kind == "tuned" for model in config.models.values()
        ) == len(specific["seeds"])
    assert names == {f"pr-tuned-mini-s{seed}" for seed in specific["seeds"]}


def test_a_model_of_the_users_own_is_the_one_that_is_cut():
    own = content()
    own["models"]["mine"] = {"kind": "tuned", "of": "mini", "task": "pr-tuned", "seed": 0}
    config = load_config(own)
    assert config.models["task_specific-pr-tuned-norm-s0-cut1"].of == "mine"
    assert "pr-tuned-mini-s0" not in config.models
    # Under the very name that the study would give it.
    own["models"]["pr-tuned-mini-s0"] = own["models"].pop("mine")
    assert load_config(own).models["task_specific-pr-tuned-norm-s0-cut1"].of == "pr-tuned-mini-s0"


def test_two_trainings_that_would_give_one_name_are_told():
    two = content()
    two["models"]["b-mini"] = two["models"]["mini"]
    two["tasks"]["pr-tuned-b"] = two["tasks"]["pr-tuned"]
    study = {"property": "phone", "seeds": [0]}
    two["erasure"] = {
        "one": study | {"model": "mini", "task": "pr-tuned-b"},
        "other": study | {"model": "b-mini", "task": "pr-tuned"},
    }
    with pytest.raises(ConfigError, match=r"pr-tuned on the model b-mini and the task pr-tuned-b on the model mini"):
        load_config(two)


@pytest.mark.parametrize(
    ("section", "name", "entry"),
    [
        ("models", "pr-tuned-mini-s0", {"kind": "folder", "path": "x"}),
        ("pretraining", "general-targets", {"corpus": "demo", "stages": [{"steps": 1}]}),
        ("tasks", "pr-tuned-after-cut", {"kind": "phone_recognition", "split": "unseen"}),
    ],
)
def test_a_taken_name_is_refused_in_every_section(section, name, entry):
    taken = content()
    taken[section] = taken.get(section, {}) | {name: entry}
    with pytest.raises(ConfigError, match=rf"{section}\.{name}: the studies use this name; choose another"):
        load_config(taken)


def test_runs_of_the_user_stay_apart_from_those_of_the_studies():
    own = content()
    own["pretraining"] = {name: {"corpus": "demo", "stages": [{"steps": 1}]} for name in ("own", "unused")}
    own["models"]["trained"] = {"kind": "pretrained", "run": "own"}
    own["figures"]["compare"] = ["trained"]
    config = load_config(own)
    assert plan.pretraining.trained_runs(config) == ["own"]
    assert config.figures.compare == ["trained"]
    assert set(config.pretraining) > {"own", "unused", "general-targets"}


@pytest.mark.parametrize("source", ["config.yaml", "sample.yaml", "paper.yaml", "both"])
def test_what_a_study_names_is_there_and_comes_from_the_model_it_cuts(source):
    written = content(rows=[500, 300], arms=ARMS, fine_tuned_control=True)
    config = load_config(written if source == "both" else yaml.safe_load((ROOT / "config" / source).read_text()))
    assert missing_names(config) == []
    for name in ("general", "task_specific"):
        study, runs = getattr(config.pruning, name), plan.pruning.runs(config, name)
        assert {run.arm for run in runs} >= {"unpruned", *study.arms}
        for run in runs:
            assert cuts_since(config, run.model, study.model) == (study.rows or [None])[: run.step]


@pytest.mark.parametrize("name", ["config.yaml", "sample.yaml", "paper.yaml"])
def test_every_input_of_the_shipped_studies_can_be_told(name):
    config = load_config(yaml.safe_load((ROOT / "config" / name).read_text()))
    for model in plan.pruning.models(config):
        assert plan.pruning.settings(config, model)["criterion"] == config.models[model].criterion
        assert plan.pruning.neuron_tables(config, model) or not config.models[model].needs_neurons
    for run in config.pretraining:
        assert plan.pretraining.target_owner(config, run, 1) in config.pretraining
        assert (plan.pretraining.initial_model(config, run, 1) is None) == (
            plan.pretraining.architecture(config, run) is not None
        )
        assert (
            plan.pretraining.training_settings(config, run, 1)["steps"] == plan.pretraining.stage(config, run, 1).steps
        )
    for task in config.tasks:
        assert plan.tasks.data_settings(config, task)["kind"] == config.tasks[task].kind
        assert set(plan.tasks.corpora_of(config, task)) <= set(config.corpora)
        assert (plan.tasks.references(config, task) == []) == (config.tasks[task].kind == "speaker_identification")
    for run in plan.pruning.runs(config, "task_specific"):
        head = plan.tasks.initial_head(config, run.trained, run.model)
        assert (head is None) == (run.step == 0)


def test_further_studies_have_names_figures_and_trainings_of_their_own():
    config = content()
    specific = config["pruning"]["task_specific"]
    before = specific | {"cost_of_cut": True, "tasks": {"pr-tuned": {"properties": ["phone"], "steps": 0}}}
    config["pruning"] = {"studies": {"before": before, "later": specific, "heads": config["pruning"]["general"]}}
    config = load_config(config)
    runs = {name: plan.pruning.runs(config, name) for name in config.pruning.by_name()}
    assert [run.trained for run in runs["before"]] == ["pr-tuned", "pr-tuned-at-cut", "pr-tuned-at-cut"]
    assert [run.trained for run in runs["later"]] == ["pr-tuned"] + ["later-pr-tuned-after-cut"] * 2
    assert config.tasks["later-pr-tuned-after-cut"].steps == 7
    # The unpruned model is trained once, and known to each by its own name.
    assert runs["before"][0].model == runs["later"][0].model == "mini"
    assert {run.study for own in runs.values() for run in own} == {"before", "later", "heads"}
    assert [plan.pruning.figure_name(*item) for item in config.pruning.by_name().items()] == list(runs)
    assert plan.pruning.figure_of(config.pruning.studies["heads"]) == "fig6"
    assert list(plan.pruning.cells(config, "heads")) == ["phone", "single_phone", "gender", "pitch"]


@pytest.mark.parametrize(
    ("name", "changes", "expected"),
    [
        ("fig9", {}, r"pruning\.studies\.fig9: another figure or study has this name"),
        ("phone", {}, r"pruning\.studies\.phone: another figure or study has this name"),
        ("x_cut", {}, r"pruning\.studies\.x_cut: another figure or study has this name"),
        ("stability", {}, r"pruning\.studies\.stability: another figure or study has this name"),
        ("erasure", {}, r"pruning\.studies\.erasure: another figure or study has this name"),
        ("mine", {"arms": ["taylor"]}, r"pruning\.studies\.mine\.arms: `taylor` needs the loss of a task"),
        ("mine", {"corpus": "none"}, r"pruning\.studies\.mine\.corpus: .*none"),
        ("mine", {"armss": ["norm"]}, r"pruning\.studies\.mine\.armss: unknown key; did you mean `arms`"),
    ],
)
def test_a_further_study_is_refused_by_its_key(name, changes, expected):
    config = content(**changes)
    config["pruning"] = {"studies": {name: config["pruning"]["general"]}}
    with pytest.raises(ConfigError, match=expected):
        load_config(config)
