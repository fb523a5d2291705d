"""Intervals of frames: tiers, tables, words and stress by a dictionary, and the properties that are made of them."""

import dataclasses
import json
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from praatio.data_classes.interval_tier import IntervalTier
from praatio.data_classes.textgrid import Textgrid
from synthetic_stores import make_corpus, shard_of, write_frames

from property_neurons.config.load import load_config
from property_neurons.corpus.frame_intervals import write_intervals
from property_neurons.corpus.frame_store import open_frames
from property_neurons.corpus.frame_values import FrameFiles, FrameValues, open_frame_files
from property_neurons.corpus.phones import LABEL_IDS
from property_neurons.corpus.pronunciations import lay_words, read_dictionary
from property_neurons.corpus.spoken_words import written_words
from property_neurons.counting.properties import make_property
from property_neurons.counting.sampling import Sampling, sample_frames
from property_neurons.errors import ConfigError, CorpusError, CountingError, StoreError
from property_neurons.plan import analysis

CORPUS = make_corpus(seed=4, n_utterances=3)
UTTERANCES = pd.DataFrame({"utterance": [one.name for one in CORPUS]})
DICTIONARY = """;;; a comment
the  DH AH0
the(2)  DH IY0
cat  0.99 K AE1 T
sofa  S OW1 F AH0  # a sofa
"""


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    """A frame store."""
    return write_frames(tmp_path_factory.mktemp("frames") / "f.zarr", CORPUS)


@pytest.fixture
def dictionary(tmp_path):
    """A dictionary of three words."""
    (tmp_path / "words.dict").write_text(DICTIONARY)
    return tmp_path / "words.dict"


def ids(phones):
    return np.array([LABEL_IDS[phone] for phone in phones.split()])


def read(frames, path, source, utterances=None):
    write_intervals(path, source=source, frame_store=frames, utterances=utterances)
    return open_frame_files(FrameFiles(frames, path)).values


def test_words_are_laid_on_phones_with_the_fewest_changes(dictionary):
    words = read_dictionary(dictionary)
    assert words["the"][1].stress == ("", "0")
    spoken = lay_words(["the", "cat", "the", "sofa"], ids("DH IY K AE T DH AH S OW F AH"), words)
    assert spoken.word.tolist() == [0, 0, 1, 1, 1, 2, 2, 3, 3, 3, 3]
    assert "".join(mark or "-" for mark in spoken.stress) == "-0-1--0-1-0"
    assert spoken.agreement == 1
    # A phone is missing, another is another, and a third too many.
    changed = lay_words(["the", "cat", "sofa"], ids("DH AH K EH S OW OW F AH"), words)
    assert changed.word.tolist() == [0, 0, 1, 1, 2, 2, 2, 2, 2]
    assert changed.agreement == pytest.approx(7 / 9)
    # A consonant in the place of a vowel has no stress.
    assert lay_words(["cat"], ids("K W T"), words).stress == ("", "", "")


def test_a_word_that_no_dictionary_has_takes_the_phones_between_its_neighbours(dictionary):
    spoken = lay_words(["the", "zyx", "sofa"], ids("DH AH Z IH K S OW F AH"), read_dictionary(dictionary))
    assert spoken.word.tolist() == [0, 0, 1, 1, 1, 2, 2, 2, 2]
    assert lay_words([], ids("DH AH"), {}).word.tolist() == [-1, -1]


@pytest.mark.parametrize("text", ["cat K AE1 XX", "cat", ""])
def test_dictionaries_of_other_phones_are_refused(tmp_path, text):
    (tmp_path / "d").write_text(text)
    with pytest.raises(CorpusError, match=r"expected words with phones of ARPABET.* found (line 1|no word)"):
        read_dictionary(tmp_path / "d")


def test_tiers_give_each_frame_the_label_that_holds_most_of_it(frames, tmp_path):
    for utterance in CORPUS:
        grid = Textgrid(0, 1)
        grid.addTier(IntervalTier("breaks", [(0, 0.03, "a"), (0.03, 0.07, "b")], 0, 1))
        grid.save(str(tmp_path / f"{utterance.name}.TextGrid"), format="long_textgrid", includeBlankSpaces=True)
    values = read(frames, tmp_path / "v.zarr", {"kind": "tier", "tier": "breaks", "path": tmp_path})
    first = open_frames(frames).offset[0]
    assert [values.names[one] if one >= 0 else "" for one in values.name[first : first + 5]] == ["a", "a", "b", "b", ""]
    with pytest.raises(CorpusError, match="interval tier 'tones', found something else"):
        read(frames, tmp_path / "w.zarr", {"kind": "tier", "tier": "tones", "path": tmp_path})


def tiers(tmp_path, entries):
    content = {"start": 0, "end": 1, "tiers": {"breaks": {"type": "interval", "entries": entries}}}
    for utterance in CORPUS:
        (tmp_path / f"{utterance.name}.TextGrid").write_text(json.dumps(content))
    return {"kind": "tier", "tier": "breaks", "path": tmp_path}


def test_intervals_of_a_tier_may_stand_in_any_order_but_not_overlap(frames, tmp_path):
    values = read(frames, tmp_path / "v.zarr", tiers(tmp_path, [[0.04, 0.08, "b"], [0, 0.04, "a"]]))
    first = open_frames(frames).offset[0]
    assert [values.names[one] if one >= 0 else "" for one in values.name[first : first + 5]] == ["a", "a", "b", "b", ""]
    mixed = [[0, 0.04, "a"], [0.02, 0.02, "x"], [0.03, 0.05, ""], [0.04, 0.08, "b"]]
    values = read(frames, tmp_path / "u.zarr", tiers(tmp_path, mixed))
    assert [values.names[one] if one >= 0 else "" for one in values.name[first : first + 5]] == ["a", "a", "b", "b", ""]
    where = rf"{CORPUS[0].name}\.TextGrid, tier 'breaks'"
    sentence = f"{where}: expected intervals of {CORPUS[0].name} .* found 1 that overlap, first 'b' at 0.03 s"
    with pytest.raises(CorpusError, match=sentence):
        read(frames, tmp_path / "w.zarr", tiers(tmp_path, [[0, 0.04, "a"], [0.03, 0.08, "b"]]))


@pytest.mark.parametrize("separator", ["\t", ",", ";"])
def test_a_table_of_intervals_is_read_by_utterance(frames, tmp_path, separator):
    rows = [(one.name, 0.02, 0.06, "x") for one in CORPUS[:2]]
    pd.DataFrame(rows, columns=["utterance", "start", "end", "label"]).to_csv(
        tmp_path / "i.tsv", sep=separator, index=False
    )
    values = read(frames, tmp_path / "v.zarr", {"kind": "table", "path": str(tmp_path / "i.tsv")}, UTTERANCES)
    shard = open_frames(frames)
    for index in range(3):
        own = values.name[shard.offset[index] : shard.offset[index + 1]]
        assert own.tolist() == [0 if index < 2 and 1 <= frame < 3 else -1 for frame in range(len(own))]


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ({"utterance": ["a"], "label": ["x"]}, "expected the columns utterance, start, end, label"),
        ({"utterance": ["a"], "start": [2], "end": [1], "label": ["x"]}, "a later end in seconds .* line 2"),
        ({"utterance": ["a"], "start": ["soon"], "end": [1], "label": ["x"]}, "a later end in seconds .* line 2"),
        (
            {"utterance": [CORPUS[0].name] * 2, "start": [0, 0.5], "end": [1, 2], "label": ["x", "y"]},
            "one after the other, found 1 that overlap, first 'y' at 0.5 s",
        ),
        (
            {"utterance": [CORPUS[0].name], "start": [0], "end": [700], "label": ["x"]},
            rf"of {CORPUS[0].name} within its [\d.]+ s, found one that ends at 700 s; .*not in milliseconds",
        ),
        (
            {"utterance": ["a"], "start": [0], "end": [0.1], "label": ["x"]},
            rf"such as {CORPUS[0].name}, found others alone \(a\); name them as the corpus does",
        ),
    ],
)
def test_tables_of_intervals_that_will_not_do_are_refused(frames, tmp_path, table, sentence):
    pd.DataFrame(table).to_csv(tmp_path / "i.tsv", sep="\t", index=False)
    with pytest.raises(CorpusError, match=sentence):
        read(frames, tmp_path / "v.zarr", {"kind": "table", "path": str(tmp_path / "i.tsv")}, UTTERANCES)


@pytest.mark.parametrize(
    "transcript",
    [
        '"Don\'t stop," he said.',
        "\u201cDon\u2019t stop,\u201d he said.",
        "don\u2019t stop\u2014he said \u2026",
        "'Don't stop,' he (said)",
    ],
)
def test_words_are_found_behind_typographic_marks(transcript):
    known = {"don't", "stop", "he", "said", "'tis"}
    assert written_words(transcript, known) == ["don't", "stop", "he", "said"]
    assert written_words("'Tis \u2018said\u2019 - so", known) == ["'tis", "said", "so"]


def test_a_transcript_of_another_text_gives_nothing(frames, tmp_path, dictionary):
    utterances = pd.DataFrame({"utterance": [one.name for one in CORPUS], "transcript": "zyx wvu"})
    values = read(frames, tmp_path / "v.zarr", {"kind": "dictionary", "path": dictionary, "what": "words"}, utterances)
    assert (values.interval == -1).all()


def test_a_shard_in_which_nobody_is_annotated_has_no_intervals(frames, tmp_path, caplog):
    table = pd.DataFrame({"utterance": ["another", "stray"], "start": 0, "end": 1, "label": "x"})
    table.to_csv(tmp_path / "i.tsv", sep="\t", index=False)
    corpus = pd.DataFrame({"utterance": [*UTTERANCES["utterance"], "another"]})
    values = read(frames, tmp_path / "v.zarr", {"kind": "table", "path": str(tmp_path / "i.tsv")}, corpus)
    assert (values.interval == -1).all()
    assert f"no intervals of 3 of 3 utterances ({CORPUS[0].name}" in caplog.text
    assert "1 of its 2 utterances are not of this corpus (stray)" in caplog.text


def named(names, kept=True):
    """A shard of one frame a name, each an interval of its own; "" for none."""
    known = tuple(sorted({name for name in names if name}))
    shard = shard_of([(0, 20 * len(names), "AA")], speaker=("s",))
    index = np.array([known.index(name) if name else -1 for name in names], np.int32)
    values = FrameValues(interval=np.arange(len(names), dtype=np.int32), interval_name=index, names=known)
    return dataclasses.replace(shard, values=values, kept=np.array([kept]))


def groups_of(property_, shards):
    layout = property_.lay_out(shards)
    rows = [layout.group_of(shard, sample_frames(shard, Sampling())) for shard in shards]
    return [[layout.groups[one] if one >= 0 else None for one in row] for row in rows]


def test_labels_are_groups_or_are_in_groups_whatever_their_number_in_a_shard():
    shards = [named(["b", "", "a"]), named(["c", "a", "a"])]
    assert groups_of(make_property("p", of="interval"), shards) == [["b", None, "a"], ["c", "a", "a"]]
    joined = make_property("p", of="interval", groups={"one": ["a"], "other": ["c", "d"]})
    assert groups_of(joined, shards) == [[None, None, "one"], ["other", "one", "one"]]
    assert joined.lay_out(shards).lives_in == "stretch"


def test_marks_of_phones_are_groups():
    shard = shard_of([(0, 40, "AA"), (40, 60, "T"), (60, 80, "IY")])
    shard = dataclasses.replace(shard, segment_mark=np.array([2, 0, 1], np.int16), marks=("", "0", "1"))
    stress = make_property("stress", of="mark", groups={"unstressed": ["0"], "primary": ["1"]})
    assert groups_of(stress, [shard]) == [["primary", "primary", None, "unstressed"]]
    assert stress.lay_out([shard]).cells[:2] == (("unstressed", "IY"), ("unstressed", "AA"))
    assert {label for _, label in stress.lay_out([shard]).cells} == {"IY", "AA", "SIL", "SPN"}
    with pytest.raises(CountingError, match=r"expected frames with marks of phones \(stress, tone\), found none"):
        stress.lay_out([shard_of([(0, 40, "AA")])])


def test_how_often_words_occur_is_counted_over_kept_utterances():
    shards = [named(["The", "the", "cat", "the", "a", "a"]), named(["cat"] * 6, kept=False)]
    often = Counter(["the"] * 3 + ["cat"] + ["a"] * 2)
    cut = make_property("f", words="frequency", cuts=[np.log10(1.5), np.log10(2.5)], names=["rare", "some", "often"])
    expected = [["rare", "some", "often"][often[word.lower()] - 1] for word in ["The", "the", "cat", "the", "a", "a"]]
    assert groups_of(cut, shards)[0] == expected


def test_where_in_a_word_a_frame_lies():
    shard = named(["w"] * 6)
    interval = np.array([0, 0, 0, 0, -1, 1], np.int32)
    shard = dataclasses.replace(shard, values=dataclasses.replace(shard.values, interval=interval))
    ends = make_property("p", words="position", cuts=[0.3, 0.7])
    assert groups_of(ends, [shard])[0] == ["up to 0.3", "0.3 to 0.7", "0.3 to 0.7", "above 0.7", None, "0.3 to 0.7"]


@pytest.mark.parametrize(
    ("names", "groups", "sentence"),
    [
        (["a", "a"], None, "expected two groups at least, found a alone"),
        (["", ""], None, "expected frames with labels of intervals, found none"),
        (["a", "b"], {"x": ["a"], "y": ["c"]}, "expected frames in each group, found none in y; the corpus has a, b"),
        ([str(n) for n in range(101)], None, "expected 100 labels at most, .* found 101 different ones"),
    ],
)
def test_labels_that_will_not_do_are_refused(names, groups, sentence):
    with pytest.raises(CountingError, match=f"property p: {sentence}"):
        make_property("p", of="interval", groups=groups).lay_out([named(names)])
    with pytest.raises(StoreError, match="property p: expected intervals of the frames"):
        make_property("p", of="interval").lay_out([shard_of([(0, 20, "AA")])])


def test_the_config_says_where_intervals_come_from():
    base = {
        "data_root": "d",
        "corpora": {"c": {"kind": "demo"}},
        "models": {"m": {"kind": "shipped", "name": "melhubert-mini"}},
        "figures": {"corpus": "c", "model": "m"},
    }
    given = {
        "stress": {"marks": {"a": ["0"], "b": ["1"]}, "dictionary": "cmu.dict"},
        "turns": {"intervals": "t.tsv"},
        "breaks": {"tier": "breaks", "path": "grids/{subset}"},
    }
    config = load_config(base | {"properties": given})
    source = {name: analysis.interval_source(config, "c", "demo", name) for name in (*given, "word_frequency")}
    assert source["stress"] == {"kind": "dictionary", "path": "d/cmu.dict", "what": "stress"}
    assert source["turns"] == {"kind": "table", "path": "d/t.tsv"}
    assert source["breaks"] == {"kind": "tier", "tier": "breaks", "path": "d/grids/demo"}
    assert source["word_frequency"]["subset"]["kind"] == "demo"
    assert analysis.property_settings(config, "turns") == {"of": "interval", "groups": None, "by": "phone"}
    for name in config.properties:
        make_property(name, **analysis.property_settings(config, name))
    with pytest.raises(ConfigError, match=r"properties.turns.groups: .* found in two: x; empty: b"):
        load_config(base | {"properties": {"turns": {"intervals": "t", "groups": {"a": ["x", "x"], "b": []}}}})
