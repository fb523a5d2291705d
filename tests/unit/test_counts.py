"""Counts against a plain loop over the frames of a made-up corpus, and stores that do not belong together."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_stores import (
    CLEAN,
    PUBLISHED,
    WIDTHS,
    loop_counts,
    loop_runs,
    make_corpus,
    renamed,
    write_frames,
    write_ranks,
    write_shards,
)

from property_neurons.corpus.phones import PHONES
from property_neurons.counting import cell_sums
from property_neurons.counting import count as counts_module
from property_neurons.counting.count import count_activations
from property_neurons.counting.count_store import open_counts
from property_neurons.counting.properties import make_property
from property_neurons.counting.sampling import Sampling
from property_neurons.errors import CountingError, StoreError

PITCH_KEYS = ("pitch_cuts", "at_lower_cut", "f0_padding", "pitch_phones")
COLUMNS = ("label", "single", "gender", "speaker", "subset", "f0", "duration")


def property_of(column, options):
    if column == "single":
        return make_property("single_phone", "label", groups="single")
    if column == "f0":
        return make_property("pitch", "f0", **{key: options[key] for key in PITCH_KEYS})
    return make_property(column, column, **({"order": ["M", "F"]} if column == "gender" else {}))


def count(tmp_path, shards, column, options, lambda_=0.05, **extra):
    sampling = Sampling(options["frames"], options["last_run"], options["equal_neighbours"])
    output = tmp_path / "counts.zarr"
    return count_activations(
        shards, property_of(column, options), sampling, lambda_=lambda_, corpus="made-up", output=output, **extra
    )


def assert_same_as_loop(counted, corpus, column, options, lambda_=0.05, pitch="yaapt"):
    n, counts, unranked = loop_counts(corpus, column, options, lambda_, pitch)
    assert {cell: frames for cell, frames in zip(counted.cells, counted.n, strict=True) if frames} == dict(n)
    for site, width in enumerate(WIDTHS):
        expected = np.zeros((len(counted.cells), width), dtype=np.int64)
        for index, (group, label) in enumerate(counted.cells):
            expected[index] = counts[site, group, label]
        found = counted.site_counts(site)
        assert found.dtype == np.int64
        np.testing.assert_array_equal(found, expected)
    assert counted.unranked == unranked


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("options", [CLEAN, PUBLISHED], ids=["clean", "published"])
def test_counts_equal_a_plain_loop(tmp_path, column, options):
    corpus = make_corpus(seed=1, n_utterances=12)
    counted = count(tmp_path, write_shards(tmp_path, corpus, n_shards=3), column, options)
    assert_same_as_loop(counted, corpus, column, options)
    assert counted.n.sum() > 20
    assert counted.model == "made-up"
    assert counted.tau == (2, 4)


options_of_any_kind = st.fixed_dictionaries(
    {
        "frames": st.sampled_from(["every", "segment_mid"]),
        "last_run": st.sampled_from(["keep", "drop"]),
        "equal_neighbours": st.sampled_from(["separate", "merge"]),
        "pitch_cuts": st.sampled_from(["tertiles", "percentiles_33_66", (100.0, 180.5), (90.0, 91.0)]),
        "at_lower_cut": st.sampled_from(["lower_bin", "omit"]),
        "f0_padding": st.sampled_from(["end", "front"]),
        "pitch_phones": st.sampled_from(["voiced", "all"]),
    }
)


@pytest.mark.slow
@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    options=options_of_any_kind,
    column=st.sampled_from([*COLUMNS, "f0", "f0"]),
    seed=st.integers(0, 10_000),
    pitch=st.sampled_from(["yaapt", "bins"]),
    lambda_=st.sampled_from([0.001, 0.02, 0.05, 0.1]),
)
def test_counts_equal_a_plain_loop_for_every_combination_of_options(
    tmp_path_factory, options, column, seed, pitch, lambda_
):
    folder = tmp_path_factory.mktemp("counts")
    corpus = make_corpus(seed, n_utterances=5, pitch=pitch)
    if not any(value == value for utterance in corpus for value in utterance.f0):
        return
    if column == "gender" and len({utterance.gender for utterance in corpus}) == 1:
        return
    shards = write_shards(folder, corpus, pitch=pitch)
    counted = count(folder, shards, column, options, lambda_)
    assert_same_as_loop(counted, corpus, column, options, lambda_, pitch)


def test_cells_are_groups_first_and_silence_and_noise_are_in_no_set(tmp_path):
    shards = write_shards(tmp_path, make_corpus(seed=2))
    gender = count(tmp_path, shards, "gender", CLEAN)
    assert gender.groups == ("M", "F")
    assert gender.cells == tuple((group, label) for group in ("M", "F") for label in (*PHONES, "SIL", "SPN"))
    assert [gender.cells[cell] for cell in gender.phone_cells] == [(group, p) for group in ("M", "F") for p in PHONES]
    assert gender.phone_cell_groups.tolist() == [0] * 39 + [1] * 39

    phone = count(tmp_path, shards, "label", CLEAN)
    assert [label for _, label in phone.cells] == [*PHONES, "SIL", "SPN"]
    assert phone.cells[-2:] == (("", "SIL"), ("", "SPN"))
    assert len(phone.phone_cells) == 39

    assert len(count(tmp_path, shards, "f0", CLEAN).phone_cells) == 90
    assert len(count(tmp_path, shards, "f0", PUBLISHED).phone_cells) == 117


def test_ties_are_those_at_tau(tmp_path):
    corpus = make_corpus(seed=3)
    counted = count(tmp_path, write_shards(tmp_path, corpus), "label", CLEAN, lambda_=0.1)
    for site, width in enumerate(WIDTHS):
        tau = round(0.1 * width)
        tied = 0
        for utterance in corpus:
            for row in utterance.activations[site]:
                values = sorted(np.abs(row), reverse=True)
                tied += bool(values[tau - 1] == values[tau])
        assert counted.ties[site] == tied
    assert sum(counted.ties) > 0


def test_passes_blocks_and_pieces_do_not_change_counts(tmp_path, monkeypatch):
    corpus = make_corpus(seed=5, n_utterances=10)
    shards = write_shards(tmp_path, corpus)
    monkeypatch.setattr(counts_module, "_COUNTS_IN_MEMORY_BYTES", 1)
    monkeypatch.setattr(cell_sums, "_BLOCK_COUNTERS", 3 * WIDTHS[0])
    monkeypatch.setattr(cell_sums, "_PIECE_ROWS", 4)
    monkeypatch.setattr(counts_module, "_CELLS_PER_CHUNK", 7)
    assert_same_as_loop(count(tmp_path, shards, "speaker", CLEAN), corpus, "speaker", CLEAN)


def test_counts_that_would_not_fit_are_refused_before_ranks_are_read(tmp_path, monkeypatch, caplog):
    shards = write_shards(tmp_path, make_corpus(seed=5, n_utterances=4))
    with caplog.at_level("INFO"):
        cells = len(count(tmp_path, shards, "speaker", CLEAN).cells)
    # All sites fit into one pass, at 8 bytes a count.
    assert f"counts of speaker: {cells} cells, {cells * sum(WIDTHS) * 8 / 1e6:.1f} MB at a time" in caplog.text
    monkeypatch.setattr(counts_module, "_MOST_COUNTS", cells * max(WIDTHS))
    count(tmp_path / "fits", shards, "speaker", CLEAN)
    monkeypatch.setattr(counts_module, "_MOST_COUNTS", cells * max(WIDTHS) - 1)
    monkeypatch.setattr(counts_module, "add_rows", None)
    groups = cells // 41
    message = (
        rf"property speaker: .* {cells} cells of {groups} groups x 80 neurons; .*\({groups - 1} of this kind fit\)"
    )
    with pytest.raises(CountingError, match=message):
        count(tmp_path / "too-many", shards, "speaker", CLEAN)
    assert not (tmp_path / "too-many").exists()


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_shards(tmp_path):
    corpus = make_corpus(seed=6, n_utterances=2)
    one = [renamed(utterance, f"{utterance.name}-{copy:03d}") for copy in range(3) for utterance in corpus]

    def peak(n_shards):
        shards = []
        for shard in range(n_shards):
            utterances = [renamed(utterance, f"{utterance.name}-{shard:03d}") for utterance in one]
            ranks = write_ranks(tmp_path / f"r{shard}.zarr", utterances)
            shards.append((ranks, write_frames(tmp_path / f"f{shard}.zarr", utterances)))
        tracemalloc.start()
        count(tmp_path, shards, "speaker", CLEAN)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    assert peak(8) < 2 * peak(2)


def test_only_kept_utterances_are_counted(tmp_path):
    corpus = make_corpus(seed=7, n_utterances=8)
    kept = corpus[::3]
    pairs = {(utterance.subset, utterance.name) for utterance in kept}
    shards = write_shards(tmp_path, corpus)
    for column in ("speaker", "f0"):
        assert_same_as_loop(count(tmp_path, shards, column, PUBLISHED, keep=pairs), kept, column, PUBLISHED)


def test_ranks_of_segment_middles_serve_that_rule_alone(tmp_path):
    corpus = sorted(make_corpus(seed=8), key=lambda utterance: utterance.name)
    options = PUBLISHED | {"last_run": "keep", "equal_neighbours": "separate"}
    middles = {
        utterance.name: [
            frame
            for run in loop_runs(utterance, options)
            if (frame := (run[0] + run[-1]) // 2) < len(utterance.activations[0])
        ]
        for utterance in corpus
    }
    ranks = write_ranks(tmp_path / "ranks.zarr", corpus, frames="segment_mid", chosen=middles)
    shards = [(ranks, write_frames(tmp_path / "frames.zarr", corpus))]
    assert_same_as_loop(count(tmp_path, shards, "gender", options), corpus, "gender", options)
    with pytest.raises(CountingError, match="every frame needs ranks of all frames, found 'segment_mid'"):
        count(tmp_path, shards, "gender", CLEAN)
    with pytest.raises(CountingError, match=r"utterance .*, frame \d+: expected its ranks, found none"):
        count(tmp_path, shards, "gender", options | {"equal_neighbours": "merge"})


def test_an_empty_shard_adds_nothing(tmp_path):
    corpus = make_corpus(seed=9)
    shards = write_shards(tmp_path, corpus, n_shards=1)
    empty = write_ranks(tmp_path / "r.zarr", []), write_frames(tmp_path / "f.zarr", [])
    for column in ("gender", "f0", "duration"):
        assert_same_as_loop(count(tmp_path, [*shards, empty], column, CLEAN), corpus, column, CLEAN)


def test_other_utterances_or_another_order_are_refused(tmp_path):
    corpus = make_corpus(seed=10)
    frames = write_frames(tmp_path / "frames.zarr", corpus)
    fewer = write_ranks(tmp_path / "fewer.zarr", corpus[1:])
    with pytest.raises(CountingError, match=rf"1 without ranks \({corpus[0].name}\) and 0 without labels"):
        count(tmp_path, [(fewer, frames)], "label", CLEAN)
    swapped = write_ranks(tmp_path / "swapped.zarr", corpus[::-1])
    with pytest.raises(CountingError, match=f"in the same order, found {corpus[-1].name} beside {corpus[0].name}"):
        count(tmp_path, [(swapped, frames)], "label", CLEAN)


def one_of_another_length(folder, change):
    """A corpus, the frames ranked of each utterance, and its shard; the third has `change` more than it has labels."""
    corpus = make_corpus(seed=11)
    n_labels = len(corpus[2].frames)
    frames = {utterance.name: list(range(len(utterance.activations[0]))) for utterance in corpus}
    frames[corpus[2].name] = list(range(n_labels + change))
    longer = [
        type(utterance)(
            **vars(utterance) | {"activations": tuple(np.zeros((len(utterance.frames) + 9, width)) for width in WIDTHS)}
        )
        for utterance in corpus
    ]
    ranks = write_ranks(folder / "ranks.zarr", longer, chosen=frames)
    shards = [(ranks, write_frames(folder / "frames.zarr", corpus))]
    return corpus, frames, shards


@pytest.mark.parametrize("change", [-2, 2])
def test_lengths_that_differ_by_two_frames_are_counted_where_there_are_ranks(tmp_path, change):
    corpus, frames, shards = one_of_another_length(tmp_path, change)
    counts = count(tmp_path, shards, "label", CLEAN)
    labels = sum(len(utterance.frames) for utterance in corpus)
    kept = sum(min(len(frames[utterance.name]), len(utterance.frames)) for utterance in corpus)
    assert counts.n.sum() == kept
    assert counts.unranked == labels - kept


@pytest.mark.parametrize("change", [-3, 3])
def test_lengths_that_differ_by_more_than_two_frames_are_refused(tmp_path, change):
    corpus, _, shards = one_of_another_length(tmp_path, change)
    n_labels = len(corpus[2].frames)
    with pytest.raises(
        CountingError, match=f"utterance {corpus[2].name}: expected {n_labels} frames .* found {n_labels + change}"
    ):
        count(tmp_path, shards, "label", CLEAN)
    keep = {(utterance.subset, utterance.name) for utterance in corpus if utterance is not corpus[2]}
    assert count(tmp_path, shards, "label", CLEAN, keep=keep).n.sum() > 0


def test_more_active_neurons_than_ranks_kept_are_refused(tmp_path):
    shards = write_shards(tmp_path, make_corpus(seed=13))
    count(tmp_path, shards, "label", CLEAN, lambda_=0.1)
    with pytest.raises(CountingError, match=r"lambda 0.12 makes 6 of 50 neurons active at site 1.* kept are 5"):
        count(tmp_path, shards, "label", CLEAN, lambda_=0.12)
    assert not list(tmp_path.glob(".counts*")), "a refused count left something behind"


def test_an_utterance_twice_or_missing_is_refused(tmp_path):
    corpus = make_corpus(seed=14)
    shards = write_shards(tmp_path, corpus, n_shards=1)
    again = renamed(corpus[0], corpus[0].name)
    other = write_ranks(tmp_path / "r.zarr", [again]), write_frames(tmp_path / "f.zarr", [again])
    with pytest.raises(CountingError, match=f"found 1 more than once \\({corpus[0].name}\\)"):
        count(tmp_path, [*shards, other], "label", CLEAN)
    with pytest.raises(CountingError, match=r"1 missing \(dev-clean nobody\)"):
        count(tmp_path, shards, "label", CLEAN, keep={("dev-clean", "nobody")})


def test_ranks_of_two_models_are_refused(tmp_path):
    corpus = make_corpus(seed=15)
    shards = write_shards(tmp_path, corpus)
    other = write_ranks(
        tmp_path / "other.zarr", sorted(corpus[1::2], key=lambda utterance: utterance.name), model="another"
    )
    shards[1] = (other, shards[1][1])
    with pytest.raises(CountingError, match=r"expected ranks of one model, found made-up .* and another"):
        count(tmp_path, shards, "label", CLEAN)


def test_no_shards_are_refused(tmp_path):
    with pytest.raises(CountingError, match="expected shards"):
        count(tmp_path, [], "label", CLEAN)


def test_the_store_says_how_it_was_made(tmp_path):
    shards = write_shards(tmp_path, make_corpus(seed=16))
    counted = count(tmp_path, shards, "f0", PUBLISHED)
    assert counted.settings["frames"] == "segment_mid"
    assert counted.settings["property"]["at_lower_cut"] == "omit"
    assert counted.pitch_cuts_hz is not None
    assert counted.pitch_cuts_hz[0] < counted.pitch_cuts_hz[1]
    again = open_counts(tmp_path / "counts.zarr")
    assert again.cells == counted.cells
    with pytest.raises(StoreError, match="expected a count store"):
        open_counts(shards[0][0])
