"""Figures of property neurons (7 and 8): what their tables say against what their inputs say."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from figure_inputs import (
    PUBLISHED,
    PUBLISHED_JSON,
    SIZES,
    all_nulls,
    all_summaries,
    count_store,
    drawn,
    drawn_twice,
    null,
    overlapping,
    sites,
    summary,
)
from figure_inputs import stability as stability_table

from property_neurons.corpus.phones import LABELS
from property_neurons.errors import ConfigError, StoreError
from property_neurons.figures import fig7, fig8, selectors, stability, style
from property_neurons.figures.published import read_published
from property_neurons.figures.rare_cells import rare_cells_note, read_counts_note, read_note
from property_neurons.stores.files import write_table

MELHUBERT = (297, 124, 14, 31, 19, 95, 45)
NAMES = ("phone", "gender", "pitch")


def test_fig7_draws_the_size_of_p_by_layer(tmp_path):
    own, control = all_summaries(12), {"gender": summary(range(12), sites(12))}
    melhubert = read_published(PUBLISHED_JSON, "melhubert")
    nulls = {"own": all_nulls(own), "twin": all_nulls(control)}
    table = drawn_twice(fig7, {"own": own, "twin": control}, nulls, "demo", melhubert)
    for name, sizes in SIZES.items():
        curves = {role: rows["value"].tolist() for role, rows in table[table["property"] == name].groupby("role")}
        assert curves.pop("model") == sizes
        assert curves.pop("published") == PUBLISHED["fig7_property_neurons_by_layer"][name]
        np.testing.assert_allclose(curves.pop("null"), np.array(sizes) / 2)
        if name == "gender":
            assert curves.pop("control") == list(range(12))
            np.testing.assert_allclose(curves.pop("control_null"), np.arange(12) / 2)
        assert not curves
    bands = table[table["role"] == "null"]
    np.testing.assert_allclose(bands["lowest"], 0.8 * bands["value"])
    np.testing.assert_allclose(bands["highest"], 1.2 * bands["value"])
    assert set(bands["p_all_layers"]) == {1 / 1001}
    assert set(bands["false_share_all_layers"]) == {0.5}


def test_fig7_says_over_its_panels_what_chance_explains():
    own = all_summaries(4, ("gender",))
    figure, _ = drawn(fig7, {"own": own}, {"own": all_nulls(own)}, "demo")
    assert [axes.texts[0].get_text() for axes in figure.axes] == ["p = 0.001 · false share 50 %"]
    nulls = {name: null(table, permutations=19, share=np.nan) for name, table in own.items()}
    figure, _ = drawn(fig7, {"own": own}, {"own": nulls}, "demo")
    assert figure.axes[0].texts[0].get_text() == "p = 0.050 · no neurons"


def test_fig7_says_where_labels_cannot_be_dealt_anew():
    own = all_summaries(4, ("gender",))
    nulls = {name: null(table, share=np.nan) for name, table in own.items()}
    undefined = ["null_mean", "null_low", "null_high", "ratio", "false_share", "p"]
    nulls = {name: table.assign(**dict.fromkeys(undefined, np.nan)) for name, table in nulls.items()}
    figure, table = drawn(fig7, {"own": own}, {"own": nulls}, "demo")
    assert figure.axes[0].texts[0].get_text() == "no null: groups of one phone"
    assert "labellings" not in figure.get_suptitle()
    assert set(table["role"]) == {"model"}


def test_fig7_says_how_few_labellings_there_are():
    own = all_summaries(4, ("gender", "pitch"))
    nulls = {name: null(table, distinct=70 if name == "gender" else 9999) for name, table in own.items()}
    figure, _ = drawn(fig7, {"own": own}, {"own": nulls}, "demo")
    assert "Few labellings, so p cannot be small: gender 70" in " ".join(figure.get_suptitle().split())


def test_fig7_without_permutations_has_no_null():
    own = all_summaries(4, ("gender",))
    figure, table = drawn(fig7, {"own": own}, {"own": all_nulls(own, permutations=0)}, "demo")
    assert set(table["role"]) == {"model"}
    assert not [text for axes in figure.axes for text in axes.texts]


def test_fig7_shows_the_sets_before_a_limit_on_q_beside_their_null():
    own = all_summaries(4, ("gender",))
    _, table = drawn(fig7, {"own": own}, {"own": all_nulls(own, over=9)}, "demo")
    curves = {role: rows["value"].to_numpy() for role, rows in table.groupby("role")}
    np.testing.assert_array_equal(curves["unrestricted"], curves["model"] + 9)
    np.testing.assert_allclose(curves["null"], curves["unrestricted"] / 2)


@pytest.mark.parametrize(("count", "two"), [(4, False), (48, True)])
def test_fig7_names_the_sites(tmp_path, count, two):
    own = all_summaries(count, two_per_block=two)
    _, table = drawn(fig7, {"own": own}, {"own": all_nulls(own)}, "demo")
    shown = table[(table["property"] == "pitch") & (table["role"] == "model")]
    assert shown["site"].astype(str).tolist() == sites(count, two_per_block=two)


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


def if_independent(sizes, width, member):
    """What sets of these sizes share if they know nothing of each other: neuron by neuron, and summed."""
    shares = [size / width for size in sizes]
    return sum(
        math.prod(p if inside else 1 - p for p, inside in zip(shares, member, strict=True)) for _ in range(width)
    )


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("case", CASES)
def test_fig8_counts_the_regions_and_prints_each_apart(case):
    neurons, summaries = overlapping(CASES[case])
    figure, table = drawn(fig8, neurons, summaries, 1, "own", "demo")

    expected = by_set_arithmetic(neurons, 1)
    found = {(row.part, row.properties): row.neurons for row in table.itertuples()}
    assert found == expected
    assert table["published"].isna().all()
    assert set(table["width"]) == {3072}
    sizes = [expected["whole", name] for name in NAMES]
    assert table["independent"].iloc[4] == pytest.approx(if_independent(sizes, 3072, (1, 0, 1)))
    assert table.loc[table["part"] == "only", "independent"].sum() == pytest.approx(table["independent"].iloc[-1])

    # Every count is written once: in the circles, or over the bars of an UpSet plot.
    panel = figure.axes[0 if case == "published" else 1]
    assert bool(panel.containers) == (case != "published")
    texts = [text.get_text() for text in panel.texts]
    assert sorted(int(text) for text in texts if text.isdigit()) == sorted(CASES[case])


@pytest.mark.parametrize(("properties", "bars"), [(("gender", "pitch"), 3), ((*NAMES, "tone"), 8)])
def test_fig8_draws_two_and_four_properties(properties, bars):
    neurons, summaries = overlapping(MELHUBERT)
    # Tone has the neurons of pitch: a region of one without the other is left out where no neuron is expected.
    neurons["tone"], summaries["tone"] = neurons["pitch"], summaries["pitch"]
    chosen = [{name: tables[name] for name in properties} for tables in (neurons, summaries)]
    figure, table = drawn(fig8, *chosen, 1, "own", "demo")
    only = table[table["part"] == "only"]
    assert len(only) == 2 ** len(properties) - 1
    union = set.union(*({*rows[rows["exclusive"] & (rows["layer"] == 1)]["neuron"]} for rows in chosen[0].values()))
    assert only["neurons"].sum() == table["neurons"].iloc[-1] == len(union)
    shown = [bar.get_height() for bar in figure.axes[1].containers[0]]
    assert shown == sorted(shown, reverse=True)
    assert sum(shown) == len(union)
    assert len(shown) == len(only if len(properties) < 4 else only[only[["neurons", "independent"]].max(axis=1) >= 1])
    assert len(shown) >= bars
    # Each number stands on its own bar, unless the mark of independent sets would cross it there.
    marks = figure.axes[1].lines[0].get_ydata()
    for bar, text, mark in zip(shown, figure.axes[1].texts, marks, strict=True):
        assert int(text.get_text()) == bar
        assert text.xy[1] == bar or (text.xy[1] == mark and bar <= mark < bar + 0.15 * max(*shown, *marks))


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


def test_fig8_shows_neurons_of_low_q_alone_where_told(tmp_path):
    neurons, summaries = overlapping(MELHUBERT)
    figure, table = drawn(fig8, neurons, summaries, 1, "own", "demo", fdr=0.3)
    # Neurons are numbered in the order of the regions, and q is their number over 1000.
    assert table["neurons"].tolist()[:7] == [297, 4, 0, 0, 0, 0, 0]
    assert set(table["fdr"]) == {0.3}
    assert "of q ≤ 0.3 in layer 1" in figure.get_suptitle()


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
    nulls = {name: all_nulls(tables) for name, tables in summaries.items()}
    figures = [drawn(fig7, summaries, nulls, "demo", note=text)[0] for text in ("", note)]
    assert figures[1].get_suptitle() == f"{figures[0].get_suptitle()}\n{note}"
    # Panels are not made smaller for it.
    heights = [figure.axes[0].get_position().height * figure.get_figheight() for figure in figures]
    assert heights[1] == pytest.approx(heights[0], rel=0.02)
    drawn(fig8, *overlapping(MELHUBERT), 1, "own", "demo", note=note)


def test_stability_is_drawn_beside_the_control_with_its_ranges():
    own, twin = ({name: stability_table(sites(4), auroc=auroc) for name in NAMES[:2]} for auroc in (0.7, 0.55))
    figure, table = drawn(stability, {"own": own, "twin": twin}, "demo")
    assert [axes.lines[0].get_ydata()[0] for axes in figure.axes] == [0.0] * 2 + [0.5] * 2
    assert len(table) == 2 * 2 * 2 * 4
    for (measure, role), value in {
        ("nogueira", "model"): 0.5,
        ("nogueira", "control"): 0.5,
        ("auroc", "model"): 0.7,
        ("auroc", "control"): 0.55,
    }.items():
        rows = table[(table["measure"] == measure) & (table["role"] == role)]
        found = rows[rows["layer"] < 4]
        np.testing.assert_allclose(found[["value", "lowest", "highest"]], [[value, value - 0.05, value + 0.05]] * 6)
        assert rows[rows["layer"] == 4]["value"].isna().all()


def test_stability_says_when_there_are_no_halves():
    nothing = stability_table(sites(4)).iloc[:0]
    with style.theme():
        figure, table = stability.draw({"own": dict.fromkeys(NAMES, nothing)}, "demo")
        _, some = stability.draw({"own": {"gender": nothing, "phone": stability_table(sites(4))}}, "demo")
    assert table.empty
    assert "too few speakers" in figure.texts[0].get_text()
    assert set(some["property"]) == {"phone"}


def selector_table(rng, selectors=("paper", "entropy", "probeless", "random"), halves=10):
    """A comparison of selectors: two layers and all together, two groups and all together."""
    rows = [
        {"layer": layer, "group": group, "selector": one, "neurons": 30, "halves": halves}
        for layer in (0, 1, 2)
        for group in ("", "a", "b")
        for one in selectors
    ]
    table = pd.DataFrame(rows)
    for name, low in (("jaccard", 0.0), ("auroc", 0.4), ("stability", 0.0)):
        table[name] = rng.uniform(low, 1, len(table)) if halves or name == "jaccard" else np.nan
        table[f"{name}_low"], table[f"{name}_high"] = table[name] - 0.1, table[name] + 0.1
    return table.drop(columns=["jaccard_low", "jaccard_high"])


@pytest.mark.slow
def test_selectors_draws_all_layers_and_groups_together():
    rng = np.random.default_rng(0)
    own, control = ({name: selector_table(rng) for name in ("phone", "gender")} for _ in range(2))
    table = drawn_twice(selectors, {"own": own, "twin": control}, "demo")
    for role, tables in (("model", own), ("control", control)):
        for name, source in tables.items():
            expected = source[(source["layer"] == 0) & (source["group"] == "")].set_index("selector")
            found = table[(table["role"] == role) & (table["property"] == name)].set_index(["measure", "selector"])
            for one in ("entropy", "probeless", "random"):
                assert found.loc[("jaccard", one), "value"] == expected.loc[one, "jaccard"]
                assert found.loc[("auroc", one), "value"] == expected.loc[one, "auroc"]
                assert found.loc[("stability", one), "highest"] == expected.loc[one, "stability_high"]
            assert ("jaccard", "paper") not in found.index


def test_selectors_without_halves_draws_the_overlap():
    _, table = drawn(selectors, {"own": {"gender": selector_table(np.random.default_rng(0), halves=0)}}, "demo")
    assert table.loc[table["measure"] != "jaccard", "value"].isna().all()
