"""Counts by unit against the counts of cells, and against a plain loop over frames."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from synthetic_stores import make_corpus, write_shards

from property_neurons.corpus.frame_store import open_frames
from property_neurons.corpus.frame_values import FrameFiles, FrameValues, write_values
from property_neurons.counting import unit_counts, unit_pools
from property_neurons.counting.count import count_activations
from property_neurons.counting.exchangeable import Exchangeable
from property_neurons.counting.properties import make_property
from property_neurons.counting.sampling import Sampling
from property_neurons.counting.strata import make_crossed
from property_neurons.counting.unit_count_store import open_unit_counts
from property_neurons.counting.unit_counts import count_units
from property_neurons.counting.unit_pools import DEALINGS
from property_neurons.errors import CountingError, StoreError

PROPERTIES = {
    "gender": {"column": "gender", "order": ["M", "F"]},
    "speaker": {"column": "speaker"},
    "subset": {"column": "subset"},
    "phone": {"column": "label", "groups": {"front": ["IY", "T"], "back": ["AH", "N"]}},
    "single_phone": {"column": "label", "groups": "single"},
    "pitch": {"column": "f0"},
    "duration": {"column": "duration"},
}
LEVELS = {"gender": "speaker", "speaker": "speaker", "subset": "utterance"}


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return write_shards(tmp_path_factory.mktemp("shards"), make_corpus(seed=3, n_utterances=12))


SUMMED_UP = {"speaker": "speaker", "utterance": "speaker and group", "run": "speaker, phone and group"}


@pytest.mark.parametrize("sampling", [Sampling(), Sampling("segment_mid", "drop", "merge")], ids=["every", "published"])
@pytest.mark.parametrize("much", [False, True], ids=["little", "much"])
@pytest.mark.parametrize("name", PROPERTIES)
def test_units_sum_up_to_the_counts_of_cells(tmp_path, shards, name, sampling, much, monkeypatch):
    if much:
        monkeypatch.setattr(unit_counts, "summed_up", lambda frames, tau: True)
    property_ = make_property(name, **PROPERTIES[name])
    arguments = {"lambda_": 0.05, "corpus": "made-up"}
    cells = count_activations(shards, property_, sampling, output=tmp_path / "cells.zarr", **arguments)
    units = count_units(shards, property_, sampling, output=tmp_path / "units.zarr", **arguments)
    level = LEVELS.get(name, "run")
    assert units.level == (SUMMED_UP[level] if much else level)
    if much:
        rows = zip(units.speaker.tolist(), units.phone.tolist(), units.group.tolist(), strict=True)
        assert set(Counter(rows).values()) == {1}
    assert units.of_phone == (name in ("phone", "single_phone"))
    assert (units.groups, units.sites, units.tau) == (cells.groups, cells.sites, cells.tau)
    assert units.phone_cell_n.tolist() == cells.phone_cell_n.tolist()
    assert units.phone_cell_groups.tolist() == cells.phone_cell_groups.tolist()
    for site in range(len(units.sites)):
        assert (units.phone_cell_counts(site) == cells.phone_cell_counts(site)).all()
    assert units.n.sum() > 0
    of_unit = {}
    for unit, speaker, group in zip(units.unit, units.speaker, units.group, strict=True):
        assert of_unit.setdefault(unit, (speaker, group)) in {(speaker, group), (speaker, of_unit[unit][1])}
        if not units.of_phone:
            assert of_unit[unit] == (speaker, group)


def test_rows_of_speakers_are_all_their_frames_of_a_phone(tmp_path, shards):
    units = count_units(
        shards,
        make_property("gender", **PROPERTIES["gender"]),
        Sampling(),
        lambda_=0.05,
        corpus="made-up",
        output=tmp_path / "units.zarr",
    )
    rows = Counter(zip(units.speaker.tolist(), units.phone.tolist(), strict=True))
    assert set(rows.values()) == {1}
    frames = Counter()
    for utterance in make_corpus(seed=3, n_utterances=12):
        # The model may give one frame fewer than there are labels.
        frames.update((utterance.speaker, label) for label, _ in utterance.frames[: len(utterance.activations[0])])
    for speaker, phone, n in zip(units.speaker, units.phone, units.n, strict=True):
        assert frames[units.speakers[speaker], units.phones[phone]] == n


@pytest.mark.parametrize(
    ("room", "speakers", "dealings"),
    [
        # 960 hours of pitch; 40 groups; so many that hardly anything fits; few speakers; one.
        (485, 2484, 8),
        (28, 251, 2),
        (1, 251, 1),
        (373, 20, 18),
        (373, 1, 32),
    ],
)
def test_labels_are_dealt_as_often_as_there_is_room_for(room, speakers, dealings):
    assert unit_pools.number_of_dealings(room, speakers) == dealings


@pytest.mark.parametrize("pooled", [1, 2])
@pytest.mark.parametrize("name", ["pitch", "subset"])
def test_labels_of_units_that_are_summed_up_are_dealt_within_speakers(tmp_path, monkeypatch, name, pooled):
    """Each dealing against a plain loop over the units, pooled or not."""
    shards = write_shards(tmp_path, make_corpus(seed=3, n_utterances=24))
    property_ = make_property(name, **PROPERTIES[name])
    arguments = {"lambda_": 0.05, "corpus": "made-up"}
    units = count_units(shards, property_, Sampling(), output=tmp_path / "units.zarr", **arguments)
    monkeypatch.setattr(unit_counts, "summed_up", lambda frames, tau: True)
    room = DEALINGS * -(-len(units.speakers) // pooled) * len(units.phones) * len(units.groups) * 80
    monkeypatch.setattr(unit_pools, "MOST_COUNTS", room)
    monkeypatch.setattr(unit_counts, "number_of_dealings", lambda room, speakers: DEALINGS)
    summed = count_units(shards, property_, Sampling(), output=tmp_path / "summed.zarr", **arguments)
    assert (summed.dealings, summed.pooled) == (DEALINGS, pooled)
    pool_of = {name: number % len(summed.speakers) for number, name in enumerate(units.speakers)}
    assert {name: pool_of[name] for name in summed.speakers} == dict(zip(summed.speakers, range(9), strict=False))
    _, first, of_row = np.unique(units.unit, return_index=True, return_inverse=True)
    block = units.speaker[first] * 100 + (units.phone[first] if name == "pitch" else 0)
    (others,) = Exchangeable(units.group[first], block).deals(DEALINGS - 1, seed=0)
    assert len({labels.tobytes() for labels in others}) == DEALINGS - 1
    for dealing, labels in enumerate([units.group[first], *others]):
        dealt = summed.dealt(dealing)
        for site in range(2):
            expected, found = Counter(), Counter()
            for one, unit, of, group in (
                (expected, units, [pool_of[units.speakers[speaker]] for speaker in units.speaker], labels[of_row]),
                (found, dealt, dealt.speaker.tolist(), dealt.group),
            ):
                counts = np.column_stack([unit.site_counts(site).toarray(), unit.n])
                for row, where in enumerate(zip(of, unit.phone.tolist(), group.tolist(), strict=True)):
                    one.update({(*where, neuron): int(counts[row, neuron]) for neuron in np.flatnonzero(counts[row])})
            assert found == expected


def test_speakers_are_the_same_in_several_passes(tmp_path, shards, monkeypatch):
    def counted(path):
        property_ = make_property("gender", **PROPERTIES["gender"])
        return count_units(shards, property_, Sampling(), lambda_=0.05, corpus="made-up", output=tmp_path / path)

    at_once = counted("once.zarr")
    monkeypatch.setattr(unit_counts, "_HELD_BYTES", 3 * len(at_once.phones) * 80 * 4)
    one_by_one = counted("passes.zarr")
    assert (one_by_one.n == at_once.n).all()
    for site in range(len(at_once.sites)):
        assert (one_by_one.site_counts(site) != at_once.site_counts(site)).nnz == 0


def test_other_stores_are_refused(tmp_path, shards):
    property_ = make_property("gender", **PROPERTIES["gender"])
    count_activations(shards, property_, Sampling(), lambda_=0.05, corpus="m", output=tmp_path / "cells.zarr")
    with pytest.raises(StoreError, match="expected counts by unit"):
        open_unit_counts(tmp_path / "cells.zarr")


# Of eight speakers, 0, 1, 2, 4 and 6 of them women: two together at most, of one gender where that is the property.
OF_ONE_GENDER = {"0": "04", "1": "16", "2": "2", "3": "37", "5": "5"}
OF_ANY = {"0": "04", "1": "15", "2": "26", "3": "37"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "strata", "pools"),
    [
        ("gender", None, OF_ONE_GENDER),
        ("gender", {"column": "duration"}, OF_ONE_GENDER),
        ("pitch", None, OF_ANY),
        ("phone", None, OF_ANY),
    ],
)
def test_speakers_are_pooled_where_they_would_take_too_much_memory(tmp_path, monkeypatch, name, strata, pools):
    corpus = [
        replace(utterance, speaker=str(number % 8), gender="M" if number % 8 in (3, 5, 7) else "F")
        for number, utterance in enumerate(make_corpus(seed=3, n_utterances=24))
    ]
    shards = write_shards(tmp_path, corpus)
    property_ = make_property(name, **PROPERTIES[name])
    property_ = property_ if strata is None else make_crossed(property_, **strata)
    arguments = {"lambda_": 0.05, "corpus": "made-up"}
    monkeypatch.setattr(unit_counts, "summed_up", lambda frames, tau: True)
    monkeypatch.setattr(unit_counts, "number_of_dealings", lambda room, speakers: DEALINGS)
    each = count_units(shards, property_, Sampling(), output=tmp_path / "each.zarr", **arguments)
    groups = 1 if name in ("gender", "phone") and strata is None else len(each.groups)
    assert each.dealings == (DEALINGS if name == "pitch" else 1)
    monkeypatch.setattr(unit_pools, "MOST_COUNTS", 5 * len(each.phones) * groups * each.dealings * 80)
    monkeypatch.setattr(unit_counts, "_ROWS_AT_ONCE", 2)
    monkeypatch.setattr(unit_counts, "_FRAMES_AT_ONCE", 5)
    pooled = count_units(shards, property_, Sampling(), output=tmp_path / "pooled.zarr", **arguments)
    assert (each.pooled, pooled.pooled, pooled.level) == (1, 2, each.level)
    assert pooled.speakers == tuple(pools)
    assert each.speakers == tuple("01234567")
    for site in range(2):
        for pool, speakers in pools.items():
            of_pool = sum(cell_sums(each, site, speaker) for speaker in speakers)
            assert of_pool.sum() > 0
            assert (cell_sums(pooled, site, pool) == of_pool).all()


def test_a_pause_does_not_end_a_stretch(tmp_path, shards):
    """Of two labels, each for half an utterance with its pauses, an utterance makes two units at most."""
    files, halves, paused = [], set(), 0
    for number, (ranks, store) in enumerate(shards):
        frames = open_frames(store)
        utterance = np.repeat(np.arange(len(frames.utterances)), np.diff(frames.offset))
        length = np.diff(frames.offset)[utterance]
        second = np.arange(len(frames.label)) - frames.offset[utterance] >= length // 2
        path = tmp_path / f"{number}.zarr"
        values = FrameValues(
            interval=(2 * utterance + second).astype(np.int32),
            interval_name=np.tile([0, 1], len(frames.utterances)).astype(np.int32),
            names=("calm", "loud"),
        )
        write_values(path, frames.utterances, frames.offset, values)
        files.append((ranks, FrameFiles(store, values=path)))
        spoken = frames.label != frames.inventory.labels.index("SIL")
        halves |= {(number, one) for one in (2 * utterance + second)[spoken]}
        of_half = 2 * utterance[spoken] + second[spoken]
        paused += int(((np.diff(np.flatnonzero(spoken)) > 1) & (np.diff(of_half) == 0)).sum())
    property_ = make_property("emotion", of="interval", by="none")
    units = count_units(files, property_, Sampling(), lambda_=0.05, corpus="made-up", output=tmp_path / "units.zarr")
    assert paused
    assert units.level == "stretch"
    assert len(np.unique(units.unit)) <= len(halves)
    assert len(np.unique(units.unit)) > len(halves) / 2


def cell_sums(units, site, speaker):
    """Of one speaker counts and, last, frames: [groups, phones, neurons + 1]."""
    rows = np.flatnonzero(units.speaker == units.speakers.index(speaker))
    sums = np.zeros((len(units.groups), len(units.phones), units.sites[site].width + 1), np.int64)
    counts = np.column_stack([units.site_counts(site).toarray(), units.n])
    np.add.at(sums, (units.group[rows], units.phone[rows]), counts[rows])
    return sums


def test_blocks_keep_units_together(tmp_path, shards, monkeypatch):
    def counted(name, path):
        property_ = make_property(name, **PROPERTIES[name])
        return count_units(shards, property_, Sampling(), lambda_=0.05, corpus="made-up", output=tmp_path / path)

    at_once = {name: counted(name, f"{name}.zarr") for name in ("pitch", "subset")}
    monkeypatch.setattr(unit_counts, "_FRAMES_AT_ONCE", 7)
    for name, whole in at_once.items():
        in_blocks = counted(name, f"{name}-blocks.zarr")
        assert (in_blocks.n == whole.n).all()
        for site in range(len(whole.sites)):
            assert (in_blocks.site_counts(site) != whole.site_counts(site)).nnz == 0


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("speaker", "speakers of [0-9]+ groups"),
        ("pitch", "GB.; put .* or count on a corpus of less speech"),
    ],
)
def test_speakers_that_do_not_fit_even_pooled_are_refused_before_a_rank_is_read(
    tmp_path, shards, monkeypatch, name, found
):
    monkeypatch.setattr(unit_counts, "summed_up", lambda frames, tau: True)
    monkeypatch.setattr(unit_pools, "MOST_COUNTS", 200)
    monkeypatch.setattr("property_neurons.ranks.store.RankStore.ids", None)
    with pytest.raises(CountingError, match=f"property {name}: expected at most 200 counts .* found .*{found}"):
        count_units(
            shards,
            make_property(name, **PROPERTIES[name]),
            Sampling(),
            lambda_=0.05,
            corpus="made-up",
            output=tmp_path / "units.zarr",
        )
    assert not list(tmp_path.iterdir())
