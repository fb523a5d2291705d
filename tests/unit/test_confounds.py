"""Where a confound is the same: equal to plain loops; neurons of the confound go, those of the group stay."""

import math
from dataclasses import replace

import numpy as np
import pytest
from made_units import made_units
from synthetic_stores import make_corpus, write_shards

from property_neurons.corpus.frame_store import open_frames
from property_neurons.corpus.frame_values import FrameFiles, FrameValues, open_frame_files, write_values
from property_neurons.counting.count import count_activations
from property_neurons.counting.pitch_bins import find_relative_cuts
from property_neurons.counting.properties import make_property
from property_neurons.counting.sampling import Sampling, sample_frames
from property_neurons.counting.strata import PhoneThirdsOfF0, make_crossed
from property_neurons.counting.unit_counts import count_units
from property_neurons.errors import CountingError
from property_neurons.neurons.definition import SetDefinition
from property_neurons.neurons.groups import neuron_table
from property_neurons.neurons.statistics.confounds import Crossed, confounds

COUNTED = {"lambda_": 0.05, "corpus": "made-up"}
GENDER = make_property("gender", "gender", order=["M", "F"])
PHONE = make_property("phone", "label", groups={"front": ["IY", "T"], "back": ["AH", "N"]})
PITCH = make_property("pitch", "f0")
CROSSED = {
    "gender given f0": (GENDER, {"column": "f0"}),
    "gender given duration": (GENDER, {"column": "duration"}),
    "phone given duration": (PHONE, {"column": "duration"}),
    "phone given speaker": (PHONE, {"column": "speaker"}),
    "pitch given speaker": (PITCH, {"column": "f0", "within": "speaker"}),
}


@pytest.fixture(scope="module")
def corpus():
    return make_corpus(seed=3, n_utterances=12)


@pytest.fixture(scope="module")
def shards(tmp_path_factory, corpus):
    return write_shards(tmp_path_factory.mktemp("shards"), corpus)


@pytest.fixture(scope="module")
def counted(tmp_path_factory, shards):
    folder = tmp_path_factory.mktemp("counts")
    return {
        name: count_units(
            shards, make_crossed(whole, **strata), Sampling(), output=folder / f"{number}.zarr", **COUNTED
        )
        for number, (name, (whole, strata)) in enumerate(CROSSED.items())
    }


@pytest.mark.parametrize("name", CROSSED)
def test_strata_sum_up_to_the_counts_of_the_property(tmp_path, shards, counted, name):
    whole = count_activations(shards, CROSSED[name][0], Sampling(), output=tmp_path / "cells.zarr", **COUNTED)
    units = counted[name]
    crossed = Crossed(units, SetDefinition(), by_strata=False)
    assert crossed.groups == whole.groups
    assert crossed.frames(crossed.stratum).sum(axis=1).tolist() == whole.phone_cell_n.tolist()
    for site in range(len(units.sites)):
        sums = np.zeros((len(crossed.group_of_cell), units.sites[site].width), np.int64)
        np.add.at(sums, crossed.cell, units.site_counts(site).toarray())
        assert (sums == whole.phone_cell_counts(site)).all()


def beside(folder, shards, values_of):
    """The shards with stores of values for a confound."""
    files = []
    for number, (ranks, store) in enumerate(shards):
        frames = open_frames(store)
        path = folder / f"{number}.zarr"
        write_values(path, frames.utterances, frames.offset, values_of(frames))
        files.append((ranks, FrameFiles(store, confound=path)))
    return files


def test_intervals_that_are_utterances_named_by_their_speakers_are_their_speakers(tmp_path, shards, counted):
    def spoken(frames):
        names = tuple(sorted(set(frames.columns["speaker"])))
        name = np.array([names.index(speaker) for speaker in frames.columns["speaker"]], np.int32)
        interval = np.repeat(np.arange(len(name), dtype=np.int32), np.diff(frames.offset))
        return FrameValues(interval=interval, interval_name=name, names=names)

    crossed, files = make_crossed(PHONE, of="utterance interval", by="none"), beside(tmp_path, shards, spoken)
    units = count_units(files, crossed, Sampling(), output=tmp_path / "units.zarr", **COUNTED)
    expected = counted["phone given speaker"]
    assert units.strata == (*expected.strata, "(none)")
    found, other = (Crossed(one, SetDefinition(), by_strata=False) for one in (units, expected))
    assert found.frames(found.stratum)[:, :-1].tolist() == other.frames(other.stratum).tolist()
    for site in range(len(units.sites)):
        sets = [
            one.group_neurons(one.units.site_counts(site).astype(float), one.stratum, site) for one in (found, other)
        ]
        assert (sets[0] == sets[1]).all()


def test_a_confound_may_have_hundreds_of_values():
    """Such as the speakers of a large corpus, for phones."""
    strata, phones = 200, 2
    group, phone = np.divmod(np.arange(strata * phones), phones)
    units = made_units(
        "run",
        speaker=group % 10,
        phone=phone,
        group=phone * strata + group,
        n=40,
        counts=[np.random.default_rng(0).binomial(40, 0.1, size=(len(group), 6))],
        unit=np.arange(len(group)),
        cells=np.repeat(np.eye(phones, dtype=bool), strata, axis=0),
        strata=tuple(f"s{number}" for number in range(strata)),
        n_groups=phones * strata,
    )
    units = replace(units, groups=tuple(f"{of} s{number}" for of in ("front", "back") for number in range(strata)))
    crossed = Crossed(units, SetDefinition(), by_strata=False)
    for dealt in crossed.dealt(3, 0):
        assert dealt.min() >= 0
        assert dealt.max() > 127
        assert crossed.frames(dealt).sum(axis=1).tolist() == crossed.frames(crossed.stratum).sum(axis=1).tolist()


def test_frames_without_the_confound_are_a_part_of_their_own(tmp_path, shards):
    def numbers(frames):
        values = np.arange(len(frames.label), dtype=np.float32) % 7
        return FrameValues(number=np.where(values == 6, np.float32("nan"), values))

    crossed = make_crossed(GENDER, track="energy", cuts=[2.5])
    ((_, files), *_) = beside(tmp_path, shards[:1], numbers)
    frames = open_frame_files(files)
    layout = crossed.lay_out([frames])
    assert layout.strata[-1] == "(none)" and len(layout.strata) == 3
    sample = sample_frames(frames, Sampling("every"))
    group, value = layout.group_of(frames, sample), sample.position % 7
    gender = np.array(frames.columns["gender"])[np.searchsorted(frames.offset, sample.position, side="right") - 1]
    assert group.tolist() == [
        3 * "MF".index(one) + (2 if number == 6 else int(number > 2.5))
        for one, number in zip(gender, value, strict=True)
    ]


def test_thirds_of_f0_are_those_of_each_phone(corpus, shards, counted):
    voiced = {}
    tracks = {}
    for utterance in corpus:
        track = [*utterance.f0, *[math.nan] * len(utterance.frames)][: len(utterance.frames)]
        tracks[utterance.name] = np.array(track, dtype=np.float32)
        for (label, _), value in zip(utterance.frames, tracks[utterance.name], strict=True):
            if not math.isnan(value):
                voiced.setdefault(label, []).append(value)
    cuts = {label: np.percentile(np.float64(values), [100 / 3, 200 / 3]) for label, values in voiced.items()}
    frames = {}
    for utterance in corpus:
        for (label, _), value in list(zip(utterance.frames, tracks[utterance.name], strict=True))[
            : len(utterance.activations[0])
        ]:
            part = 3 if math.isnan(value) else int(sum(value > np.float32(cut) for cut in cuts[label]))
            frames[utterance.gender, label, part] = frames.get((utterance.gender, label, part), 0) + 1
    units = counted["gender given f0"]
    crossed = Crossed(units, SetDefinition(), by_strata=False)
    n = crossed.frames(crossed.stratum)
    for cell, (group, phone) in enumerate(zip(crossed.group_of_cell, crossed.phone_of_cell, strict=True)):
        expected = [frames.get((crossed.groups[group], units.phones[phone], part), 0) for part in range(4)]
        assert n[cell].tolist() == expected
    assert units.strata == ("low", "middle", "high", "unvoiced")


def test_relative_pitch_is_in_semitones_from_the_speakers_median(corpus, shards):
    of_speaker = {}
    for utterance in corpus:
        of_speaker.setdefault(utterance.speaker, []).extend(v for v in utterance.f0 if not math.isnan(v))
    medians = {speaker: np.median(np.float32(values)) for speaker, values in of_speaker.items() if values}
    relative = [12 * math.log2(value / medians[s]) for s, values in of_speaker.items() for value in values]
    cuts, found = find_relative_cuts((open_frames(frames) for _, frames in shards), "tertiles")
    assert found == pytest.approx(medians)
    assert cuts == pytest.approx(np.percentile(relative, [100 / 3, 200 / 3]), abs=1e-4)
    layout = make_property("pitch", "f0", within="speaker").lay_out([open_frames(shards[0][1])])
    assert layout.pitch_cuts_hz is None


def test_corpora_without_f0_are_refused(tmp_path):
    for pitch, problem in (("none", "found none"), ("bins", "found bins")):
        shard = open_frames(write_shards(tmp_path / pitch, make_corpus(seed=7, pitch=pitch), 1, pitch)[0][1])
        with pytest.raises(CountingError, match=problem):
            find_relative_cuts([shard], "tertiles")
        if pitch == "none":
            with pytest.raises(CountingError, match=problem):
                PhoneThirdsOfF0().lay_out([shard])


def loop_given(crossed, counts):
    """G given the strata, cell by cell, by the definitions."""
    units, definition = crossed.units, crossed.definition
    groups, parts, width = range(len(crossed.groups)), range(crossed.n_strata), counts.shape[1]
    n, c = {}, {}
    for row in range(len(units.n)):
        key = (int(crossed.group_of_cell[crossed.cell[row]]), int(units.phone[row]), int(crossed.stratum[row]))
        n[key] = n.get(key, 0) + int(units.n[row])
        c[key] = c.get(key, 0) + counts[row].astype(int)
    holding, phones_of = np.zeros((len(groups), width), int), [0] * len(groups)
    for group, phone in zip(crossed.group_of_cell.tolist(), crossed.phone_of_cell.tolist(), strict=True):
        phones_of[group] += 1
        if crossed.of_phone:
            sizes = [
                [sum(frames for (g, _, s), frames in n.items() if (g, s) == (one, part)) for one in groups]
                for part in parts
            ]
        else:
            there = [one for one in groups if any((one, phone, part) in n for part in parts)]
            sizes = [[n.get((one, phone, part), 0) for one in there] for part in parts]
        weights = [1 / sum(1 / size for size in of_part) if of_part and min(of_part) else 0 for of_part in sizes]
        weights = [weight if (group, phone, part) in n else 0 for part, weight in enumerate(weights)]
        if not sum(weights):
            continue
        active = sum(weights[s] / sum(weights) * c[group, phone, s] / n[group, phone, s] for s in parts if weights[s])
        holding[group] += active > units.lambda_ + 1e-12
    needed = [max(1, math.ceil(definition.sigma * size - 1e-9)) for size in phones_of]
    members = holding >= np.array(needed)[:, np.newaxis]
    return members & (members.sum(axis=0) == 1)


@pytest.mark.parametrize("name", list(CROSSED)[:4])
def test_sets_given_strata_equal_a_plain_loop(counted, name):
    found = 0
    for sigma in (0.05, 0.15, 0.3):
        crossed = Crossed(counted[name], SetDefinition(sigma=sigma), by_strata=False)
        for site in range(2):
            counts = counted[name].site_counts(site)
            given = crossed.group_neurons(counts, crossed.stratum, site)
            assert (given == loop_given(crossed, counts.toarray())).all()
            found += given.sum()
    assert found > 0


def test_relative_pitch_takes_the_place_of_pitch(tmp_path, shards, counted):
    relative = make_property("pitch", "f0", within="speaker")
    cells = count_activations(shards, relative, Sampling(), output=tmp_path / "cells.zarr", **COUNTED)
    definition = SetDefinition(sigma=0.3)
    crossed = Crossed(counted["pitch given speaker"], definition, by_strata=True)
    table = neuron_table(cells, definition)
    for site in range(2):
        given = crossed.group_neurons(crossed.units.site_counts(site), crossed.stratum, site)
        expected = table[table["exclusive"] & (table["layer"] == site + 1)]
        assert set(zip(*np.nonzero(given), strict=True)) == {
            (cells.groups.index(row.group), row.neuron) for row in expected.itertuples()
        }


def simulated(of_group, of_f0, *, seed=0, speakers=16, phones=5, neurons=40, runs=30):
    """Gender in three strata of F0, men mostly in the low, women mostly in the high one; 12 neurons follow one of both.

    of_group, of_f0: how much more active they are for women, and in the high stratum.
    """
    rng = np.random.default_rng(seed)
    speaker, phone = np.divmod(np.arange(speakers * phones * runs) // runs, phones)
    woman = speaker % 2
    stratum = np.where(
        woman, rng.choice(3, len(speaker), p=[0.1, 0.2, 0.7]), rng.choice(3, len(speaker), p=[0.7, 0.2, 0.1])
    )
    rates = np.full((len(speaker), neurons), 0.02)
    rates[:, :12] += (of_group * woman + of_f0 * (stratum == 2))[:, np.newaxis]
    n = np.full(len(speaker), 4)
    counts = rng.binomial(n[:, np.newaxis], rates)
    return made_units(
        "run",
        speaker=speaker,
        phone=phone,
        group=woman * 3 + stratum,
        n=n,
        counts=[counts],
        unit=np.arange(len(speaker)),
        lambda_=0.09,
        strata=("low", "middle", "high"),
    )


@pytest.mark.parametrize(
    ("effects", "stay"), [({"of_group": 0.1, "of_f0": 0.0}, 12), ({"of_group": 0.0, "of_f0": 0.15}, 0)]
)
def test_neurons_of_the_confound_go_and_those_of_the_group_stay(monkeypatch, effects, stay):
    monkeypatch.setattr("property_neurons.neurons.statistics.confounds.DEALS", 20)
    units = simulated(**effects)
    units = units.__class__(**{**vars(units), "groups": tuple(f"{g} | {s}" for g in "MF" for s in units.strata)})
    definition = SetDefinition(sigma=0.8)
    whole = made_units(
        "run",
        speaker=units.speaker,
        phone=units.phone,
        group=units.group // 3,
        n=units.n,
        counts=units.made,
        lambda_=0.09,
    )
    whole = whole.__class__(**{**vars(whole), "groups": ("M", "F")})
    result = confounds(units, definition, neuron_table(whole, definition), by_strata=False, seed=0)
    row = result.layers[(result.layers["group"] == "") & (result.layers["layer"] == 0)].iloc[0]
    assert row["found"] == 12
    assert row["stay"] == stay
    # Strata that mean nothing take nothing away.
    assert row["dealt_share"] > 0.9
    assert (row["p"] < 0.05) == (stay == 0)
    again = confounds(units, definition, neuron_table(whole, definition), by_strata=False, seed=0)
    assert again.layers.equals(result.layers)
    cells = result.cells
    assert cells.groupby(["group", "phone"])["weight"].sum().to_numpy() == pytest.approx(1)
    assert cells["frames"].sum() == units.n.sum()
    of_men = cells[cells["group"] == "M"]["weight"].to_numpy()
    assert of_men == pytest.approx(cells[cells["group"] == "F"]["weight"].to_numpy())


def test_dealt_strata_are_those_of_one_other_speaker_in_the_same_cell():
    units = simulated(0.0, 0.0, speakers=6, phones=2, runs=8)
    crossed = Crossed(units, SetDefinition(), by_strata=False)
    has = {}
    for row in range(len(units.n)):
        has.setdefault((crossed.cell[row], units.speaker[row]), set()).add(crossed.stratum[row])
    for dealt in crossed.dealt(5, seed=1):
        for speaker in range(6):
            rows = np.flatnonzero(units.speaker == speaker)
            donors = [
                other
                for other in range(speaker % 2, 6, 2)
                if all(dealt[row] in has[crossed.cell[row], other] for row in rows)
            ]
            assert donors


def test_whole_groups_are_no_strata():
    units = simulated(0.0, 0.0, speakers=4, phones=2, runs=2)
    with pytest.raises(CountingError, match="expected groups in strata"):
        Crossed(units.__class__(**{**vars(units), "strata": ()}), SetDefinition(), by_strata=False)
    with pytest.raises(CountingError, match="as many strata as groups, found 3 and 2"):
        Crossed(units, SetDefinition(), by_strata=True)
