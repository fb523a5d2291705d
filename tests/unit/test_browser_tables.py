"""The tables of the neuron browser, of neurons that are known by construction; one neuron in Python and a terminal."""

import shutil
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import soundfile
from scipy import stats

import property_neurons
from property_neurons import neuron as command
from property_neurons.browser import one_neuron, table_inputs
from property_neurons.browser.examples import KINDS, choose_examples, enough_frames, most_probable, reacted_to
from property_neurons.browser.neighbours import coactive, cosines, nearest
from property_neurons.browser.one_neuron import Neuron
from property_neurons.browser.pages import _index, shares
from property_neurons.browser.probabilities import LAGS, clusters_of, intervals
from property_neurons.browser.speech import read_speech
from property_neurons.browser.tables import EXAMPLE_COLUMNS, NEURON_COLUMNS, Choice, browser_tables, chosen_neurons
from property_neurons.corpus.frame_store import open_frames
from property_neurons.corpus.frame_values import FrameValues
from property_neurons.corpus.phones import PHONES, VOWELS, Inventory
from property_neurons.counting.job import OwnColumns
from property_neurons.counting.properties import make_property
from property_neurons.counting.sampling import Sampling
from property_neurons.errors import StoreError
from property_neurons.stores import manifests
from property_neurons.stores.files import write_table
from tests.unit.browser_inputs import EVIL, LAMBDA, S_NEURON, SILENT_NEURON, WOMEN_NEURON, Made


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return Made(tmp_path_factory.mktemp("browser"))


@pytest.fixture(scope="module")
def tables(made):
    return made.browse(Choice(neurons="all"))


def row_of(neurons, number, layer=1):
    return neurons[(neurons["layer"] == layer) & (neurons["neuron"] == number)].iloc[0]


def test_a_neuron_of_one_phone_is_active_in_that_phone_alone(tables):
    row = row_of(tables[0], S_NEURON)
    s, spoken = PHONES.index("S"), [PHONES.index(phone) for phone in ("AH", "IY", "N", "D", "S", "T")]
    assert row["p_phone"][s] == row["p_high"][s] == 1
    # All of so many frames: the bound of Clopper and Pearson.
    assert 0.5 < row["p_low"][s] < 1
    assert row["phone"] == "S"
    assert [row["p_phone"][at] for at in spoken if at != s] == [0] * 5
    assert np.isnan(row["p_phone"][PHONES.index("ZH")])
    assert row["active"] == pytest.approx(1 / 6)
    (member,) = [one for one in row["sets"] if one["property"] == "phone"]
    assert (member["group"], member["exclusive"], member["q"]) == ("unvoiced consonant", True, 0.01)
    course = row["course"][0]
    # S lies between D and T, or after T; it lasts four frames.
    assert (course["phone"], list(course["p"])) == ("S", [0, 0, 0, 0, 0, 1, 1, 1, 1, 0, 0])
    assert len(course["p"]) == len(LAGS)


def test_phones_that_are_called_otherwise_are_shown_by_these_names(tables, tmp_path):
    name = {phone: f"{phone.lower()}ː" for phone in PHONES}
    inventory = Inventory(tuple(name.values()), {"v": tuple(map(name.get, VOWELS)), "s": (name["S"],)})
    other = Made(tmp_path, inventory)
    neurons, examples = other.browse(Choice(random=0))
    for own, renamed in zip(tables[0]["p_phone"], neurons["p_phone"], strict=True):
        np.testing.assert_array_equal(own, renamed)
    of_s = [table.query(f"layer == 1 and neuron == {S_NEURON}")["phone"] for table in (tables[1], examples)]
    assert [name[phone] for phone in of_s[0]] == of_s[1].tolist()
    row = row_of(neurons, S_NEURON)
    assert row["course"][0]["phone"] == "sː"
    assert [one["group"] for one in row["sets"] if one["property"] == "phone"] == ["s"]
    one = property_neurons.open_neuron(other.results, "made-up", "all", 1, S_NEURON)
    assert one.phones.set_index("phone").loc["sː", ["phone_class", "p"]].tolist() == ["s", 1]
    assert one.phones.set_index("phone").loc["tː", "phone_class"] == ""
    assert "  no class" in list(command.described(one))
    phones = _index(other.site(), neurons, other.site().utterances, {})["phones"]
    assert phones[0] == ["ahː", "v"] and ["tː", "no class"] in phones


def test_a_neuron_of_women_is_active_in_their_speech_alone(tables):
    row = row_of(tables[0], WOMEN_NEURON)
    p = {(one["property"], one["group"]): one["p"] for one in row["groups"]}
    assert (p["gender", EVIL], p["gender", "M"]) == (1, 0)
    by_phone = {one["group"]: one["p"][PHONES.index("AH")] for one in row["panels"]}
    assert by_phone == {EVIL: 1, "M": 0}
    groups = {one["group"]: one for one in row["groups"] if one["property"] == "gender"}
    assert groups[EVIL]["mean"] == pytest.approx(np.mean(3 + np.arange(48) / 100), rel=0.02)
    assert sum(groups[EVIL]["histogram"]) == sum(groups["M"]["histogram"]) == 4 * 48


def test_probabilities_equal_the_counts_of_the_stores(made, tables):
    counts = made.tables["phone"].counts
    for site in range(2):
        own = tables[0][tables[0]["layer"] == site + 1].set_index("neuron")
        for cell in counts.phone_cells:
            if counts.n[cell]:
                phone = PHONES.index(counts.cells[cell][1])
                found = [own.loc[neuron, "p_phone"][phone] for neuron in own.index]
                np.testing.assert_allclose(found, counts.site_counts(site)[cell] / counts.n[cell])


def test_a_property_of_a_track_has_the_groups_of_its_numbers(made):
    shards, expected = [], []
    for shard in made.shards:
        number = np.arange(len(shard.frames.label), dtype=np.float32) % 5
        number[number == 4] = np.nan
        loud = replace(shard.frames, values=FrameValues(number=number))
        shards.append(replace(shard, of_property={"loud": loud}))
        expected += [-1 if np.isnan(value) else int(value > 1.5) for value in number]
    layout = make_property("loud", track="energy", cuts=[1.5]).lay_out([shard.frames_of("loud") for shard in shards])
    assert read_speech(shards, {"loud": layout}).group["loud"].tolist() == expected


def test_an_utterance_of_contradictory_columns_is_left_out_of_what_reads_them_alone(made, tmp_path, monkeypatch):
    corpus = made.results / "corpora/all"
    names = [utterance.name for utterance in made.corpus]
    own = pd.DataFrame({"utterance": names[1:], "accent": ["southern", "northern"] * 3 + ["southern"]})
    write_table(tmp_path / "all/columns.parquet", own)
    write_table(tmp_path / "all/columns.tsv", pd.DataFrame({"subset": [made.corpus[0].subset], "utterance": names[:1]}))
    monkeypatch.setattr(
        table_inputs, "let_through", lambda _: {(utterance.subset, utterance.name) for utterance in made.corpus}
    )
    monkeypatch.setattr(OwnColumns, "of", lambda self, _: next(iter(self.tables.values())))
    manifests = {
        kind: sorted(str(path.with_suffix(".manifest.json")) for path in folder.glob("*.zarr"))
        for kind, folder in {
            "frames": corpus / "frames",
            "ranks": made.results / "ranks/made-up/all",
            "activations": made.results / "activations/made-up/all",
        }.items()
    }
    columns = [str(tmp_path / "all" / name) for name in ("columns.parquet", "columns.tsv")]
    job = SimpleNamespace(
        input=SimpleNamespace(checked="", columns=columns, values=[], **manifests),
        params=SimpleNamespace(with_values=[], with_columns=["accent"]),
    )
    shards = table_inputs.open_shards(job)
    layout = make_property("accent", "accent").lay_out([shard.frames_of("accent") for shard in shards])
    speech = read_speech(shards, {"accent": layout})
    assert None not in speech.speakers
    group = {name: set(speech.group["accent"][speech.utterance == at]) for at, name in enumerate(speech.utterances)}
    assert group[names[0]] == {-1}
    assert all(group[name] & {0, 1} for name in names[1:])
    # Of what reads no such columns, every utterance still counts.
    assert all(shard.frames_of("gender").kept.all() for shard in shards)


def test_a_share_that_is_not_known_is_none_on_the_pages():
    """As of a property of many groups, whose means are left out: tables give them back as None."""
    assert shares([0.5, np.nan, None]) == [5000, None, None]


def test_examples_are_where_the_neuron_is_active_and_counter_examples_where_it_is_not(made, tables):
    examples = tables[1][(tables[1]["layer"] == 1) & (tables[1]["neuron"] == S_NEURON)]
    active = examples[examples["kind"] != "counter-example"]
    assert set(active["phone"]) == {"S"}
    strongest = examples[examples["kind"] == "strongest"]
    assert strongest["value"].tolist() == sorted(strongest["value"], reverse=True)
    assert strongest["value"].iloc[0] == 12
    assert not strongest["utterance"].duplicated().any()
    assert strongest["speaker"].value_counts().max() <= 2
    women = tables[1][(tables[1]["layer"] == 1) & (tables[1]["neuron"] == WOMEN_NEURON)]
    assert set(women["gender"]) == {EVIL}
    values = {utterance.name: utterance.activations[0] for utterance in made.corpus}
    for row in examples.itertuples():
        assert row.value == pytest.approx(values[row.utterance][row.frame, S_NEURON], rel=0.02)
        assert row.curve[20] == np.float32(row.value)
        assert row.time == pytest.approx(row.frame * 0.02 + 0.01)
    silent = tables[1][(tables[1]["layer"] == 1) & (tables[1]["neuron"] == SILENT_NEURON)]
    assert set(silent["kind"]) == {"counter-example"}


def test_columns_are_those_that_are_documented(tables):
    for table, columns in zip(tables, (NEURON_COLUMNS, EXAMPLE_COLUMNS), strict=True):
        documented = {name for names in columns for name in names.split(", ")}
        assert set(table.columns) == documented | ({"layer", "neuron"} if columns is EXAMPLE_COLUMNS else set())


def test_the_same_stores_give_the_same_tables(made):
    first, second = made.browse(), made.browse()
    assert all(a.to_json() == b.to_json() for a, b in zip(first, second, strict=True))


def test_property_neurons_and_some_at_random_have_a_page(made):
    chosen = chosen_neurons(1, 50, made.tables, Choice(random=5))
    sets = {n for t in made.tables.values() for n in t.neurons.query("layer == 1 and exclusive")["neuron"]}
    assert set(chosen[chosen == "property"].index) == sets
    assert (chosen == "random").sum() == 5
    assert set(chosen_neurons(1, 50, made.tables, Choice(neurons="all")).index) == set(range(50))


def test_stores_of_another_model_are_refused(made):
    made_up = made.tables["phone"]
    with pytest.raises(StoreError, match="one model"):
        other = [type(made.shards[0])(one.frames, one.ranks, _of_another(one.values)) for one in made.shards]
        browser_tables(other, {"phone": made_up}, [], Sampling(), Choice())


def _of_another(values):
    return replace(values, model="another")


def test_intervals_of_a_ratio_over_clusters_equal_the_formula():
    counts, n = np.array([3, 10, 0, 7]), np.array([10, 20, 0, 20])
    p, low, high = (float(part) for part in intervals(counts, n))
    assert p == 0.4
    error = np.sqrt(3 / 2 * ((3 - 4) ** 2 + (10 - 8) ** 2 + (7 - 8) ** 2)) / 50
    assert (low, high) == pytest.approx((0.4 - 4.302653 * error, 0.4 + 4.302653 * error), rel=1e-5)
    assert [float(part) for part in intervals(np.array([3, 0]), np.array([10, 0]))] == pytest.approx(
        [0.3, np.nan, np.nan], nan_ok=True
    )
    assert np.isnan(intervals(np.array([0]), np.array([0]))[0])


@pytest.mark.parametrize("active", [False, True])
def test_that_no_frame_is_active_leaves_room_for_some(active):
    n = np.array([2, 1])
    found = [float(part) for part in intervals(n * active, n)]
    exact = stats.binomtest(3 * active, 3).proportion_ci(0.95, method="exact")
    assert found == pytest.approx([float(active), exact.low, exact.high])


def test_intervals_over_speakers_cover_where_speakers_differ():
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(400):
        n = rng.integers(50, 200, 20)
        _, low, high = intervals(rng.binomial(n, rng.beta(8, 12, 20)), n)
        inside += low <= 0.4 <= high
    assert 0.91 <= inside / 400 <= 0.98


def test_many_speakers_are_counted_in_clusters():
    clusters = clusters_of([f"{n:03d}" for n in range(150)])
    assert len(set(clusters.values())) == 60
    assert clusters_of(["b", "a", "b"]) == {"a": 0, "b": 1}


def test_overlap_and_likeness_equal_a_plain_loop():
    rng = np.random.default_rng(0)
    ids = np.stack([rng.permutation(12)[:3] for _ in range(60)]).astype(np.uint16)
    active = [{frame for frame in range(60) if neuron in ids[frame]} for neuron in range(12)]
    found = coactive(ids, 12, np.array([2, 5]))
    for row, neuron in enumerate((2, 5)):
        for other in range(12):
            assert found[row, other] == len(active[neuron] & active[other]) / len(active[neuron] | active[other])
    weights = rng.normal(size=(12, 4))
    likeness = cosines(weights, np.array([3]))
    expected = weights @ weights[3] / np.linalg.norm(weights, axis=1) / np.linalg.norm(weights[3])
    np.testing.assert_allclose(likeness[0], expected)
    others = np.delete(np.arange(12), 3)
    assert nearest(likeness, np.array([3]))[0][0].tolist() == others[np.argsort(-expected[others])][:5].tolist()


def test_each_kind_of_example_spreads_over_utterances_and_speakers():
    rng = np.random.default_rng(0)
    value, frames = rng.normal(size=3000), np.arange(3000)
    utterance, speaker = frames // 50, frames // 300
    active = np.sort(rng.permutation(3000)[:600])
    chosen = choose_examples(value, active, frames[:900], utterance, speaker, rng)
    assert {kind for kind, _ in chosen} == set(KINDS)
    for kind in KINDS:
        own = np.array([frame for name, frame in chosen if name == kind])
        assert len(set(utterance[own])) == len(own)
        assert np.bincount(speaker[own]).max() <= 2
        assert np.isin(own, active).all() == (kind != "counter-example")
    by_quarter = [np.abs(value[[f for k, f in chosen if k == f"quarter {n}"]]) for n in (4, 3, 2, 1)]
    assert all(a.min() >= b.max() for a, b in pairwise(by_quarter))


def test_one_neuron_as_data_frames(made):
    one = property_neurons.open_neuron(made.results, "made-up", "all", 1, S_NEURON)
    assert one.phones.set_index("phone").loc["S", "p"] == 1
    assert one.lambda_ == LAMBDA
    assert one.sets[["property", "group"]].values.tolist()[-1] == ["phone", "unvoiced consonant"]
    assert one.examples["kind"].iloc[0] == "strongest"
    assert one.examples["value"].iloc[0] == 12
    assert len(one.snippet(0)) == 6400
    assert set(one.by_phone["property"]) == {"gender"}


COLUMNS = ["kind", "utterance", "speaker", "gender", "phone", "time", "f0", "value"]


def examples_of(table, number):
    own = table[(table["layer"] == 1) & (table["neuron"] == number)]
    return own[COLUMNS].reset_index(drop=True)


def test_the_terminal_and_a_page_show_the_same_examples_of_a_neuron(made, tables):
    """Of a neuron with a page those of the page, whatever its seed and groups; of others as a page would."""
    (row,) = tables[0].query("layer == 1 and sets.str.len() == 0").head(1).itertuples()
    of_no_set = row.neuron
    folder = made.results / "browser/made-up/all"
    folder.mkdir(parents=True)
    try:
        _, examples = made.browse(Choice(random=0, seed=5))
        write_table(folder / "examples.parquet", examples)
        for number, of_page in ((S_NEURON, examples), (WOMEN_NEURON, examples), (of_no_set, tables[1])):
            one = property_neurons.open_neuron(made.results, "made-up", "all", 1, number)
            pd.testing.assert_frame_equal(one.examples[COLUMNS], examples_of(of_page, number))
            assert len(one.snippet(0)) > 3200
    finally:
        shutil.rmtree(folder)
    assert examples_of(examples, of_no_set).empty
    # Neither can be told by the stores alone: which groups the neuron has, and the seed. This one has one of phones.
    one = property_neurons.open_neuron(made.results, "made-up", "all", 1, S_NEURON)
    pd.testing.assert_frame_equal(one.examples[COLUMNS], examples_of(tables[1], S_NEURON))


def test_a_neuron_reacts_to_a_phone_not_to_silence():
    label = np.array([0, 1, 2, 2, 1, 1])  # of two phones and silence
    women = np.array([1, 1, 1, 1, 0, 0], bool)
    assert reacted_to(label, 1).tolist() == [1, 4, 5]
    assert reacted_to(label, 1, [women]).tolist() == [1]
    assert reacted_to(label, 1, [~women, women]).tolist() == [4, 5]


def test_the_most_probable_phone_is_one_with_frames_enough():
    enough = enough_frames(np.array([100, 99, 0, 500]), 0.01)
    assert enough.tolist() == [True, False, False, True]
    p = np.array([[0.1, 0.9, np.nan, 0.3], [0.0, 0.0, np.nan, 0.0]])
    assert most_probable(p, enough).tolist() == [[3, 0, 1, 2], [0, 3, 1, 2]]
    # Of no phone there is enough: then all the same.
    assert most_probable(p, np.zeros(4, bool)).tolist() == [[1, 3, 0, 2], [0, 1, 3, 2]]


@pytest.mark.parametrize("pitch", ["yaapt", "bins", "none"])
def test_nothing_is_said_of_pitch_where_the_corpus_has_no_f0(made, monkeypatch, pitch):
    monkeypatch.setattr(one_neuron, "open_frames", lambda path: replace(open_frames(path), pitch=pitch))
    one = property_neurons.open_neuron(made.results, "made-up", "all", 1, S_NEURON)
    shown = "\n".join(command.described(one))
    assert one.has_f0 == (pitch == "yaapt")
    assert ("120 Hz" in shown, "unvoiced " in shown.split("strongest")[1]) == (one.has_f0, False)
    assert one.examples["f0"].isna().all() == (not one.has_f0)
    if one.has_f0:
        silent = replace(one, examples=one.examples.assign(f0=np.nan))
        assert "unvoiced  speaker" in "\n".join(command.described(silent))


@pytest.mark.parametrize(("version", "shown"), [("old", False), ("now", True), ("unknown", True)])
def test_examples_of_another_version_of_the_model_are_not_shown(made, tmp_path, monkeypatch, caplog, version, shown):
    manifest = made.results / "models/made-up.manifest.json"
    write_table(tmp_path / "model/weights.tsv", pd.DataFrame({"w": [1]}))
    described = manifests.describe_files(tmp_path / "model")
    digest = {"old": "0", "now": described["digest"], "unknown": ""}[version]
    opened = one_neuron.open_activations
    monkeypatch.setattr(one_neuron, "open_activations", lambda path: replace(opened(path), model_digest=digest))
    try:
        manifests.write_manifest(manifest, described)
        one = property_neurons.open_neuron(made.results, "made-up", "all", 1, S_NEURON)
    finally:
        manifest.unlink()
    assert one.examples.empty != shown
    assert ("of another version of made-up, so that no examples are shown" in caplog.text) != shown


def test_examples_of_a_page_of_another_version_of_the_model_are_chosen_anew(made, tables, tmp_path):
    page, columns = tmp_path / "examples.parquet", ["layer", "neuron", *one_neuron._EXAMPLES]
    table = tables[1][columns].assign(value=-1.0)
    table.attrs = {"model_digest": "old"}
    write_table(page, table)
    assert one_neuron._of_page(page, 1, S_NEURON, "new").empty
    assert (one_neuron._of_page(page, 1, S_NEURON, "old")["value"] == -1).all()
    assert len(one_neuron._of_page(page, 1, S_NEURON, "")) == len(one_neuron._of_page(page, 1, S_NEURON, "old")) > 0


def test_what_selectors_choose_is_no_property_of_a_neuron(made):
    before = property_neurons.open_neuron(made.results, "made-up", "all", 1, S_NEURON).sets
    folder = made.results / "neurons/made-up/all"
    chosen = pd.DataFrame(
        {"selector": ["entropy"], "group": ["unvoiced consonant"], "layer": [1], "neuron": [S_NEURON]}
    )
    try:
        chosen.to_parquet(folder / "phone.selectors.parquet")
        after = property_neurons.open_neuron(made.results, "made-up", "all", 1, S_NEURON).sets
    finally:
        (folder / "phone.selectors.parquet").unlink()
    pd.testing.assert_frame_equal(before, after)


@pytest.mark.parametrize(
    ("model", "layer", "number", "words"),
    [
        ("made-up", 3, 0, "expected a layer from 1 to 2, found 3"),
        ("made-up", 1, 50, "expected a neuron from 0 to 49, found 50"),
        ("none", 1, 0, "expected counts of properties, found none"),
    ],
)
def test_a_neuron_that_is_not_there(made, model, layer, number, words):
    with pytest.raises(StoreError, match=words):
        property_neurons.open_neuron(made.results, model, "all", layer, number)


def test_the_command_shows_bars_and_writes_snippets(made, tmp_path, capsys):
    command.main([str(made.results), "made-up/all", "1", str(S_NEURON), "--wav", str(tmp_path / "wav")])
    printed = capsys.readouterr().out
    assert f"S                     1.000 {'█' * 40}" in printed
    assert "In the phone set of unvoiced consonant" in printed
    assert "Where it is strongest" in printed
    written = sorted((tmp_path / "wav").iterdir())
    assert f"{len(written)} snippets" in printed
    assert soundfile.info(written[0]).frames == 6400


def test_snippets_of_any_utterance_have_names_that_a_file_can_have(made, tmp_path, monkeypatch):
    one = property_neurons.open_neuron(made.results, "made-up", "all", 1, S_NEURON)
    ids = ["../a/b", "a\0:b\n*", "é" * 300, "...", *one.examples["utterance"][4:]]
    monkeypatch.setattr(Neuron, "snippet", lambda *_: np.zeros(6400, np.float32))
    list(command.write_snippets(replace(one, examples=one.examples.assign(utterance=ids)), tmp_path / "wav"))
    names = sorted(path.name for path in (tmp_path / "wav").iterdir())
    assert len(names) == len(ids)
    assert [name.split("-", 2)[2].rpartition("-")[0] for name in names[:4]] == [".._a_b", "a__b__", "é" * 50, "..."]


def test_a_sound_that_cannot_be_written_is_told_in_a_line(made, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise soundfile.LibsndfileError(2)

    monkeypatch.setattr(soundfile, "write", fail)
    with pytest.raises(SystemExit, match=r"expected to write a sound, found .*; choose another folder"):
        command.main([str(made.results), "made-up/all", "1", str(S_NEURON), "--wav", str(tmp_path / "wav")])


def test_the_command_says_what_is_wrong_in_a_line(made, capsys):
    with pytest.raises(SystemExit, match="expected a layer from 1 to 2"):
        command.main([str(made.results), "made-up/all", "9", "0"])
    with pytest.raises(SystemExit):
        command.main([str(made.results), "made-up", "1", "0"])
    assert "expected MODEL/CORPUS" in capsys.readouterr().err
