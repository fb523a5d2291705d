"""What is refused of tasks, splits, studies and trainings, each with its key, what was found and what would do."""

import copy

import pytest

from property_neurons import plan
from property_neurons.config.load import load_config
from property_neurons.errors import ConfigError

STAGE = {"steps": 10, "log_every": 1, "save_every": 5}
PACE = {"log_every": 100, "save_every": 250}
THREE = "expected corpora of its own for each part, found train"
PR, SID, F0 = (f"tasks.{name}" for name in ("pr", "sid", "f0"))


def content():
    """A config with every kind of task and split, and both studies."""
    pr = {"kind": "phone_recognition", "split": "unseen"}
    librispeech = {"kind": "librispeech", "root": "L", "subsets": ["dev"], "alignments": {"kind": "pocketsphinx"}}
    return {
        "corpora": {
            "demo": {"kind": "demo"},
            "libri": librispeech,
            "other": librispeech | {"subsets": ["other"]},
            "vox": {"kind": "voxceleb1", "root": "V"},
        },
        "models": {"mini": {"kind": "shipped", "name": "melhubert-mini"}},
        "splits": {
            "unseen": {"by": "speaker", "corpus": "demo"},
            "seen": {"by": "utterance", "corpus": "demo"},
            "parts": {"by": "corpus", "train": "libri", "dev": "other", "test": "demo"},
            "official": {"by": "official", "corpus": "vox"},
        },
        "tasks": {
            "pr": pr,
            "pr-tuned": pr | {"mode": "fine_tuned"},
            "sid": {"kind": "speaker_identification", "split": "official"},
            "f0": {"kind": "f0_reconstruction", "split": "parts"},
        },
        "pretraining": {"own": {"corpus": "libri", "stages": [STAGE]}},
        "pruning": {
            "general": {
                "model": "mini",
                "corpus": "demo",
                "fine_tuning": {"corpus": "libri", "stage": STAGE},
                "tasks": ["pr"],
            },
            "task_specific": {
                "model": "mini",
                "corpus": "demo",
                "rows": [100, 50],
                "tasks": {"pr-tuned": {"properties": ["phone"], "steps": 10}},
            },
        },
        "figures": {"corpus": "demo", "model": "mini"},
    }


def changed(path, value):
    """`content` with one entry, named as in messages, set to another value."""
    whole = content()
    *keys, last = path.split(".")
    section = whole
    for key in keys:
        section = section[key]
    section[last] = copy.deepcopy(value)
    return whole


def problems(whole):
    """The lines of the message that refuses a config."""
    with pytest.raises(ConfigError) as caught:
        load_config(whole)
    return [line.removeprefix("  - ") for line in str(caught.value).splitlines()[1:-1]]


def test_what_the_others_change_is_a_valid_config():
    assert set(load_config(content()).tasks) == {"pr", "pr-tuned", "sid", "f0", "pr-tuned-after-cut"}


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (f"{PR}.split", "seen", f"{PR}.split: 'seen' tests on speakers that were trained on; divide by speaker or"),
        (f"{F0}.split", "seen", f"{F0}.split: 'seen' tests on speakers that were trained on; divide by speaker or"),
        (f"{PR}.split", "official", f"{PR}.split: 'official' tests on speakers that were trained on"),
        (f"{SID}.split", "unseen", f"{SID}.split: 'unseen' tests on speakers that were not trained on; divide by utt"),
        (f"{SID}.split", "parts", f"{SID}.split: 'parts' tests on speakers that were not trained on; divide by utt"),
        ("splits.parts.dev", "libri", f"splits.parts: {THREE} 'libri', dev 'libri', test 'demo'; name others"),
        ("splits.parts.test", "libri", f"splits.parts: {THREE} 'libri', dev 'other', test 'libri'; name others"),
        ("splits.parts.test", ["other", "demo"], f"splits.parts: {THREE} 'libri', dev 'other', test ['other', 'demo']"),
        ("splits.seen.corpus", ["demo", "dev"], "splits.seen: 'dev' is not defined; defined are demo, libri, other"),
        ("splits.seen.corpus", ["demo", "demo"], "splits.seen.corpus: expected each once, found demo, demo"),
        ("splits.seen.test", 2.5, "splits.seen.test: expected a share below 1 or a whole number of utterances, found"),
        ("splits.unseen.test", 5, "splits.unseen.test: "),
        ("tasks.pr-tuned.layers", "last", "tasks.pr-tuned: layers: last is for the head of a frozen model; that of a"),
        (f"{SID}.test_clips", 4, f"{SID}: test_clips (4) need test_seconds; set it, or leave test_clips out"),
        ("splits.official.corpus", "libri", f"{SID}.split: 'official': `by: official` goes with a corpus of kind vox"),
        ("splits.parts.train", "vox", f"{F0}.split: 'parts': `by: official` goes with a corpus of kind voxceleb1"),
        (f"{PR}.split", "none", f"{PR}.split: 'none' is not defined; defined are unseen, seen, parts, official"),
        ("splits.parts.dev", "dev", "splits.parts: 'dev' is not defined; defined are demo, libri, other, vox"),
        ("splits.seen.corpus", "dev", "splits.seen: 'dev' is not defined; defined are demo, libri, other, vox"),
        ("corpora.libri.pitch", {"method": "none"}, f"{F0}.split: 'parts': pitch.method none or bins gives no F0; ch"),
        (
            "corpora.libri.pitch",
            {"method": "bins", "path": "p"},
            f"{F0}.split: 'parts': pitch.method none or bins gives no F0; choose yaapt, praat or pyin",
        ),
        (
            "models.tuned",
            {"kind": "tuned", "of": "mini", "task": "pr"},
            "models.tuned.task: 'pr' leaves the model as it is; set mode: fine_tuned",
        ),
        (
            "models.tuned",
            {"kind": "tuned", "of": "absent", "task": "pr-tuned"},
            "models.tuned.of: 'absent' is not defined; defined are mini, tuned",
        ),
        (
            "models.tuned",
            {"kind": "tuned", "of": "mini", "task": "asr"},
            "models.tuned.task: 'asr' is not defined; defined are pr, pr-tuned, sid, f0",
        ),
        (
            "models.tuned",
            {"kind": "tuned", "of": "tuned", "task": "pr-tuned"},
            "models.tuned.of: leads back to 'tuned' itself; name another model",
        ),
        (
            "models.cut",
            {"kind": "pruned", "of": "mini", "keep": 0.5, "rows": 10},
            "models.cut: either `keep` (a share) or `rows` (a number), not both",
        ),
        (
            "models.cut",
            {"kind": "pruned", "of": "mini", "corpus": "vox"},
            "models.cut.corpus: 'vox' (voxceleb1) has no phone alignments; it serves speaker identification alone",
        ),
        ("figures.corpus", "vox", "figures.corpus: 'vox' (voxceleb1) has no phone alignments"),
        ("pretraining.own.corpus", "vox", "pretraining.own.corpus: 'vox' (voxceleb1) has no phone alignments"),
    ],
)
def test_what_does_not_go_together_is_refused_by_its_key(path, value, expected):
    (line,) = problems(changed(path, value))
    assert line.startswith(expected)


PITCH = content()["pruning"]["general"] | {"arms": ["frequency"], "properties": ["pitch"]}


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("general.model", "absent", "pruning.general.model: 'absent' is not defined; defined are mini"),
        ("general.corpus", "absent", "pruning.general.corpus: 'absent' is not defined; defined are demo, libri"),
        ("general.corpus", "vox", "pruning.general.corpus: 'vox' (voxceleb1) has no phone alignments"),
        ("general.properties", ["click"], "pruning.general.properties: 'click' is not defined; defined are phone,"),
        ("general.tasks", ["asr"], "pruning.general.tasks: 'asr' is not defined; defined are pr, pr-tuned, sid, f0"),
        ("general.tasks", ["pr", "pr"], "pruning.general.tasks: expected each once, found pr, pr; leave out"),
        ("general.fine_tuning.corpus", "vox", "pruning.general.fine_tuning.corpus: 'vox' (voxceleb1) has no phone ali"),
        ("general.fine_tuning.corpus", "absent", "pruning.general.fine_tuning.corpus: 'absent' is not defined"),
        (
            "general.fine_tuning.gpus",
            3,
            "pruning.general.fine_tuning: stage: batch_size (32) must be a multiple of accumulation x gpus (1 x 3)",
        ),
        (
            "general.rows",
            [300, 500],
            "pruning.general.rows: numbers of neurons that fall from step to step, at least 1,",
        ),
        ("general.rows", [300, 300], "pruning.general.rows: numbers of neurons that fall from step to step"),
        ("general.seeds", [1, 1], "pruning.general.seeds: expected each once, found 1, 1"),
        ("general.seeds", [-1], "pruning.general.seeds.0: input should be greater than or equal to 0"),
        ("general.arms", ["norm", "norm"], "pruning.general.arms: expected each once, found norm, norm"),
        (
            "general",
            PITCH,
            "pruning.general.properties: activation frequencies need one that counts every frame, found pitch",
        ),
        (
            "task_specific",
            {
                "model": "mini",
                "corpus": "demo",
                "rows": [100],
                "arms": ["norm", "frequency"],
                "tasks": {"pr-tuned": {"properties": ["pitch"], "steps": 10}},
            },
            "pruning.task_specific.tasks.pr-tuned.properties: activation frequencies need one that counts",
        ),
        ("task_specific.rows", [100, 0], "pruning.task_specific.rows: numbers of neurons that fall from step to step"),
        ("task_specific.corpus", "vox", "pruning.task_specific.corpus: 'vox' (voxceleb1) has no phone alignments"),
        ("task_specific.model", "absent", "pruning.task_specific.model: 'absent' is not defined"),
        (
            "task_specific.tasks",
            {"pr": {"properties": ["phone"], "steps": 10}},
            "pruning.task_specific.tasks.pr: pruning steps go with fine-tuning; set mode: fine_tuned in the task",
        ),
        (
            "task_specific.tasks",
            {"pr-tuned": {"properties": ["click"], "steps": 10}},
            "pruning.task_specific.tasks.pr-tuned.properties: 'click' is not defined",
        ),
    ],
)
def test_what_a_study_cannot_do_is_refused_by_its_key(path, value, expected):
    (line,) = problems(changed(f"pruning.{path}", value))
    assert line.startswith(expected)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"seed": 1}, "seed"),
        ({"initial": "previous"}, "initial"),
        ({"initial": {"model": "mini"}, "seed": 0}, "initial, seed"),
        ({"targets_of": "own"}, "targets_of"),
        ({"targets": {"layer": 1, "model": "mini"}}, "targets.model"),
    ],
)
def test_what_the_study_sets_itself_is_left_out(given, named):
    (line,) = problems(changed("pruning.general.fine_tuning.stage", STAGE | given))
    assert line == f"pruning.general.fine_tuning: stage: leave out {named}: the study sets it"


@pytest.mark.parametrize(
    ("pace", "expected"),
    [
        ({"evaluate_every": 100, "save_every": 150}, "save_every (150) must be a multiple of evaluate_every (100)"),
        ({"evaluate_every": 250, "save_every": 500}, "evaluate_every (250) must be a multiple of log_every (100)"),
        (
            {"batch_size": 32, "accumulation": 5},
            "batch_size (32) must be a multiple of accumulation x gpus (5 x 1); change one of them",
        ),
    ],
)
def test_intervals_and_batches_of_a_task_are_whole(pace, expected):
    task = content()["tasks"]["pr"]
    assert problems(changed("tasks.pr", task | pace)) == [f"tasks.pr: {expected}"]


@pytest.mark.parametrize(
    ("path", "section"),
    [
        ("pretraining.own", {"stages": [STAGE | PACE]}),
        ("models.recovered", {"kind": "distilled", "of": "mini", "teacher": "mini", "steps": 10} | PACE),
    ],
)
def test_points_of_a_training_without_labels_are_whole(path, section):
    (line,) = problems(changed(path, section | {"corpus": "libri"}))
    assert line.startswith(path)
    assert "save_every (250) must be a multiple of log_every (100): a resumed training begins a new point" in line


def test_parts_of_a_split_leave_some_to_train_on():
    split = {"by": "speaker", "corpus": "demo", "dev": 0.5, "test": 0.5}
    (line,) = problems(changed("splits.unseen", split))
    assert line == "splits.unseen: dev (0.5) and test (0.5) leave nothing to train on; lower one of them"


FIRST = {**STAGE, "initial": {"model": "mini"}}


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (
            {"architecture": {"hidden_size": 768}, "stages": [FIRST]},
            "architecture: leave it out; it is that of the model 'mini'",
        ),
        (
            {"stages": [STAGE | {"targets": {"model": "mini"}}]},
            "stages: targets.model of stage 1 needs targets.layer",
        ),
        (
            {"stages": [STAGE | {"initial": "previous"}]},
            "stages: the first has none before it; leave out `initial`",
        ),
        (
            {"stages": [FIRST, STAGE]},
            "stages: the run starts from 'mini', so stage 2 must go on: set initial: previous",
        ),
        (
            {"stages": [STAGE, FIRST]},
            "stages: only the first can start from a model of the config",
        ),
        (
            {"stages": [STAGE | {"targets": {"layer": 1}}]},
            "stages: the first has none before it; leave out `targets.layer`, or name `targets.model`",
        ),
        (
            {"stages": [STAGE, STAGE | {"targets": {"layer": 13}}]},
            "stages: targets.layer 13 of stage 2 is above the model's 12 layers",
        ),
        (
            {"stages": [STAGE | {"targets_of": "other", "targets": {"clusters": 500}}]},
            "stages: targets of stage 1 are those of 'other' (targets_of); leave out `targets`, or `targets_of`",
        ),
        (
            {"stages": [STAGE | {"accumulation": 5}]},
            "stages: of stage 1, batch_size (32) must be a multiple of accumulation x gpus (5 x 1); change one of them",
        ),
    ],
)
def test_stages_that_do_not_follow_are_refused(run, expected):
    assert problems(changed("pretraining.own", run | {"corpus": "libri"})) == [f"pretraining.own: {expected}"]


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        ({"initial": {"model": "absent"}}, "initial.model: 'absent' is not defined; defined are mini"),
        ({"targets": {"layer": 1, "model": "absent"}}, "targets.model: 'absent' is not defined; defined are mini"),
        ({"targets_of": "absent"}, "targets_of: 'absent' is not defined; defined are own"),
    ],
)
def test_a_stage_names_what_is_there(stage, expected):
    assert problems(changed("pretraining.own.stages", [STAGE | stage])) == [f"pretraining.own.stages.{expected}"]


@pytest.mark.parametrize(
    ("stages", "other", "expected"),
    [
        ([STAGE | {"targets_of": "own"}], {}, "'own' is this run itself; name another, or leave it out"),
        (
            [STAGE, STAGE | {"targets_of": "other"}],
            {},
            "expected a stage 2 of 'other', found 1 stages; name a run with as many",
        ),
        (
            [STAGE | {"targets_of": "other"}],
            {"stages": [STAGE | {"targets_of": "third"}]},
            "stage 1 of 'other' takes over the targets of 'third'; name the run that makes them",
        ),
        (
            [STAGE | {"targets_of": "other"}],
            {"corpus": "demo"},
            "expected a run on 'libri', found 'other' on 'demo'; name one on it",
        ),
    ],
)
def test_targets_are_taken_over_from_a_run_that_makes_them(stages, other, expected):
    whole = changed("pretraining.own.stages", stages)
    plain = {"corpus": "libri", "stages": [STAGE]}
    whole["pretraining"] |= {"other": plain | other, "third": plain}
    assert problems(whole) == [f"pretraining.own.stages.targets_of: {expected}"]


def test_runs_that_take_over_the_targets_of_each_other_are_refused():
    whole = changed("pretraining.own.stages", [STAGE | {"targets_of": "other"}])
    whole["pretraining"]["other"] = {"corpus": "libri", "stages": [STAGE | {"targets_of": "own"}]}
    assert [line.split(":")[0] for line in problems(whole)] == [
        "pretraining.own.stages.targets_of",
        "pretraining.other.stages.targets_of",
    ]


def test_targets_of_a_longer_run_may_be_taken_over():
    whole = changed("pretraining.own.stages", [STAGE | {"targets_of": "other"}])
    whole["pretraining"]["other"] = {"corpus": "libri", "stages": [STAGE, STAGE]}
    assert load_config(whole).pretraining["own"].stages[0].targets_of == "other"


def circle(stages, **models):
    """A config whose model `new` is the last stage of the run `own`; `models` are added."""
    whole = changed("pretraining.own.stages", stages)
    whole["models"] |= {"new": {"kind": "pretrained", "run": "own"}} | models
    return whole


BACK = "models.new.run: pretraining.own leads back to 'new' itself; start that run from, or take its targets from, ano"


@pytest.mark.parametrize(
    "stages",
    [
        [STAGE | {"initial": {"model": "new"}}],
        [STAGE | {"targets": {"layer": 1, "model": "new"}}],
        [STAGE | {"initial": {"model": "new"}}, STAGE | {"initial": "previous"}],
        [STAGE | {"targets": {"layer": 1, "model": "new"}}, STAGE | {"targets": {"layer": 1}}],
    ],
)
def test_a_run_that_leads_back_to_its_own_model_is_refused(stages):
    (line,) = problems(circle(stages))
    assert line.startswith(BACK)


@pytest.mark.parametrize(
    "between",
    [
        {"kind": "pruned", "of": "new", "keep": 0.5},
        {"kind": "random_twin", "of": "new"},
        {"kind": "tuned", "of": "new", "task": "pr-tuned"},
    ],
)
def test_both_ends_of_a_circle_are_named(between):
    lines = problems(circle([STAGE | {"initial": {"model": "between"}}], between=between))
    assert sorted(line.split(";")[0] for line in lines) == [
        "models.between.of: leads back to 'between' itself",
        "models.new.run: pretraining.own leads back to 'new' itself",
    ]


def test_a_circle_is_found_by_way_of_the_targets_of_another_run():
    whole = circle([STAGE | {"targets_of": "other"}])
    whole["pretraining"]["other"] = {"corpus": "libri", "stages": [STAGE | {"targets": {"layer": 1, "model": "new"}}]}
    (line,) = problems(whole)
    assert line.startswith(BACK)


def test_an_earlier_stage_may_serve_a_later_one():
    """By way of a model of the config, which is no circle."""
    stages = [STAGE, STAGE | {"targets": {"layer": 1, "model": "first"}, "initial": "previous"}]
    config = load_config(circle(stages, first={"kind": "pretrained", "run": "own", "stage": 1}))
    assert config.models["first"].stage == 1


def test_a_stage_goes_on_from_a_model_of_the_config():
    config = load_config(changed("pretraining.own.stages", [FIRST, STAGE | {"initial": "previous"}]))
    assert config.pretraining["own"].starts_from == "mini"


def test_a_result_depends_on_what_bears_on_it_alone():
    before = load_config(content())
    still = {"workers": 3, "save_every": 4000, "precompute": True}
    assert set(plan.tasks.settings(before, "f0")) & set(still) == set()
    for changes, same in ((still, True), ({"steps": 7}, False), ({"learning_rate": 0.5}, False)):
        after = load_config(changed("tasks.f0", content()["tasks"]["f0"] | changes))
        assert (plan.tasks.settings(before, "f0") == plan.tasks.settings(after, "f0")) == same
    after = load_config(changed("tasks.f0", content()["tasks"]["f0"] | still))
    assert plan.tasks.running_settings(after, "f0") == {"workers": 3, "save_every": 4000}


def test_tasks_that_differ_in_training_alone_share_their_data():
    whole = content()
    pr = whole["tasks"]["pr"]
    whole["tasks"] |= {
        "slow": pr | {"steps": 7, "learning_rate": 0.5, "mode": "fine_tuned"},
        "stressed": pr | {"lexicon": "lexicon.txt"},
        "elsewhere": pr | {"split": "parts"},
    }
    config = load_config(whole)
    data = {name: plan.tasks.data_name(config, name) for name in config.tasks}
    shared = {data[name] for name in ("pr", "pr-tuned", "slow", "pr-tuned-after-cut")}
    assert len(shared) == 1
    others = {data[name] for name in ("stressed", "elsewhere", "sid", "f0")}
    assert len(others - shared) == 4
    assert data["stressed"].startswith(data["pr"])
    first_of = plan.tasks.data_names(config)
    assert {first_of[name] for name in data.values()} == {"pr", "stressed", "elsewhere", "sid", "f0"}
    # A task in front of the others, which shares their data, moves nothing.
    first = load_config(whole | {"tasks": {"new": pr} | whole["tasks"]})
    assert {name: plan.tasks.data_name(first, name) for name in data} == data
    settings = [plan.tasks.data_settings(config, name) for name in ("pr", "slow", "stressed", "elsewhere")]
    assert settings[0] == settings[1]
    assert settings[0] != settings[2]
    assert settings[0] != settings[3]


def test_references_come_from_alignments_frames_or_nowhere():
    config = load_config(changed("tasks.stressed", content()["tasks"]["pr"] | {"lexicon": "lexicon.txt"}))
    assert plan.tasks.references(config, "pr") == ["results/corpora/demo/subsets/demo/tables.manifest.json"]
    assert plan.tasks.references(config, "f0")[:2] == [
        "results/corpora/libri/frames/dev-000.manifest.json",
        "results/corpora/other/frames/other-000.manifest.json",
    ]
    assert plan.tasks.references(config, "sid") == plan.tasks.references(config, "stressed") == []
    assert plan.tasks.corpora_of(config, "f0") == ["libri", "other", "demo"]


def test_states_are_stored_where_a_frozen_task_asks_for_them():
    whole = content()
    for name in ("pr-tuned", "f0"):
        whole["tasks"][name]["precompute"] = True
    config = load_config(whole)
    assert plan.tasks.stored_states(config, "f0", "mini") == [
        "results/states/mini/libri",
        "results/states/mini/other",
        "results/states/mini/demo",
    ]
    assert plan.tasks.stored_states(config, "pr-tuned", "mini") == plan.tasks.stored_states(config, "pr", "mini") == []
