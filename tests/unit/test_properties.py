"""Definitions of properties: cells, groups, edges, and what is refused."""

import dataclasses

import numpy as np
import pytest
from synthetic_stores import CLEAN, PUBLISHED, loop_runs, make_corpus, shard_of, write_frames

from property_neurons.corpus.frame_store import open_frames
from property_neurons.corpus.phones import LABELS, PHONE_CLASSES, PHONES, UNVOICED_CONSONANTS
from property_neurons.counting.properties import (
    CategoryProperty,
    DurationProperty,
    PhoneProperty,
    PitchProperty,
    make_property,
    run_durations,
)
from property_neurons.counting.sampling import Sample, Sampling, sample_frames
from property_neurons.errors import ConfigError, CountingError


def groups_of(property_, shard, sampling=None):
    layout = property_.lay_out([shard])
    cells = layout.cells_of(shard, sample_frames(shard, sampling or Sampling()))
    return [layout.cells[cell][0] if cell >= 0 else None for cell in cells]


def test_phone_classes_are_the_default_and_hold_every_phone_once():
    layout = PhoneProperty("phone").lay_out([])
    assert layout.groups == tuple(PHONE_CLASSES)
    assert [cell for cell in layout.cells if cell[0]] == [
        (group, phone) for group, phones in PHONE_CLASSES.items() for phone in phones
    ]
    assert layout.cells[39:] == (("", "SIL"), ("", "SPN"))


def test_single_phones_are_39_groups_of_one():
    layout = PhoneProperty("single_phone", "single").lay_out([])
    assert layout.groups == PHONES
    assert layout.cells[:39] == tuple(zip(PHONES, PHONES, strict=True))


def test_groups_keep_their_order_and_phones_the_order_of_the_rows():
    layout = PhoneProperty("nasality", {"nasal": ["NG", "N", "M"], "stop": ["B", "D"]}).lay_out([])
    assert layout.cells[:5] == (("nasal", "N"), ("nasal", "M"), ("nasal", "NG"), ("stop", "D"), ("stop", "B"))
    assert {label for group, label in layout.cells if group == ""} == set(LABELS) - {"NG", "N", "M", "B", "D"}
    assert sorted(label for _, label in layout.cells) == sorted(LABELS)
    assert [layout.cells[cell][1] for cell in layout.cell_of[0]] == list(LABELS)


def test_phone_groups_that_make_no_sense_are_refused_with_all_that_is_wrong():
    with pytest.raises(ConfigError) as refused:
        PhoneProperty("odd", {"a": ["AA", "XX", "T"], "b": ["T", "sil"], "c": []})
    assert "property odd" in str(refused.value)
    for part in ("phones in two groups: T", "empty groups: c"):
        assert part in str(refused.value)
    with pytest.raises(ConfigError, match=r"property odd: .* found unknown phones: XX, sil; name groups of these"):
        PhoneProperty("odd", {"a": ["AA", "XX", "T"], "b": ["sil"]}).lay_out([])
    with pytest.raises(ConfigError, match="found no groups"):
        PhoneProperty("none", {})


def test_categories_are_sorted_or_in_the_given_order(tmp_path):
    corpus = make_corpus(seed=1, n_utterances=10)
    shard = open_frames(write_frames(tmp_path / "f.zarr", corpus))
    assert CategoryProperty("speaker", "speaker").lay_out([shard]).groups == ("1272", "174", "84")
    assert CategoryProperty("gender", "gender").lay_out([shard]).groups == ("F", "M")
    assert CategoryProperty("gender", "gender", ("M", "F")).lay_out([shard]).groups == ("M", "F")
    without_84 = {(one.subset, one.name) for one in corpus if one.speaker != "84"}
    kept = open_frames(tmp_path / "f.zarr", without_84)
    assert CategoryProperty("speaker", "speaker").lay_out([kept]).groups == ("1272", "174")


def test_any_text_column_of_the_utterances_will_do():
    shard = shard_of([(0, 60, "AA")])
    other = dataclasses.replace(shard, columns=shard.columns | {"accent": ("northern",)})
    layout = make_property("accent", "accent").lay_out([shard, other])
    assert layout.groups == ("northern", "southern")
    assert layout.group_of(shard, sample_frames(shard, Sampling())).tolist() == [1] * 3
    with pytest.raises(
        ConfigError, match="column 'age' is unknown; here has accent, duration, f0, gender, label: name one of these"
    ):
        make_property("age", "age").lay_out([shard])


def test_values_that_the_order_does_not_name_are_refused():
    shard = shard_of([(0, 60, "AA")], gender=("X",))
    with pytest.raises(CountingError, match="expected gender to be one of M, F, found also X"):
        CategoryProperty("gender", "gender", ("M", "F")).lay_out([shard])
    with pytest.raises(ConfigError, match="distinct"):
        CategoryProperty("gender", "gender", ("M", "M"))


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("  ", "a name of blanks alone"),
        ("M ", "blanks around 'M '"),
        ("M\x1b[2J", r"a character that cannot be seen in 'M\\x1b\[2J'"),
    ],
)
@pytest.mark.parametrize("order", [None, ("M", "F")])
def test_values_of_a_corpus_that_are_no_names_are_refused_with_their_utterance(value, found, order):
    """A group named "" would be taken for the labels that a property gives no group: all its neurons for members."""
    shard = shard_of([(0, 60, "AA")], gender=(value,))
    expected = rf"property p: .*gender by name .*found {found} for {shard.utterances[0]} \(here\); .*SPEAKERS.TXT"
    with pytest.raises(CountingError, match=expected):
        CategoryProperty("p", "gender", order).lay_out([shard])
    left_out = dataclasses.replace(shard, kept=np.array([False]))
    with pytest.raises(CountingError, match="property p: expected utterances, found none"):
        CategoryProperty("p", "gender", order).lay_out([left_out])


@pytest.mark.parametrize("order", [None, ("M", "F")])
def test_an_utterance_without_a_gender_is_not_counted(order, caplog):
    """A group named "" would be taken for the labels that a property gives no group: all its neurons for members."""
    shards = [shard_of([(0, 60, "AA")], gender=(value,)) for value in ("F", "", "M")]
    with caplog.at_level("INFO"):
        layout = CategoryProperty("p", "gender", order).lay_out(shards)
    assert layout.groups == (order or ("F", "M"))
    assert "property p: 1 utterances have no gender and are not counted" in caplog.text
    counted = [layout.cells_of(shard, sample_frames(shard, Sampling())) >= 0 for shard in shards]
    assert [cells.all() for cells in counted] == [True, False, True]
    assert not counted[1].any()


def test_values_that_look_alike_are_refused():
    shards = [shard_of([(0, 60, "AA")], accent=(value,)) for value in ("Zo\u00eb", "Zoe\u0308")]
    with pytest.raises(CountingError, match="accent that can be told apart, found 2 groups called 'Zoë'"):
        CategoryProperty("accent", "accent").lay_out(shards)


@pytest.mark.parametrize("name", ["", " ", "F ", "\x00"])
def test_groups_without_a_name_are_refused(name):
    for make in (
        lambda: PhoneProperty("p", {name: ["AA"]}),
        lambda: CategoryProperty("p", "gender", ("M", name)),
        lambda: PitchProperty("p", ("low", name, "high")),
    ):
        with pytest.raises(ConfigError, match=r"property p: expected .* found "):
            make()


@pytest.mark.parametrize(
    ("end_ms", "group"),
    [(59, "< 60 ms"), (60, "60-100 ms"), (80, "60-100 ms"), (100, "60-100 ms"), (101, "> 100 ms")],
)
def test_both_duration_edges_belong_to_the_middle(end_ms, group):
    shard = shard_of([(0, end_ms, "AA"), (end_ms, 300, "T")])
    assert groups_of(DurationProperty("duration"), shard)[0] == group
    assert groups_of(DurationProperty("duration"), shard)[-1] == "> 100 ms"


def test_a_merged_run_lasts_from_its_first_segment_to_its_last():
    shard = shard_of([(0, 50, "AA"), (50, 105, "AA"), (105, 165, "T")])
    merge = Sampling(equal_neighbours="merge")
    assert groups_of(DurationProperty("duration"), shard)[:5] == ["< 60 ms"] * 5
    assert groups_of(DurationProperty("duration"), shard, merge)[:5] == ["> 100 ms"] * 5
    sample = sample_frames(shard, merge)
    assert run_durations(shard, sample).tolist() == [105_000, 60_000]


def test_time_without_a_segment_is_measured_in_frames():
    shard = shard_of([(0, 40, "AA"), (120, 160, "T")])
    assert run_durations(shard, sample_frames(shard, Sampling())).tolist() == [40_000, 80_000, 40_000]
    nothing = Sample(*(np.empty(0, dtype=np.int64) for _ in range(4)))
    assert run_durations(shard, nothing).tolist() == []


def test_duration_edges_are_config():
    shard = shard_of([(0, 40, "AA"), (40, 120, "T")])
    duration = make_property("duration", "duration", edges_ms=[40, 50])
    assert duration.lay_out([]).groups == ("< 40 ms", "40-50 ms", "> 50 ms")
    assert groups_of(duration, shard) == ["40-50 ms"] * 2 + ["> 50 ms"] * 4
    with pytest.raises(ConfigError, match="the shorter first"):
        DurationProperty("duration", (100, 60))


def test_pitch_counts_voiced_phones_or_all():
    shard = shard_of([(0, 100, "AA"), (100, 200, "T")])
    shard.pitch_values[:] = [100.0] * 8 + [80, 120]
    voiced = PitchProperty("pitch", pitch_cuts=(90.0, 110.0))
    labels = [label for group, label in voiced.lay_out([shard]).cells if group == "low"]
    assert labels == [phone for phone in PHONES if phone not in UNVOICED_CONSONANTS] + ["SIL", "SPN"]
    assert groups_of(voiced, shard) == ["middle"] * 5 + [None] * 5
    every = PitchProperty("pitch", pitch_cuts=(90.0, 110.0), pitch_phones="all")
    assert groups_of(every, shard) == ["middle"] * 8 + ["low", "high"]
    # Where cells are not of phones, phones still say which frames count.
    by_none = PitchProperty("pitch", pitch_cuts=(90.0, 110.0), by="none")
    assert groups_of(by_none, shard) == ["middle"] * 5 + [None] * 5
    assert groups_of(dataclasses.replace(by_none, pitch_phones="all"), shard) == ["middle"] * 8 + ["low", "high"]


def test_a_section_of_the_configuration_makes_a_property():
    assert make_property("p", "label", groups="single") == PhoneProperty("p", "single")
    assert make_property("p", "gender", order=["M", "F"]) == CategoryProperty("p", "gender", ("M", "F"))
    assert make_property("p", "f0", pitch_cuts=[100.0, 200.0], names=["a", "b", "c"]) == PitchProperty(
        "p", ("a", "b", "c"), (100.0, 200.0)
    )
    with pytest.raises(ConfigError, match="order, width unknown for column 'duration', which knows by, edges_ms"):
        make_property("p", "duration", order=["x"], width=3)


@pytest.mark.parametrize("options", [CLEAN, PUBLISHED], ids=["clean", "published"])
def test_sampled_frames_equal_a_plain_loop(tmp_path, options):
    corpus = make_corpus(seed=3, n_utterances=20)
    shard = open_frames(write_frames(tmp_path / "f.zarr", corpus))
    sample = sample_frames(shard, Sampling(options["frames"], options["last_run"], options["equal_neighbours"]))
    expected, runs = [], []
    for index, utterance in enumerate(corpus):
        for run in loop_runs(utterance, options):
            frames = [(run[0] + run[-1]) // 2] if options["frames"] == "segment_mid" else run
            expected += [int(shard.offset[index]) + frame for frame in frames]
            runs += [(int(shard.offset[index]) + run[0], int(shard.offset[index]) + run[-1] + 1)] * len(frames)
    assert sample.position.tolist() == expected
    assert list(zip(sample.run_start[sample.run], sample.run_end[sample.run], strict=True)) == runs
