"""Properties of any column and of any track: ranges, what they vary over, cells without phones, and what is refused."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from synthetic_stores import make_corpus, shard_of, write_frames, write_shards

from property_neurons.corpus.frame_store import open_frames
from property_neurons.corpus.frame_values import FrameFiles, FrameValues, open_frame_files, write_values
from property_neurons.corpus.phones import SILENCE
from property_neurons.counting.count import count_activations
from property_neurons.counting.properties import make_property
from property_neurons.counting.sampling import Sampling, sample_frames
from property_neurons.counting.unit_counts import count_units
from property_neurons.errors import ConfigError, CountingError, StoreError

CORPUS = make_corpus(seed=4, n_utterances=12)
AGES = np.random.default_rng(0).permutation(len(CORPUS)).astype(float)


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """Shards of CORPUS, with an age for each utterance, an accent for each speaker, and a number for each frame."""
    folder = tmp_path_factory.mktemp("stores")
    names = [one.name for one in CORPUS]
    columns = {
        "age": dict(zip(names, AGES.tolist(), strict=True)),
        "accent": {name: {"84": "x", "174": "y", "1272": "y"}[name.split("-")[0]] for name in names},
        "session": {name: float(index % 2) for index, name in enumerate(names)},
    }
    shards = []
    for number, (ranks, frames) in enumerate(write_shards(folder, CORPUS, columns=columns)):
        shard = open_frames(frames)
        loudness = FrameValues(number=np.arange(len(shard.label), dtype=np.float32) % 7)
        write_values(folder / f"values-{number}.zarr", shard.utterances, shard.offset, loudness)
        shards.append((ranks, FrameFiles(frames, folder / f"values-{number}.zarr")))
    return shards


def groups_of(property_, stores):
    """The group of each frame of phones, or silence, of all shards, None for none."""
    shards = [open_frame_files(frames) for _, frames in stores]
    layout = property_.lay_out(shards)
    found = []
    for shard in shards:
        group = layout.group_of(shard, sample_frames(shard, Sampling()))
        found += [None if one < 0 else layout.groups[one] for one in group]
    return found


def of_frames(stores, values):
    shards = [open_frame_files(frames) for _, frames in stores]
    return [values(shard, index) for shard in shards for index, n in enumerate(np.diff(shard.offset)) for _ in range(n)]


def test_numbers_of_utterances_are_cut_in_thirds_as_pandas_cuts_them(stores):
    thirds = dict(zip((one.name for one in CORPUS), pd.qcut(AGES, 3, labels=["low", "middle", "high"]), strict=True))
    expected = of_frames(stores, lambda shard, index: thirds[shard.utterances[index]])
    assert groups_of(make_property("age", "age", cuts="tertiles"), stores) == expected


def test_within_the_speaker_differences_from_the_median_are_cut(stores):
    table = pd.DataFrame({"speaker": [one.speaker for one in CORPUS], "age": AGES})
    relative = table["age"] - table.groupby("speaker")["age"].transform("median")
    above = dict(zip((one.name for one in CORPUS), relative > 0.5, strict=True))
    named = make_property("age", "age", cuts=[0.5], within="speaker", names=["young", "old"])
    expected = of_frames(stores, lambda shard, index: "old" if above[shard.utterances[index]] else "young")
    assert groups_of(named, stores) == expected
    assert set(groups_of(make_property("age", "age", cuts=[3, 7.5]), stores)) == {"up to 3", "3 to 7.5", "above 7.5"}


def test_tracks_are_cut_over_frames_of_phones(stores):
    shards = [open_frame_files(frames) for _, frames in stores]
    values = np.concatenate([shard.values.number[shard.of_speech] for shard in shards])
    low, high = np.percentile(values, (100 / 3, 200 / 3))
    number = np.concatenate([shard.values.number for shard in shards])
    expected = np.where(number <= low, "low", np.where(number <= high, "middle", "high")).tolist()
    assert groups_of(make_property("e", track="energy"), stores) == expected


@pytest.mark.parametrize(
    ("settings", "level"),
    [
        ({"column": "accent"}, "speaker"),
        ({"column": "session"}, "utterance"),
        ({"column": "age", "cuts": "tertiles"}, "utterance"),
        ({"track": "energy"}, "run"),
        ({"track": "snr"}, "utterance"),
        ({"track": "speaking_rate"}, "stretch"),
        ({"track": "energy", "by": "none"}, "stretch"),
        ({"column": "accent", "by": "none"}, "speaker"),
    ],
)
def test_labels_are_dealt_where_they_live(stores, tmp_path, settings, level):
    property_ = make_property("p", **settings)
    if settings.get("track") == "snr":
        stores = [(ranks, _constant(frames, tmp_path / f"{n}.zarr")) for n, (ranks, frames) in enumerate(stores)]
    units = count_units(stores, property_, Sampling(), lambda_=0.05, corpus="c", output=tmp_path / "u.zarr")
    assert units.level == level
    groups_of_unit = pd.DataFrame({"unit": units.unit, "group": units.group}).groupby("unit")["group"].nunique()
    assert (groups_of_unit == 1).all()


def _constant(frames, path):
    """Values that are the same in all of an utterance."""
    shard = open_frame_files(frames)
    number = np.repeat(np.arange(len(shard.utterances)), np.diff(shard.offset)).astype(np.float32)
    write_values(path, shard.utterances, shard.offset, FrameValues(number=number))
    return dataclasses.replace(frames, values=path)


def test_without_phones_a_group_is_one_cell_of_all_its_phones(stores, tmp_path):
    by = {}
    for one in ("phone", "none"):
        property_ = make_property("accent", "accent", by=one)
        by[one] = count_activations(
            stores, property_, Sampling(), lambda_=0.05, corpus="c", output=tmp_path / f"{one}.zarr"
        )
    assert by["none"].cells == (("x", "any"), ("y", "any"))
    spoken = [label != SILENCE for _, label in by["phone"].cells]
    for group in (0, 1):
        cells = [index for index, (name, _) in enumerate(by["phone"].cells) if name == "xy"[group] and spoken[index]]
        assert by["none"].phone_cell_n[group] == by["phone"].n[cells].sum()
        np.testing.assert_array_equal(
            by["none"].phone_cell_counts(1)[group], by["phone"].site_counts(1)[cells].sum(axis=0)
        )


def shard_with(value, other="x"):
    shard = shard_of([(0, 60, "AA")])
    return [
        dataclasses.replace(shard, columns=shard.columns | {"c": (one,), "speaker": ("a",)}) for one in (value, other)
    ]


@pytest.mark.parametrize(
    ("values", "settings", "sentence"),
    [
        (("x", ""), {}, "expected two values of c at least, found x alone"),
        ((None, None), {}, "expected utterances, found none"),
        (("x", "y"), {"order": ["x", "y", "z"]}, "expected utterances of each c in `order`, found none of z"),
        ((float("inf"), 1.0), {"cuts": "tertiles"}, "expected a finite number .* found 'inf' for u"),
        (("x", 1.0), {"cuts": "tertiles"}, "expected a finite number .* found 'x' for u"),
        (
            (1.0, 2.0),
            {"cuts": [5.0]},
            r"expected numbers in the column c in every range .* 5, found none in above 5 \(1 to 2\)",
        ),
        ((1.0, 1.0), {"cuts": "tertiles"}, "expected numbers in the column c in every range"),
        ((None, None), {"cuts": "tertiles"}, "expected numbers in the column c, found none"),
    ],
)
def test_columns_that_will_not_do_are_refused(values, settings, sentence):
    shards = shard_with(*values)
    with pytest.raises(CountingError, match=f"property p: {sentence}"):
        make_property("p", "c", **settings).lay_out(shards)


def test_utterances_without_a_value_are_not_counted():
    shards = shard_with(None, "x") + shard_with("y")
    layout = make_property("p", "c").lay_out(shards)
    assert layout.groups == ("x", "y")
    assert layout.cells_of(shards[0], sample_frames(shards[0], Sampling())).tolist() == [-1] * 3
    numbered = shard_with(2.0, 10.0)
    assert make_property("p", "c").lay_out(numbered).groups == ("10", "2")


def test_a_number_that_is_a_name_keeps_all_of_its_digits():
    dates = shard_with(20240101.0, 20240102.0)
    assert make_property("p", "c").lay_out(dates).groups == ("20240101", "20240102")
    assert make_property("p", "c", order=["20240102", "20240101"]).lay_out(dates).groups == ("20240102", "20240101")
    assert make_property("p", "c").lay_out(shard_with(0.1, 1e6)).groups == ("0.1", "1000000")
    ranges = make_property("p", "c", cuts=[20240101.0, 20240102.5]).lay_out(dates + shard_with(20240102.75, None))
    assert ranges.groups == ("up to 20240101", "20240101 to 20240102.5", "above 20240102.5")


def test_a_track_at_a_cut_is_in_the_range_below_it():
    """Tracks are stored in single precision, where 0.1 is more than 0.1 in double."""
    shard = shard_of([(0, 80, "AA")], speaker=("s",))
    numbers = FrameValues(number=np.array([0.1, 0.2, 0.1, 0.3], np.float32))
    shard = dataclasses.replace(shard, values=numbers)
    layout = make_property("e", track="energy", cuts=[0.1]).lay_out([shard])
    assert layout.group_of(shard, sample_frames(shard, Sampling(frames="every"))).tolist() == [0, 1, 0, 1]


def test_many_numbers_are_no_names():
    # Two of each shard, which has no more: numbers are counted over the corpus.
    many = [shard for number in range(0, 30, 2) for shard in shard_with(float(number), float(number + 1))]
    with pytest.raises(
        CountingError, match=r"names in the column c, or at most 20 different numbers, found 30; .* `cuts: tertiles`"
    ):
        make_property("p", "c").lay_out(many)
    assert len(make_property("p", "c").lay_out(many[:20] + shard_with(None, None)).groups) == 20


def test_values_of_other_frames_are_refused(tmp_path):
    frames = write_frames(tmp_path / "f.zarr", CORPUS[:3])
    shard = open_frames(frames)
    write_values(tmp_path / "v.zarr", shard.utterances[::-1], shard.offset, FrameValues(number=np.zeros(3)))
    with pytest.raises(StoreError, match="expected values of the 3 utterances of the frame store beside it"):
        open_frame_files(FrameFiles(frames, tmp_path / "v.zarr"))
    with pytest.raises(StoreError, match="property e: expected numbers of the frames"):
        make_property("e", track="energy").lay_out([shard])


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"cuts": [2.0, 1.0]}, "expected `cuts` of values that ascend"),
        ({"cuts": "tertiles", "names": ["a", "b"]}, "expected 3 different `names` of ranges"),
        ({"cuts": [1.0], "names": ["a", "a"]}, "expected 2 different `names` of ranges"),
    ],
)
def test_ranges_that_make_no_sense_are_refused(settings, sentence):
    with pytest.raises(ConfigError, match=f"property p: {sentence}"):
        make_property("p", "c", **settings)
