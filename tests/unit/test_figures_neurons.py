"""Figures of property neurons (7 and 8): what their tables say against what their inputs say."""

import itertools

import numpy as np
import pandas as pd
import pytest
from figure_inputs import (
    PUBLISHED,
    PUBLISHED_JSON,
    REGIONS,
    SIZES,
    all_summaries,
    count_store,
    drawn,
    drawn_twice,
    overlapping,
    sites,
    summary,
)

from property_neurons.corpus.phones import LABELS
from property_neurons.errors import ConfigError, StoreError
from property_neurons.figures import fig7, fig8
from property_neurons.figures.published import read_published
from property_neurons.figures.rare_cells import rare_cells_note, read_counts_note, read_note
from property_neurons.stores.files import write_table

MELHUBERT = (297, 124, 14, 31, 19, 95, 45)
NAMES = ("phone", "gender", "pitch")


def test_fig7_draws_the_size_of_p_by_layer(tmp_path):
    own, control = all_summaries(12), {"gender": summary(range(12), sites(12))}
    melhubert = read_published(PUBLISHED_JSON, "melhubert")
    table = drawn_twice(fig7, {"own": own, "twin": control}, "demo", melhubert)
    for name, sizes in SIZES.items():
        curves = {role: rows["value"].tolist() for role, rows in table[table["property"] == name].groupby("role")}
        assert curves.pop("model") == sizes
        assert curves.pop("published") == PUBLISHED["fig7_property_neurons_by_layer"][name]
        assert curves == ({"control": list(range(12))} if name == "gender" else {})


@pytest.mark.parametrize(("count", "two"), [(4, False), (48, True)])
def test_fig7_names_the_sites(tmp_path, count, two):
    _, table = drawn(fig7, {"own": all_summaries(count, two_per_block=two)}, "demo")
    assert table[table["property"] == "pitch"]["site"].astype(str).tolist() == sites(count, two_per_block=two)


def by_set_arithmetic(neurons, layer):
    """The sizes of regions, sets and union, from the tables by set operations alone."""
    phone, gender, pitch = (
        {row.neuron for row in neurons[name].itertuples() if row.layer == layer and row.exclusive} for name in NAMES
    )
    return {
        ("only", "phone"): len(phone - gender - pitch),
        ("only", "gender"): len(gender - phone - pitch),
        ("only", "pitch"): len(pitch - phone - gender),
        ("only", "phone&gender"): len((phone & gender) - pitch),
        ("only", "phone&pitch"): len((phone & pitch) - gender),
        ("only", "gender&pitch"): len((gender & pitch) - phone),
        ("only", "phone&gender&pitch"): len(phone & gender & pitch),
        ("whole", "phone"): len(phone),
        ("whole", "gender"): len(gender),
        ("whole", "pitch"): len(pitch),
        ("union", "phone|gender|pitch"): len(phone | gender | pitch),
    }


CASES = {
    "published": MELHUBERT,
    "small": (60, 2, 0, 0, 1, 0, 0),
    "one set empty": (60, 20, 5, 0, 0, 0, 0),
    "all empty": (0,) * 7,
    "one region": (0, 0, 0, 0, 0, 0, 40),
    "tiny regions": (500, 300, 1, 200, 1, 1, 1),
    "a hole": (1, 0, 0, 650, 0, 76, 13),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("case", CASES)
def test_fig8_counts_the_regions_and_prints_each_apart(monkeypatch, tmp_path, case):
    diagrams = []
    venn3 = fig8.venn3

    def kept(*args, **kwargs):
        diagrams.append(venn3(*args, **kwargs))
        return diagrams[-1]

    monkeypatch.setattr(fig8, "venn3", kept)
    neurons, summaries = overlapping(CASES[case])
    figure, table = drawn(fig8, neurons, summaries, 1, "own", "demo")

    found = {(row.part, row.properties): row.neurons for row in table.itertuples()}
    assert found == by_set_arithmetic(neurons, 1)
    assert table["published"].isna().all()
    assert set(table["width"]) == {3072}

    diagram = diagrams[-1]
    texts = [diagram.get_label_by_id(region) for region in REGIONS]
    assert [int(text.get_text()) for text in texts] == list(CASES[case])
    boxes = [text.get_window_extent() for text in [*texts, *diagram.set_labels]]
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
    assert ("not to scale" in figure.get_suptitle()) == (case != "published")


def test_fig8_is_the_same_twice(tmp_path):
    neurons, summaries = overlapping(MELHUBERT)
    drawn_twice(fig8, neurons, summaries, 1, "own", "demo")


def test_fig8_draws_the_published_regions_of_layer_1_only(tmp_path):
    melhubert = read_published(PUBLISHED_JSON, "melhubert")
    first, second = (
        drawn(fig8, *overlapping(MELHUBERT, layer), layer, "own", "demo", melhubert)[1] for layer in (1, 2)
    )
    assert first["published"].tolist() == first["neurons"].tolist()
    assert first["neurons"].iloc[-1] == 625
    assert second["published"].isna().all()
    assert set(second["site"].astype(str)) == {"2"}


def test_fig8_refuses_what_does_not_fit_together(tmp_path):
    neurons, summaries = overlapping(MELHUBERT)
    with pytest.raises(ConfigError, match=r"overlap_layer: expected a layer from 1 to 2, found 9"):
        fig8.draw(neurons, summaries, 9, "own", "demo")
    summaries["pitch"]["property_neurons"] += 1
    with pytest.raises(StoreError, match=r"pitch, layer 1.*190"):
        fig8.draw(neurons, summaries, 1, "own", "demo")


def cell_tables(rare):
    """Of each property, cells of which the first few are rare."""
    groups = {"phone": ["vowel"], "gender": ["M", "F"], "pitch": ["low", "middle", "high"], "duration": ["< 60 ms"]}
    tables = {}
    for name, n_rare in rare.items():
        table = pd.DataFrame(itertools.product(groups[name], LABELS), columns=["group", "label"])
        table["n"] = np.where(table.index < n_rare, 7, 1000)
        tables[name] = table.assign(rare=table["n"] < 100)
    return tables


def test_too_little_speech_is_a_line_of_the_figure(tmp_path):
    assert rare_cells_note(cell_tables({"phone": 0, "gender": 0})) == ""
    count_store(tmp_path / "counts.zarr", sites(1), frames=500)
    assert read_counts_note(tmp_path / "counts.manifest.json").endswith(": single phones 1 of 39")
    path = tmp_path / "gender.cells.tsv"
    write_table(path, cell_tables({"gender": 3})["gender"])
    assert read_note([path], ["gender"]).endswith(": gender 3 of 78")
    note = rare_cells_note(cell_tables({"phone": 2, "gender": 0, "pitch": 30, "duration": 5}))
    assert note == (
        "Too little speech (cells of fewer than 1/λ frames): phone classes 2 of 39, pitch 30 of 117, duration 5 of 39"
    )
    summaries = {"own": all_summaries(12)}
    figures = [drawn(fig7, summaries, "demo", note=text)[0] for text in ("", note)]
    assert figures[1].get_suptitle() == f"{figures[0].get_suptitle()}\n{note}"
    # Panels are not made smaller for it.
    heights = [figure.axes[0].get_position().height * figure.get_figheight() for figure in figures]
    assert heights[1] == pytest.approx(heights[0], rel=0.02)
    drawn(fig8, *overlapping(MELHUBERT), 1, "own", "demo", note=note)
