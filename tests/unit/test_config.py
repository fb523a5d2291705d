"""The configuration: every error at once, each with its key; presets; the generated reference."""

import math
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

from property_neurons import plan
from property_neurons.config import reference
from property_neurons.config.load import check_written, load_config
from property_neurons.corpus.phone_sets import PHONE_SETS
from property_neurons.errors import ConfigError, StoreError

FOLDER = Path(__file__).resolve().parents[2] / "config"
MINIMAL = {
    "corpora": {"demo": {"kind": "demo"}},
    "models": {"tiny": {"kind": "folder", "path": "tiny"}},
    "figures": {"corpus": "demo", "model": "tiny"},
}

TEXTGRIDS = {"kind": "textgrid", "path": "aligned/{subset}"}
LIBRI = {"kind": "librispeech", "root": "L", "subsets": ["a"], "alignments": TEXTGRIDS}


def message(content):
    with pytest.raises(ConfigError) as caught:
        load_config(content)
    return str(caught.value)


@pytest.mark.parametrize("name", ["config.yaml", "sample.yaml", "claims.yaml", "melhubert-mini.yaml", "paper.yaml"])
def test_shipped_configs_are_valid_for_models_and_schema(name):
    content = yaml.safe_load((FOLDER / name).read_text())
    load_config(content)
    jsonschema.validate(content, yaml.safe_load((FOLDER / "schema.json").read_text()))


def test_schema_and_reference_are_in_step_with_the_models():
    remedy = "run: python -m property_neurons.config.reference config"
    assert (FOLDER / "schema.json").read_text() == reference.schema(), remedy
    readme = (FOLDER / "README.md").read_text()
    assert reference.with_tables(readme) == readme, remedy


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_numbers_are_finite(value):
    content = MINIMAL | {"analysis": {"sigma": value}}
    assert "analysis.sigma: " in message(content)
    erased = {"kind": "edited", "of": "tiny", "property": "gender", "groups": ["F"], "action": "scale", "factor": value}
    assert ".factor: " in message(MINIMAL | {"models": MINIMAL["models"] | {"edited": erased}})


def test_every_error_is_listed_with_its_key_and_the_nearest_known_one():
    text = message(
        {
            "corpora": {
                "demo": {"kind": "demo", "voyces": 3},
                "libri": {"kind": "librispeech", "root": "L", "subsets": ["a"], "alignments": {"kind": "textgrid"}},
                "what": {"kind": "timit"},
            },
            "models": {"tiny": {"kind": "folder", "path": "tiny"}},
            "figures": {"corpus": "demo", "model": "tiny"},
            "analysis": {"lamda": 0.01, "sigma": 3},
            "pruning": {"general": {"arm": ["norm"]}},
            "figurs": {},
        }
    )
    assert "10 problems" in text
    assert "pruning.general.arm: unknown key; did you mean `arms`?" in text
    assert "corpora.demo.voyces: unknown key; did you mean `voices`?" in text
    assert "corpora.libri.alignments.path: is required and missing" in text
    assert (
        "corpora.what.kind: expected one of 'librispeech', 'demo', 'voxceleb1', 'table', 'folder'; found 'timit'"
        in text
    )
    assert "analysis.lamda: unknown key; did you mean `lambda`?" in text
    assert "analysis.sigma" in text
    assert "found 3" in text
    assert "figurs: unknown key; did you mean `figures`?" in text


def test_contradictions_across_sections_are_all_listed():
    text = message(
        MINIMAL
        | {
            "models": {"twin": {"kind": "random_twin", "of": "nobody"}},
            "figures": {"corpus": "dem", "model": "twin", "control": "none"},
            "analysis": {"lambda": 0.1},
            "ranks": {"frames": "segment_mid"},
        }
    )
    assert "figures.corpus: 'dem' is not defined; defined are demo" in text
    assert "figures.control: 'none' is not defined" in text
    assert "models.twin.of: 'nobody' is not defined" in text
    assert "analysis.lambda: 0.1 is above ranks.lambda_max (0.02)" in text
    assert "analysis.frames: `every` needs ranks of every frame" in text


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ({"corpora": {"d": {"kind": "demo", "voices": 5}}}, "must be even"),
        ({"corpora": {"a/b": {"kind": "demo"}}}, "a/b"),
        ({"analysis": {"pitch_cuts": ["16000/0", 200]}}, "analysis.pitch_cuts.0: input should be a valid number"),
        ({"analysis": {"pitch_cuts": ["16000/85", "16000/120"]}}, "the lower first"),
        ({"analysis": {"pitch_cuts": [200, 100]}}, "the lower first"),
        ({"properties": {"p": {"column": "label", "groups": {"x": ["AH"], "y": ["AH"]}}}}, "phones in two groups: AH"),
        ({"properties": {"p": {"column": "label", "groups": {"x": ["AH", "XX"]}}}}, "unknown phones: XX"),
        ({"properties": {"p": {"column": "duration", "edges_ms": [100, 60]}}}, "the shorter first"),
        ({"embedding": {"seeds": [1, 1]}}, "embedding.seeds: expected each once, found 1, 1"),
        ({"browser": {"properties": ["gender", "gender"]}}, "browser.properties: expected each once, found gender, ge"),
        ({"browser": {"derived": ["a", "a"]}}, "browser.derived: expected each once"),
        # YAML 1.1 reads yes and on as true, which pydantic would take for 1.
        ({"statistics": {"permutations": True}}, "statistics.permutations: expected a number, found true"),
        ({"statistics": {"seed": False}}, "statistics.seed: expected a number, found false"),
        ({"analysis": {"min_count": True}}, "analysis.min_count: expected a number, found true"),
        ({"properties": {"p": {"column": "speaker", "order": ["SE", False]}}}, "properties.p.order.1: "),
        (
            {"embedding": {"seeds": [True, 2]}},
            "embedding.seeds.0: expected a number, found true (YAML takes yes, no, on",
        ),
        (
            {"corpora": {"l": {"kind": "librispeech", "root": "x", "subsets": [{"dev-clean": {"shards": 2}}]}}},
            "corpora.l.subsets: expected names alone, or a mapping NAME: {shards: ...} for each; found [{'dev-clean'",
        ),
        (
            {"corpora": {"l": {"kind": "librispeech", "root": "x", "subsets": ["dev-clean", "dev-clean"]}}},
            "corpora.l.subsets: expected each once, found dev-clean, dev-clean",
        ),
        (
            {"models": {"tiny": {"kind": "folder", "path": "t"}, "reference": {"kind": "folder", "path": "t"}}},
            "models.reference: tables of speeds call the unpruned model 'reference'; choose another name",
        ),
        ({"properties": {"p": {"column": "f0", "names": ["a", "a", "b"]}}}, "2 groups called 'a'"),
        ({"properties": {"Gender": {"column": "gender"}}}, "properties: gender and Gender differ by case alone"),
        ({"corpora": {"demo": {"kind": "demo"}, "DEMO": {"kind": "demo"}}}, "corpora: demo and DEMO differ by case"),
        ({"properties": {"p": {"column": "gender", "order": []}}}, "properties.p.order: "),
        (
            {"properties": {"p": {"column": "speaker", "order": [84, 174]}}},
            "found 174 (YAML reads bare digits as a number",
        ),
        ({"figures": {"corpus": "demo", "model": "tiny", "compare": []}}, "figures.compare"),
        ({"figures": {"corpus": "demo", "model": "tiny", "probability_phone": "AX"}}, "39 ARPABET phones"),
        (
            {"figures": {"corpus": "demo", "model": "tiny", "overlap_fdr": 0.1}, "statistics": {"permutations": 0}},
            "figures.overlap_fdr: 0.1 needs q",
        ),
        ({"statistics": {"fdr": 0.05, "permutations": 0}}, "statistics.fdr: 0.05 needs q"),
    ],
)
def test_values_that_make_no_sense_are_refused(section, expected):
    assert expected in message(MINIMAL | section)


def test_messages_hold_only_keys_that_a_user_wrote():
    groups = {"column": "label", "groups": {"glide": [True, "W"]}}
    text = message(MINIMAL | {"properties": {"q": groups}})
    assert "properties.q.groups.glide.0: " in text
    assert "quote it" in text
    assert "dict[" not in text
    assert "literal[" not in text


def test_what_is_not_on_disk_is_named_with_its_key(tmp_path):
    corpus = {"kind": "librispeech", "root": "L", "subsets": ["a"], "alignments": {"kind": "pocketsphinx"}}
    nowhere = load_config(MINIMAL | {"data_root": str(tmp_path / "no"), "corpora": {"demo": corpus, "more": corpus}})
    assert [line.partition(":")[0] for line in plan.sources.missing(nowhere)] == ["data_root", "models.tiny.path"]
    config = load_config(MINIMAL | {"data_root": str(tmp_path), "corpora": {"demo": corpus}})
    missing = plan.sources.missing(config)
    assert [line.partition(":")[0] for line in missing] == ["corpora.demo.root", "models.tiny.path"]
    (tmp_path / "L").mkdir()
    missing = plan.sources.missing(config)
    assert [line.partition(":")[0] for line in missing] == [
        "corpora.demo.root",
        "corpora.demo.subsets.a",
        "models.tiny.path",
    ]
    assert missing[0] == (
        f"corpora.demo.root: expected the speakers' genders at {tmp_path}/L/SPEAKERS.TXT, found nothing; "
        f"correct it, or data_root ({str(tmp_path)!r}), or put it there"
    )


def test_presets_resolve_and_each_option_can_be_set_alone():
    clean = load_config(MINIMAL).analysis
    published = load_config(MINIMAL | {"analysis": {"preset": "published"}}).analysis
    assert (clean.frames, clean.last_run, clean.equal_neighbours, clean.threshold) == (
        "every",
        "keep",
        "separate",
        "lambda",
    )
    assert (published.frames, published.last_run, published.equal_neighbours, published.threshold) == (
        "segment_mid",
        "drop",
        "merge",
        "tau_over_width",
    )
    for option in ("frames", "last_run", "equal_neighbours", "threshold", "pitch_cuts", "at_lower_cut"):
        value = getattr(clean, option)
        mixed = load_config(MINIMAL | {"analysis": {"preset": "published", option: value}}).analysis
        assert mixed == published.model_copy(update={option: value})


def test_a_further_property_joins_those_of_the_paper():
    config = load_config(MINIMAL | {"properties": {"speaker": {"column": "speaker"}}})
    assert list(config.properties)[:5] == ["phone", "single_phone", "gender", "pitch", "duration"]
    assert list(config.properties)[5:] == [*PHONE_SETS, "stress", "word_frequency", "word_position", "speaker"]
    assert plan.analysis.used_properties(config) == ["phone", "single_phone", "gender", "pitch", "duration", "speaker"]


def test_options_of_pitch_concern_the_pitch_property_alone():
    before = load_config(MINIMAL)
    after = load_config(MINIMAL | {"analysis": {"pitch_cuts": [120, 180]}})
    changed = [
        n
        for n in before.properties
        if plan.analysis.property_settings(before, n) != plan.analysis.property_settings(after, n)
    ]
    assert changed == ["pitch"]
    assert plan.analysis.counting_settings(before) == plan.analysis.counting_settings(after)


def test_no_corpus_is_called_like_the_training_part_of_a_task():
    named = MINIMAL | {"corpora": {"training_part": MINIMAL["corpora"]["demo"]}}
    named |= {"figures": MINIMAL["figures"] | {"corpus": "training_part"}}
    assert "corpora.training_part: pruning studies call the training part of a task so" in message(named)


def test_a_corpus_without_f0_goes_with_figures_that_show_none():
    without = MINIMAL | {"corpora": {"demo": MINIMAL["corpora"]["demo"] | {"pitch": {"method": "none"}}}}
    assert "corpora.demo.pitch.method: `none` gives no F0, of which the figures show f0, pitch;" in message(without)
    figures = MINIMAL["figures"] | {"properties": ["phone", "gender"], "overlap": ["phone", "gender"]}
    assert "the figures show f0, pitch;" in message(without | {"figures": figures})
    unconfounded = {"statistics": {"confounds": {"gender": None, "pitch": None}}}
    assert load_config(without | {"figures": figures} | unconfounded).corpora["demo"].pitch.method == "none"
    sloping = {"properties": {"slope": {"track": "f0_slope"}}}
    figures = figures | {"overlap": ["phone", "slope"]}
    assert "the figures show slope;" in message(without | {"figures": figures} | unconfounded | sloping)


def test_shards_are_named_subset_by_subset():
    subsets = {"dev-clean": {"shards": 2}, "test-clean": {}}
    corpus = {"kind": "librispeech", "root": "L", "subsets": subsets, "alignments": {"kind": "pocketsphinx"}}
    config = load_config(MINIMAL | {"corpora": {"demo": corpus}})
    assert plan.corpora.shards(config, "demo") == ["dev-clean-000", "dev-clean-001", "test-clean-000"]
    assert plan.corpora.aligned_here(config, "demo", "dev-clean")
    assert (
        plan.corpora.alignment_source(config, "demo", "dev-clean")["path"]
        == "results/corpora/demo/alignments/dev-clean"
    )


def pruned(**fields):
    return MINIMAL | {"models": MINIMAL["models"] | {"cut": {"kind": "pruned", "of": "tiny"} | fields}}


def test_a_pruned_model_names_what_is_there():
    text = message(pruned(of="absent", properties=["phone", "nasals"], corpus="libri"))
    assert "models.cut.of: 'absent' is not defined; defined are tiny, cut" in text
    assert "models.cut.properties: 'nasals' is not defined" in text
    assert "models.cut.corpus: 'libri' is not defined; defined are demo" in text
    assert "models.cut.of: leads back to 'cut' itself" in message(pruned(of="cut"))
    sizes = {"criterion": "random_protect", "random": "size", "keep": 0.5}
    assert "models.cut.sizes_of: 'absent' is not defined" in message(pruned(sizes_of="absent", **sizes))
    assert "leads back to 'cut' itself" in message(pruned(sizes_of="cut", **sizes))
    assert "leave `sizes_of` to other criteria" in message(pruned(sizes_of="tiny", criterion="protect"))
    for criterion in ("frequency", "random_protect"):
        text = message(pruned(criterion=criterion, properties=["pitch"]))
        assert "frequencies need one that counts every frame, found pitch" in text
    assert "matched with the neurons of `of`" in message(pruned(sizes_of="tiny", criterion="random_protect", rows=9))


def test_a_cut_depends_on_what_bears_on_it_alone():
    config = load_config(pruned(criterion="norm", keep=0.2, seed=4))
    assert plan.pruning.settings(config, "cut") == {
        "criterion": "norm",
        "keep": 0.2,
        "match": "per_layer",
        "bias": True,
    }
    assert plan.pruning.neuron_tables(config, "cut") == plan.pruning.frequency_counts(config, "cut") == []
    config = load_config(pruned(criterion="frequency", properties=["pitch", "gender"], bias=False))
    assert plan.pruning.settings(config, "cut") == {
        "criterion": "frequency",
        "keep": None,
        "match": "per_layer",
    }
    assert plan.pruning.neuron_tables(config, "cut") == [
        "results/neurons/tiny/demo/pitch.parquet",
        "results/neurons/tiny/demo/gender.parquet",
    ]
    assert plan.pruning.frequency_counts(config, "cut") == ["results/counts/tiny/demo/gender.manifest.json"]
    # Matched random sets are alike in norm, with the bias or without.
    matched = pruned(criterion="random_protect_frequency", properties=["gender"], keep=0.2, bias=False)
    assert plan.pruning.settings(load_config(matched), "cut")["bias"] is False
    assert "bias" not in plan.pruning.settings(
        load_config(pruned(criterion="random_protect_frequency", properties=["gender"], keep=0.2, random="size")), "cut"
    )


def test_normalise_is_part_of_what_a_model_is_prepared_from_and_of_no_other():
    content = pruned()
    content["models"]["mine"] = {"kind": "folder", "path": "mine", "normalise": True}
    source = plan.models.source(load_config(content), "mine")
    assert source == {"kind": "folder", "path": "mine", "normalise": True, "window_seconds": None}
    content["models"]["raw"] = {"kind": "pruned", "of": "tiny", "normalise": False}
    with pytest.raises(ConfigError, match=r"models\.raw\.normalise"):
        load_config(content)


def test_what_a_snakefile_imports_loads_nothing_heavy():
    code = (
        "import sys, property_neurons.plan, property_neurons.config.load, property_neurons.jobs.fingerprint\n"
        "print({'numpy', 'pandas', 'pyarrow', 'soundfile', 'torch', 'zarr'} & set(sys.modules) or 'nothing')"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "nothing"


def test_pitch_cuts_can_be_quotients():
    """16000 / 120 is no decimal number; YAML reads it as text."""
    cuts = yaml.safe_load("[16000/120, 16000 / 85.0]")
    assert load_config(MINIMAL | {"analysis": {"pitch_cuts": cuts}}).analysis.pitch_cuts == (16000 / 120, 16000 / 85)


@pytest.mark.parametrize(
    ("written", "meant"),
    [("results/", "results"), ("./results", "results"), ("results//a/", "results/a"), ("x/../results", "results")],
)
def test_results_have_one_spelling(written, meant, tmp_path, monkeypatch):
    """Snakemake compares paths as text, and does not know the settings of results in another spelling."""
    monkeypatch.chdir(tmp_path)
    assert load_config(MINIMAL | {"results": written}).results == meant
    assert load_config(MINIMAL | {"results": str(tmp_path / written)}).results == meant
    (tmp_path / "link").symlink_to(tmp_path)
    assert load_config(MINIMAL | {"results": str(tmp_path / "link" / written)}).results == meant
    for outside in ("../elsewhere", str(tmp_path.parent / "elsewhere")):
        assert load_config(MINIMAL | {"results": f"{outside}/"}).results == outside


def test_home_and_variables_of_paths_are_expanded(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SPEECH", "/speech")
    corpora = {
        "libri": {
            "kind": "librispeech",
            "root": "$SPEECH/libri",
            "subsets": ["dev-clean"],
            "alignments": {"kind": "framewise", "path": "~/{subset}.json", "labels": "${SPEECH}/labels.json"},
            "pitch": {"method": "bins", "path": "$HOME/bins.json"},
            "genders": "~/genders.json",
        },
        "vox": {"kind": "voxceleb1", "root": "~", "split": "$SPEECH/split", "meta": "~/meta"},
    }
    models = {
        "tiny": {"kind": "folder", "path": "~/tiny"},
        "released": {"kind": "melhubert_release", "checkpoint": "$HOME/x.ckpt", "statistics": "~/x.npy"},
    }
    own = {"data_root": "~/data", "results": "$SPEECH/results", "cache": "~/cache"}
    config = load_config({"corpora": corpora, "models": models, "figures": {"corpus": "libri", "model": "tiny"}} | own)
    libri, vox = config.corpora["libri"], config.corpora["vox"]
    assert libri.root == "/speech/libri"
    assert (libri.alignments.path, libri.alignments.labels) == (f"{tmp_path}/{{subset}}.json", "/speech/labels.json")
    assert (libri.pitch.path, libri.genders) == (f"{tmp_path}/bins.json", f"{tmp_path}/genders.json")
    assert (vox.root, vox.split, vox.meta) == (str(tmp_path), "/speech/split", f"{tmp_path}/meta")
    assert config.models["tiny"].path == f"{tmp_path}/tiny"
    assert config.models["released"].checkpoint == f"{tmp_path}/x.ckpt"
    assert config.models["released"].statistics == f"{tmp_path}/x.npy"
    assert (config.data_root, config.results) == (f"{tmp_path}/data", "/speech/results")
    assert config.cache == f"{tmp_path}/cache"


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("$NOT_SET/x", "$NOT_SET is no variable"),
        ("a/${NOT_SET}", "${NOT_SET} is no variable"),
        ("~nobody-here/x", "~nobody-here is no home folder"),
    ],
)
def test_a_variable_or_home_that_is_not_known_is_an_error_never_a_folder(path, said):
    text = message(MINIMAL | {"results": path, "models": {"tiny": {"kind": "folder", "path": path}}})
    assert f"results: {said}" in text
    assert f"models.tiny.path: {said}" in text


def test_a_dollar_or_tilde_within_a_name_is_left_alone():
    assert load_config(MINIMAL | {"data_root": "a$/b~c/5$"}).data_root == "a$/b~c/5$"


def test_a_key_that_stands_twice_is_refused_with_both_lines(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text(
        "models:\n  a: {kind: folder, path: x}\n  b: {kind: shipped}\n  a: {kind: folder, path: y}\nmodels: {}\n"
    )
    with pytest.raises(ConfigError) as caught:
        check_written([file, tmp_path / "absent.yaml"])
    assert "config.yaml has 2 problems" in str(caught.value)
    assert "models.a: expected once, found in lines 2 and 4" in str(caught.value)
    assert "models: expected once, found in lines 1 and 5" in str(caught.value)
    file.write_text('{"corpora": [{"root": 1, "root": 2}]}')
    with pytest.raises(ConfigError, match=r"corpora\.root: expected once, found in lines 1 and 1"):
        check_written([file])
    file.write_bytes("data_root: Jos\u00e9".encode("latin-1"))
    with pytest.raises(StoreError, match=r"config\.yaml, line 1: expected text in UTF-8"):
        check_written([file])


def test_files_that_are_sound_or_no_yaml_pass(tmp_path):
    file = tmp_path / "config.yaml"
    for text in (
        "a: {b: 1}\nc: {b: 1}\nd: [{b: 1}, {b: 2}]\n",
        "",
        "a: [",
        "__use_yte__: true\n?if 1:\n  a: 1\n?if 0:\n  a: 2\n",
    ):
        file.write_text(text)
        check_written([file])
    check_written(sorted(FOLDER.glob("*.yaml")))


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"data_root": "data/{x}"}, "data_root"),
        ({"data_root": "data/{subset}"}, "data_root"),
        ({"results": "out}"}, "results"),
        ({"cache": "/scratch/{user}"}, "cache"),
        ({"models": {"tiny": {"kind": "folder", "path": "{tiny}"}}}, "models.tiny.path"),
        ({"corpora": {"demo": LIBRI | {"root": "{L}"}}}, "corpora.demo.root"),
        ({"corpora": {"demo": LIBRI | {"genders": "{g}"}}}, "corpora.demo.genders"),
        (
            {"corpora": {"demo": LIBRI | {"alignments": TEXTGRIDS | {"path": "{subset}/{a}"}}}},
            "corpora.demo.alignments.path",
        ),
    ],
)
def test_paths_with_braces_are_refused(change, key):
    """Snakemake would take what is between them for a wildcard."""
    assert f"{key}: expected a path without braces" in message(MINIMAL | change)
    load_config(MINIMAL | {"corpora": {"demo": LIBRI}})


BAD_NAMES = {
    "": "an empty name",
    " \t": "a name of blanks alone",
    " F": "blanks around ' F'",
    "F ": "blanks around 'F '",
    "F\x1b[2J": r"a character that cannot be seen in 'F\x1b[2J'",
    "F\n": r"a character that cannot be seen in 'F\n'",
    "F\u202e": r"a character that cannot be seen in 'F\u202e'",
}


@pytest.mark.parametrize("name", BAD_NAMES)
@pytest.mark.parametrize(
    ("key", "section"),
    [
        ("properties.p.groups", lambda name: {"properties": {"p": {"column": "label", "groups": {name: ["AH"]}}}}),
        ("properties.p.order", lambda name: {"properties": {"p": {"column": "gender", "order": ["M", name]}}}),
        ("properties.p.names", lambda name: {"properties": {"p": {"column": "f0", "names": ["low", name, "high"]}}}),
        (
            "models.e.groups",
            lambda name: {
                "models": MINIMAL["models"]
                | {"e": {"kind": "edited", "of": "tiny", "property": "speaker", "groups": [name]}}
            },
        ),
    ],
)
def test_names_of_groups_that_are_none_are_refused_with_their_key(key, section, name):
    found = message(MINIMAL | section(name))
    assert f"  - {key}: expected " in found
    assert f"found {BAD_NAMES[name]}" in found


def test_names_that_look_alike_are_refused():
    order = {"p": {"column": "speaker", "order": ["Zo\u00eb", "Zoe\u0308"]}}
    assert "properties.p.order: expected distinct names of groups; found 2 groups called 'Zoë'" in message(
        MINIMAL | {"properties": order}
    )


def test_subsets_that_differ_by_case_alone_are_refused():
    corpus = {"kind": "librispeech", "root": "L", "subsets": ["dev", "Dev"], "alignments": {"kind": "pocketsphinx"}}
    found = message(MINIMAL | {"corpora": {"demo": corpus}})
    assert "corpora.demo.subsets: dev and Dev differ by case alone" in found


@pytest.mark.parametrize("name", ["..", "a/b", ".a", "a b", "", "x" * 81, "é", "a\n", "a.b"])
def test_names_that_become_folders_are_plain(name):
    for section in ("corpora", "models", "properties", "tasks", "splits", "erasure", "pretraining"):
        found = message(MINIMAL | {section: MINIMAL.get(section, {}) | {name: {}}})
        assert f"  - {section}.{name}: " in found, section


def test_a_property_but_of_phones_alone_is_a_confound():
    properties = {"accents": {"column": "accent", "order": ["UK", "US"]}, "old": {"column": "age", "cuts": [40]}}
    properties["loud"] = {"track": "energy"}
    confounds = {"gender": "accents", "phone": "old", "pitch": "loud", "duration": "stress"}
    config = load_config(MINIMAL | {"properties": properties, "statistics": {"confounds": confounds}})
    strata = {name: plan.analysis.strata_settings(config, name, confounds[name]) for name in confounds}
    assert strata["gender"] == {"column": "accent", "order": ["UK", "US"], "by": "phone"}
    assert (strata["phone"]["column"], strata["phone"]["cuts"]) == ("age", (40.0,))
    assert (strata["pitch"]["track"], strata["duration"]["of"]) == ("energy", "mark")
    (values,) = {Path(path).parent.as_posix() for path in plan.analysis.frame_values(config, "demo", "loud")}
    assert values == "results/corpora/demo/frame_values/energy"
    assert not plan.analysis.frame_values(config, "demo", "f0")
    assert {"f0", "accents", "old", "gender", "loud", "stress"} <= set(plan.analysis.confound_names(config))


def test_confounds_join_those_of_the_defaults_and_null_takes_one_away():
    config = load_config(MINIMAL | {"statistics": {"confounds": {"duration": "speaker", "pitch": None}}})
    assert config.statistics.given == {"gender": "f0", "phone": "duration", "duration": "speaker"}
    assert plan.analysis.strata_settings(config, "gender", "f0") == {"column": "f0", "f0_padding": "end"}
    assert plan.analysis.strata_settings(config, "phone", "duration")["edges_ms"] == (60, 100)
    assert plan.analysis.strata_settings(config, "pitch", "speaker")["within"] == "speaker"
    assert plan.analysis.by_strata(config, "pitch", "speaker")
    assert not plan.analysis.by_strata(config, "duration", "speaker")
    assert load_config(MINIMAL | {"statistics": {"confounds": None}}).statistics.given == {}


def test_without_a_property_by_phone_there_is_no_figure_of_a_phone():
    by_none = {name: {"column": name, "by": "none"} for name in ("gender", "accent")}
    figures = {"properties": ["gender", "accent"], "overlap": ["gender", "accent"]}
    whole = {"properties": by_none, "statistics": {"confounds": None}, "figures": MINIMAL.get("figures", {}) | figures}
    assert not plan.figures.shows_phones(load_config(MINIMAL | whole))
    whole["properties"] = by_none | {"gender": {"column": "gender"}}
    assert plan.figures.shows_phones(load_config(MINIMAL | whole))
    assert plan.figures.shows_phones(load_config(MINIMAL))


def test_figures_of_sets_tell_the_frames_that_thinning_leaves():
    plain, balanced = (load_config(MINIMAL | {"statistics": {"balance": balance}}) for balance in (False, True))
    assert plan.figures.cells_of_sets(plain, ["gender"]) == plan.figures.cells(plain, ["gender"])
    (table,) = plan.figures.cells_of_sets(balanced, ["gender"])
    assert table.endswith("/gender.balanced_cells.tsv")
    assert plan.figures.cells(balanced, ["gender"]) == plan.figures.cells(plain, ["gender"])


def test_confounds_of_redefined_properties():
    properties = {"pitch": {"column": "f0", "cuts": [130, 190]}, "duration": {"track": "energy"}}
    config = load_config(MINIMAL | {"properties": properties})
    # Cuts in Hz are none in semitones.
    assert plan.analysis.strata_settings(config, "pitch", "speaker")["pitch_cuts"] == "tertiles"
    # The confound is the duration of phones, whatever a property of this name is.
    assert plan.analysis.strata_settings(config, "phone", "duration")["edges_ms"] == (60, 100)


@pytest.mark.parametrize(
    ("confounds", "problem"),
    [
        ({"unknown": "f0"}, "statistics.confounds: 'unknown' is not defined"),
        ({"gendr": None}, "statistics.confounds: 'gendr' is not defined"),
        ({"gender": "manner"}, "or null, found 'manner'"),
        ({"loudness": "loud"}, "in one energy there is one group of 'loudness' alone"),
        (
            {"phone": "energy"},
            "expected one of f0, duration, speaker, gender, subset, .*men.*, or null, found 'energy'",
        ),
        ({"gender": "men"}, "in one gender there is one group of 'gender' alone"),
        ({"gender": "speaker"}, "nothing can be compared"),
        ({"pitch": "f0"}, "nothing can be compared"),
        ({"relative": "speaker"}, "is cut within: speaker already"),
    ],
)
def test_confounds_that_say_nothing_are_refused(confounds, problem):
    properties = {"relative": {"column": "f0", "within": "speaker"}, "men": {"column": "gender", "order": ["M", "F"]}}
    properties |= {"loud": {"track": "energy"}, "loudness": {"track": "energy", "by": "none"}}
    with pytest.raises(ConfigError, match=problem):
        load_config(MINIMAL | {"properties": properties, "statistics": {"confounds": confounds}})


def test_cuts_in_hz_hold_for_pitch_within_the_corpus():
    properties = {"relative": {"column": "f0", "within": "speaker"}}
    config = load_config(MINIMAL | {"properties": properties, "analysis": {"pitch_cuts": [120, 180]}})
    assert plan.analysis.property_settings(config, "relative")["pitch_cuts"] == "tertiles"
    assert plan.analysis.property_settings(config, "pitch")["pitch_cuts"] == (120.0, 180.0)


def test_phones_of_a_table_of_ones_own_are_not_held_against_the_39():
    section = {
        "properties": {"p": {"column": "label", "groups": {"x": ["XX"]}}},
        "figures": {"corpus": "mine", "model": "tiny", "probability_phone": "XX"},
    }
    corpus = {"kind": "table", "table": "a.tsv"}
    known = MINIMAL | section | {"corpora": {"mine": corpus}}
    refused = message(known)
    assert "properties.p.groups: " in refused
    assert "figures.probability_phone: " in refused
    own = corpus | {"phones": {"set": "file", "path": "phones.tsv"}}
    assert load_config(known | {"corpora": {"mine": own}}).figures.probability_phone == "XX"
    # A corpus beside it lifts the check from no other.
    both = known | {"corpora": {"mine": corpus, "other": own}}
    refused = message(both)
    assert "figures.probability_phone: " in refused
    assert "properties.p.groups: " not in refused
    study = {"kind": "edited", "of": "tiny", "property": "p", "groups": ["x"]}
    refused = message(both | {"models": MINIMAL["models"] | {"off": study}})
    assert "properties.p.groups: expected named groups of ARPABET phones, those of the corpus mine; found" in refused
    elsewhere = study | {"corpus": "other", "property": "single_phone"}
    figures = {"figures": {"corpus": "mine", "model": "tiny"}}
    load_config(both | figures | {"models": MINIMAL["models"] | {"off": elsewhere}})
    assert "x unknown" in message(
        both | figures | {"models": MINIMAL["models"] | {"off": elsewhere | {"corpus": "mine"}}}
    )
