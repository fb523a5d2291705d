"""What a config may ask of erasure studies and edited models, and what they stand for."""

import copy

import pytest

from property_neurons import plan
from property_neurons.config.load import load_config
from property_neurons.errors import ConfigError

TUNED = {"mode": "fine_tuned", "steps": 10}
CONFIG = {
    "corpora": {"demo": {"kind": "demo"}},
    "models": {
        "mini": {"kind": "shipped", "name": "melhubert-mini"},
        "no-female": {"kind": "edited", "of": "sid-mini-s0", "property": "gender", "groups": ["F"]},
        "sid-mini-s0": {"kind": "tuned", "of": "mini", "task": "sid"},
    },
    "splits": {
        "unseen": {"by": "speaker", "corpus": "demo"},
        "seen": {"by": "utterance", "corpus": "demo"},
    },
    "tasks": {
        "sid": TUNED | {"kind": "speaker_identification", "split": "seen"},
        "pr": TUNED | {"kind": "phone_recognition", "split": "unseen"},
        "probe": {"kind": "phone_recognition", "split": "unseen", "steps": 10},
    },
    "erasure": {
        "table1": {"model": "mini", "task": "sid", "corpus": "demo", "property": "gender", "seeds": [0, 1]},
        "phones": {"model": "mini", "task": "pr", "corpus": "demo", "property": "phone", "groups": ["vowel"]},
    },
    "figures": {"corpus": "demo", "model": "mini"},
}
WITH_SELECTORS = {"selectors": ["entropy", "contrast"]}


def changed(path, value):
    content = copy.deepcopy(CONFIG)
    *keys, last = path.split(".")
    section = content
    for key in keys:
        section = section[key]
    section[last] = value
    return content


def test_a_study_stands_for_tuned_models():
    config = load_config(CONFIG)
    # The one that the config names already is not made twice.
    assert plan.erasure.model(config, "table1", 0) == "sid-mini-s0"
    assert plan.erasure.model(config, "table1", 1) == "sid-mini-s1"
    assert plan.erasure.model(config, "phones", 0) == "pr-mini-s0"
    assert config.models["pr-mini-s0"].of == "mini"
    # They are not drawn in Figure 5.
    assert config.figures.compare == list(CONFIG["models"])
    assert plan.erasure.training(config, "table1", 1) == "results/tasks/sid/mini/seed1"


def test_sets_are_found_on_the_training_part_where_no_corpus_is_named():
    config = load_config(CONFIG)
    assert plan.erasure.counts(config, "table1", 1) == "results/counts/sid-mini-s1/demo/gender"
    assert plan.erasure.found_where(config, "table1") == "demo"
    content = changed("erasure.table1.corpus", None)
    content["corpora"]["more"] = {"kind": "demo", "voices": 4, "minutes": 1}
    content["splits"]["seen"]["corpus"] = ["demo", "more"]
    config = load_config(content)
    assert plan.erasure.counts(config, "table1", 1) == "results/training_counts/sid-mini-s1/sid/gender"
    assert plan.erasure.found_on(config, "table1") == ["demo", "more"]
    assert plan.erasure.found_where(config, "table1") == "training part of sid"
    content["corpora"]["more"] = {"kind": "voxceleb1", "root": "V"}
    with pytest.raises(ConfigError, match=r"erasure.table1.corpus: 'more' \(voxceleb1\) has no phone alignments"):
        load_config(content)


def test_settings_hold_what_bears_on_the_result():
    settings = plan.erasure.settings(load_config(CONFIG), "table1")
    assert settings["sigmas"] == [0.8]
    assert settings["column"] == "gender"
    assert "factor" not in settings
    assert "percentile" not in settings
    clamped = plan.erasure.settings(load_config(changed("erasure.table1.action", "clamp")), "table1")
    assert clamped["percentile"] == 50
    config = load_config(CONFIG)
    assert plan.editing.settings(config, "no-female") == {"groups": ["F"], "action": "zero", "random": None}
    assert plan.editing.neuron_table(config, "no-female") == "results/neurons/sid-mini-s0/demo/gender.parquet"
    assert plan.editing.models(config) == ["no-female"]


def test_selectors_choose_by_the_counts_that_give_the_sets():
    content = changed("erasure.table1.selectors", WITH_SELECTORS["selectors"])
    content["erasure"]["phones"] |= WITH_SELECTORS | {"corpus": None, "sigmas": [0.8, 0.5]}
    config = load_config(content)
    assert plan.erasure.selected(config, "table1", 1) == "results/neurons/sid-mini-s1/demo/gender.selectors.parquet"
    training = "results/training_counts/pr-mini-s0/pr/phone"
    assert plan.erasure.counts(config, "phones", 0) == training
    assert plan.erasure.selected(config, "phones", 0) == f"{training}.selectors.parquet"
    assert plan.erasure.settings(config, "table1")["selectors"] == WITH_SELECTORS["selectors"]
    names = ["table1", "table1_dose", "table1_selectors"]
    assert plan.figures.erasures(config)[:3] == names
    assert plan.figures.erasures(load_config(CONFIG))[:3] == [*names[:2], "phones"]
    assert "selectors" not in plan.erasure.settings(load_config(CONFIG), "table1")
    with pytest.raises(ConfigError, match=r"erasure.table1.selectors: statistics.balance thins .* set balance: false"):
        load_config(content | {"statistics": {"balance": True}})


def test_selectors_of_values_read_the_speech_that_gives_the_sets():
    def corpora(content, model, corpus, task=None):
        return plan.selectors.corpora_of_values(load_config(content), model, corpus=corpus, task=task)

    content = changed("erasure.table1.selectors", ["entropy", "value_entropy"])
    assert corpora(content, "sid-mini-s1", "demo") == ["demo"]
    content["erasure"]["phones"] |= {"selectors": ["value_difference"], "corpus": None}
    content["corpora"]["more"] = {"kind": "demo", "voices": 4, "minutes": 1}
    content["splits"][content["tasks"]["pr"]["split"]]["corpus"] = ["demo", "more"]
    assert corpora(content, "pr-mini-s0", None, "pr") == ["demo", "more"]
    # Not on other speech, not for other models or selectors.
    assert corpora(content, "pr-mini-s0", "demo") == []
    assert corpora(content, "sid-mini-s1", None, "sid") == []
    assert corpora(content, "mini", "demo") == []
    assert corpora(changed("erasure.table1.selectors", ["entropy"]), "sid-mini-s1", "demo") == []


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (
            "erasure.table1.task",
            "probe",
            "erasure.table1.task: 'probe' leaves the model as it is; set mode",
        ),
        ("erasure.table1.task", "nothing", "erasure.table1.task: 'nothing' is not defined"),
        ("erasure.table1.model", "nobody", "erasure.table1.model: 'nobody' is not defined"),
        ("erasure.table1.property", "accent", "erasure.table1.property: 'accent' is not defined"),
        (
            "erasure.table1.property",
            "phone",
            "a property of label does not divide the errors of speaker",
        ),
        ("erasure.table1.property", "duration", "a property of duration does not divide"),
        # Phones are tested on speakers who were not trained on, of whom there are no sets.
        (
            "properties",
            {"phone": {"column": "speaker"}},
            "erasure.phones.property: a property of speaker does not divide the errors of phone_recognition; expected",
        ),
        ("erasure.table1.groups", ["female"], "erasure.table1.groups: female unknown; 'gender' has M, F"),
        ("erasure.table1.doses", [0.5, 0.25], "shares above 0 that rise to 1"),
        ("erasure.table1.doses", [0.5], "shares above 0 that rise to 1"),
        ("erasure.table1.sigmas", [0.8, 0.8], "distinct shares"),
        ("erasure.table1.selectors", ["lape"], "erasure.table1.selectors"),
        (
            "erasure.table1.selectors",
            ["entropy", "entropy"],
            "table1.selectors: expected each once, found entropy",
        ),
        ("erasure.table1", CONFIG["erasure"]["table1"] | WITH_SELECTORS | {"draws": 0}, "set draws to 1 or more"),
        (
            "erasure.table1",
            CONFIG["erasure"]["table1"] | WITH_SELECTORS | {"sigmas": [0.5, 0.8]},
            "erasure.table1.selectors: they choose as many neurons as there are at analysis.sigma (0.8); begin",
        ),
        ("erasure.table1.seeds", [1, 1], "erasure.table1.seeds: expected each once, found 1, 1"),
        ("erasure.table1.seeds", [-1], "erasure.table1.seeds.0: input should be greater than or equal to 0"),
        ("erasure.table1.factor", 0.2, "erasure.table1: factor belongs to `action: scale`, found `action: zero`"),
        ("erasure.table1.percentile", 90, "erasure.table1: percentile belongs to `action: clamp`, found"),
        ("models.no-female.factor", 0.2, "models.no-female: factor belongs to `action: scale`, found `action: zero`"),
        ("erasure", {"fig6": CONFIG["erasure"]["table1"]}, "erasure.fig6: another figure or table has this name"),
        ("erasure", {"x_cut": CONFIG["erasure"]["table1"]}, "erasure.x_cut: another figure or table has this name"),
        ("erasure", {"property": CONFIG["erasure"]["table1"]}, "erasure.property: another figure or table has this"),
        ("models.no-female.groups", ["X"], "models.no-female.groups: X unknown; 'gender' has M, F"),
        ("models.no-female.of", "no-female", "leads back to 'no-female' itself"),
        ("models.no-female.action", "clamp", "models.no-female.action"),
        ("models.no-female.property", "accent", "models.no-female.property: 'accent' is not defined"),
    ],
)
def test_contradictions_are_named_by_their_key(path, value, message):
    with pytest.raises(ConfigError) as error:
        load_config(changed(path, value))
    assert message in str(error.value)


def test_groups_with_names_that_tables_of_erasures_use_are_refused():
    content = copy.deepcopy(CONFIG)
    groups = {"vowel": ["AH"], "others": ["S", "T"]}
    content["properties"] = {"phone": {"column": "label", "groups": groups}}
    with pytest.raises(
        ConfigError, match=r"erasure\.phones\.property: .* call the utterances of several groups others"
    ):
        load_config(content | {"erasure": {"phones": content["erasure"]["phones"] | {"groups": None}}})
    assert load_config(content).erasure["phones"].groups == ["vowel"]


def test_studies_make_no_folders_that_differ_from_others_by_case_or_are_too_long():
    with pytest.raises(ConfigError, match=r"models\.PR-mini-s0: the studies use this name"):
        load_config(changed("models.PR-mini-s0", CONFIG["models"]["mini"]))
    content = copy.deepcopy(CONFIG)
    content["models"]["m" * 80] = CONFIG["models"]["mini"]
    content["tasks"]["t" * 80] = CONFIG["tasks"]["pr"]
    content["erasure"]["phones"] |= {"model": "m" * 80, "task": "t" * 80}
    with pytest.raises(ConfigError, match="a folder of 164 characters; shorten the names of its task and model"):
        load_config(content)


@pytest.mark.parametrize("name", ["Fig3", "fig3", "Probes", "x_DOSE", "x_selectors", "Stability"])
def test_figures_of_erasures_have_names_of_their_own(name):
    with pytest.raises(ConfigError, match=f"erasure.{name}: another figure or table has this name"):
        load_config(changed(f"erasure.{name}", CONFIG["erasure"]["table1"]))


def test_the_browser_shows_what_is_named_of_its_own_model():
    content = changed("browser", {"erasure": ["table1"], "derived": ["cut"]})
    content["models"]["cut"] = {"kind": "pruned", "of": "mini"}
    config = load_config(content)
    assert plan.browser.erasures(config, "mini") == ["results/tables/table1.tsv"]
    assert plan.browser.derived(config, "mini") == ["results/models/cut.manifest.json"]
    assert plan.browser.erasures(config, "cut") == plan.browser.derived(config, "cut") == []
    with pytest.raises(
        ConfigError, match=r"browser\.derived: expected a pruned or an edited model, found 'mini'; such are cut"
    ):
        load_config(content | {"browser": {"derived": ["mini"]}})
    with pytest.raises(ConfigError, match=r"browser\.erasure: 'tabel1' is not defined; defined are table1, phones"):
        load_config(content | {"browser": {"erasure": ["tabel1"]}})
