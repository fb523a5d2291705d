"""Neuron sets against a loop that follows equations 3 to 5."""

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from synthetic_stores import make_corpus, write_shards

from property_neurons.corpus.phones import PHONES
from property_neurons.counting.count import count_activations
from property_neurons.counting.count_store import open_counts
from property_neurons.counting.properties import make_property
from property_neurons.counting.sampling import Sampling
from property_neurons.editing.sets import group_set
from property_neurons.errors import CountingError, ModelError, StoreError
from property_neurons.neurons.cells import cell_table, enough_frames, too_little_speech
from property_neurons.neurons.definition import SetDefinition
from property_neurons.neurons.groups import layer_summary, neuron_sets, neuron_table
from property_neurons.neurons.membership import group_masks, property_masks
from property_neurons.neurons.patterns import activation_patterns, site_patterns
from property_neurons.stores.files import read_table, write_table
from property_neurons.stores.zarr import new_store


def loop_sets(patterns, group_of_row, n_groups, sigma):
    """N_i, G_i and P by equations 3, 4 and 5, with sets and exact fractions."""
    phones = [[row for row in range(len(patterns)) if group_of_row[row] == group] for group in range(n_groups)]
    members = []
    for rows in phones:
        holding = {neuron: sum(bool(patterns[row, neuron]) for row in rows) for neuron in range(patterns.shape[1])}
        members.append({j for j, count in holding.items() if Fraction(count, len(rows)) >= Fraction(str(sigma))})
    groups = [members[i] - set().union(*(members[k] for k in range(n_groups) if k != i)) for i in range(n_groups)]
    return members, groups, set().union(*groups)


@pytest.mark.parametrize("sizes", [(15, 15, 9), (39, 39), (30, 30, 30), (39, 39, 39), (1,) * 39, (20, 25)])
@pytest.mark.parametrize("sigma", [0.8, 0.55, 0.56, 1.0])
def test_sets_equal_a_loop_over_the_equations(sizes, sigma):
    rng = np.random.default_rng(len(sizes))
    group_of_row = np.repeat(np.arange(len(sizes)), sizes)
    often = rng.uniform(0.3, 1, size=(len(sizes), 200))
    patterns = rng.random((len(group_of_row), 200)) < often[group_of_row]
    sets = neuron_sets(patterns, group_of_row, len(sizes), SetDefinition(sigma=sigma))
    members, groups, property_ = loop_sets(patterns, group_of_row, len(sizes), sigma)
    assert [set(np.flatnonzero(row)) for row in sets.members] == members
    assert [set(np.flatnonzero(row)) for row in sets.group_neurons] == groups
    assert set(np.flatnonzero(sets.property_neurons)) == property_


@pytest.mark.parametrize(("size", "needed"), [(15, 12), (9, 8), (39, 32), (30, 24)])
def test_the_share_is_tested_in_integers(size, needed):
    patterns = np.tril(np.ones((size + 1, size + 1), dtype=bool), -1)[:, ::1][1:]
    # Neuron j is in the patterns of size - j phones.
    sets = neuron_sets(patterns, np.zeros(size, dtype=int), 1, SetDefinition(sigma=0.8))
    holding = patterns.sum(axis=0)
    assert holding[sets.members[0]].min() == needed
    assert set(np.flatnonzero(sets.members[0])) == set(np.flatnonzero(holding >= needed))


@pytest.mark.parametrize("sigma", [0.01, 0.8, 1.0])
def test_sigma_plays_no_part_for_single_phones(sigma):
    patterns = np.random.default_rng(1).random((39, 100)) < 0.1
    sets = neuron_sets(patterns, np.arange(39), 39, SetDefinition(sigma=sigma))
    np.testing.assert_array_equal(sets.members, patterns)


def test_a_group_without_phones_is_an_error_and_not_every_neuron():
    patterns = np.random.default_rng(2).random((4, 50)) < 0.1
    with pytest.raises(
        CountingError, match=r"sets of 3 groups: expected at least one phone in each.* found none in 2;"
    ):
        neuron_sets(patterns, np.array([0, 0, 2, 2]), 3, SetDefinition())
    with pytest.raises(CountingError, match=r"found none in F, \\x1b;"):
        neuron_sets(patterns, np.zeros(4, dtype=int), 3, SetDefinition(), names=("M", "F", "\x1b"))
    with pytest.raises(CountingError, match="found none in any"):
        neuron_sets(patterns[:0], np.zeros(0, dtype=int), 0, SetDefinition())


def test_a_sigma_next_to_nothing_needs_one_phone_all_the_same():
    patterns = np.zeros((4, 50), dtype=bool)
    patterns[0, 7] = True
    sets = neuron_sets(patterns, np.zeros(4, dtype=int), 1, SetDefinition(sigma=1e-12))
    assert np.flatnonzero(sets.members[0]).tolist() == [7]


def counted(tmp_path, column, **settings):
    corpus = make_corpus(seed=21, n_utterances=10)
    return count_activations(
        write_shards(tmp_path, corpus),
        make_property("p", column, **settings),
        Sampling(),
        lambda_=0.05,
        corpus="made-up",
        output=tmp_path / "counts.zarr",
    )


def test_the_table_holds_every_member_and_the_summary_every_layer(tmp_path):
    counts = counted(tmp_path, "label", groups={"front": ["IY", "T"], "back": ["AH", "N"]})
    definition = SetDefinition(sigma=0.5, min_count=2)
    table = neuron_table(counts, definition)
    assert table.columns.tolist() == ["layer", "site", "group", "neuron", "share", "exclusive", "width"]
    sizes = []
    for index, site in enumerate(counts.sites):
        patterns = site_patterns(counts, index, definition)
        members, groups, property_ = loop_sets(patterns, [0, 0, 1, 1], 2, 0.5)
        for number, group in enumerate(("front", "back")):
            rows = table[(table["layer"] == index + 1) & (table["group"] == group)]
            assert set(rows["neuron"]) == members[number]
            assert set(rows.loc[rows["exclusive"], "neuron"]) == groups[number]
            for neuron, share in zip(rows["neuron"], rows["share"], strict=True):
                assert share == patterns[2 * number : 2 * number + 2, neuron].mean()
            sizes.append(
                (index + 1, site.name, site.width, group, len(members[number]), len(groups[number]), len(property_))
            )
    summary = layer_summary(table, counts)
    assert list(summary.itertuples(index=False, name=None)) == sizes
    expected = ["layer", "site", "width", "group", "members", "group_neurons", "property_neurons"]
    assert summary.columns.tolist() == expected
    assert sum(len_ for *_, len_ in sizes) > 0


def test_tables_of_groups_named_by_numbers_come_back_from_text(tmp_path):
    counts = counted(tmp_path, "label", groups={"1": ["IY", "T"], "02": ["AH", "N"], "nan": ["D"]})
    table = neuron_table(counts, SetDefinition(sigma=0.5))
    for name, written in (("neurons", table), ("summary", layer_summary(table, counts)), ("cells", cell_table(counts))):
        write_table(tmp_path / f"{name}.tsv", written)
        pd.testing.assert_frame_equal(read_table(tmp_path / f"{name}.tsv"), written, check_dtype=False)
    widths = [site.width for site in counts.sites]
    for group in counts.groups:
        found = group_set(read_table(tmp_path / "neurons.tsv"), [group], widths, digest=None)
        np.testing.assert_array_equal(np.concatenate(found), np.concatenate(group_masks(table, group, widths)))


def test_layers_without_neurons_are_zeros_in_the_summary(tmp_path):
    counts = counted(tmp_path, "gender", order=["M", "F"])
    table = neuron_table(counts, SetDefinition(sigma=1.0, min_count=10**9))
    assert len(table) == 0
    assert table.dtypes["layer"] == np.int64
    assert table.dtypes["exclusive"] == np.bool_
    assert isinstance(table["group"].dtype, pd.StringDtype)
    summary = layer_summary(table, counts)
    assert summary["layer"].tolist() == [1, 1, 2, 2]
    assert summary["site"].tolist() == ["1", "1", "2", "2"]
    assert summary["group"].tolist() == ["M", "F", "M", "F"]
    assert (summary[["members", "group_neurons", "property_neurons"]] == 0).all(axis=None)


def test_the_cells_are_reported_and_rare_ones_marked(tmp_path):
    counts = counted(tmp_path, "label", groups={"front": ["IY", "T"]})
    table = cell_table(counts)
    assert table[["group", "label"]].to_records(index=False).tolist() == list(counts.cells)
    assert table["n"].tolist() == counts.n.tolist()
    # lambda = 0.05: below 20 frames one hit is more than lambda of them.
    expected = [
        group == "front" and label in PHONES and n < 20
        for (group, label), n in zip(counts.cells, counts.n, strict=True)
    ]
    assert table["rare"].tolist() == expected
    assert table["rare"].sum() > 0


def test_too_little_speech_is_said_with_what_to_do(tmp_path):
    cells = cell_table(counted(tmp_path, "label", groups={"front": ["IY", "T"]}))
    rare = cells[cells["rare"]].sort_values("n", kind="stable")
    said = too_little_speech(cells, "vowels on demo", lambda_=0.05)
    assert said.startswith(f"vowels on demo: too little speech, {len(rare)} of 2 cells")
    assert "fewer than 20 frames (1 / lambda): a single hit" in said
    assert f"front {rare['label'].iloc[0]} {rare['n'].iloc[0]}" in said
    assert said.endswith("or empty these patterns with analysis.min_count: 20.")
    said = too_little_speech(cells, "vowels on demo", lambda_=0.05, min_count=20)
    assert "their patterns are empty (analysis.min_count: 20)" in said
    assert said.endswith("Use more speech.")
    assert too_little_speech(cells.assign(rare=False), "vowels on demo", lambda_=0.05) is None
    # More speech helps nobody who has no phones.
    none = too_little_speech(cells.assign(n=0, rare=True), "accent on mine", lambda_=0.05)
    assert none.startswith("accent on mine: no frame of any phone of any group, so that no neuron can be found.")
    assert "write `by: none` for this property" in none


@pytest.mark.parametrize(("lambda_", "frames"), [(0.01, 100), (0.05, 20), (0.03, 34), (0.3, 4), (0.5, 2)])
def test_with_enough_frames_a_single_hit_makes_no_pattern(lambda_, frames):
    for n, hit in ((frames - 1, True), (frames, False)):
        found = activation_patterns(np.array([[1]]), np.array([n]), SetDefinition("lambda"), lambda_=lambda_, tau=1)
        assert found.item() == hit
    assert enough_frames(lambda_) == frames


def test_counts_and_tables_of_a_group_without_a_name_are_refused(tmp_path):
    """As earlier versions made them: its cells were taken for those of labels in no group."""
    counts = counted(tmp_path, "gender")
    with new_store(tmp_path / "old.zarr") as store:
        store.attrs.update(dict(counts.store.attrs) | {"groups": ["", "M"]})
    with pytest.raises(StoreError, match=r"old\.zarr: expected groups with names, found an empty name"):
        open_counts(tmp_path / "old.zarr")
    table = pd.DataFrame({"layer": [1], "group": [""], "neuron": [0], "exclusive": [True], "width": [9]})
    for read in (
        lambda: property_masks(table, [9], name="gender"),
        lambda: group_masks(table, "", [9], name="gender"),
    ):
        with pytest.raises(ModelError, match="gender: expected a group for each neuron, found none for"):
            read()
