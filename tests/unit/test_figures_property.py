"""The figure of one property, and figures of properties that the config chooses."""

import pytest
from figure_inputs import all_nulls, drawn, drawn_twice, points, silhouettes, sites, stability, summary
from matplotlib.legend import Legend

from property_neurons import plan
from property_neurons.config.load import load_config
from property_neurons.errors import ConfigError
from property_neurons.figures import fig3, fig7, property, style

NAMES = sites(6)
MANY = ("manner", "place", "energy", "relative_pitch", "stress")
CONFIG = {
    "corpora": {"c": {"kind": "demo"}},
    "models": {"m": {"kind": "shipped", "name": "melhubert-mini"}},
    "figures": {"corpus": "c", "model": "m"},
}


def tables(name, groups):
    sizes = {"m": {name: summary([3, 9, 4, 0, 2, 7], NAMES, groups)}}
    return {
        "points": {"m": {name: points("gender", NAMES)}},
        "silhouettes": {"m": {name: silhouettes([0.1, 0.3, 0.2, 0.1, 0.0, 0.1], NAMES)}},
        "summaries": sizes,
        "nulls": {"m": all_nulls(sizes["m"])},
        "stability": {"m": {name: stability(NAMES)}},
    }


@pytest.mark.slow
def test_one_property_has_its_plane_its_silhouettes_its_neurons_and_how_far_they_hold():
    shown = tables("accent", ("M", "F"))
    table = drawn_twice(property, **shown, corpus="demo")
    assert set(table["panel"]) == {"plane", "silhouette", "property neurons", "held-out"}
    of_all = table[(table["panel"] == "property neurons") & (table["role"] == "model")]
    assert of_all["value"].tolist() == [3, 9, 4, 0, 2, 7]
    groups = table[table["role"] == "group"]
    assert groups["group"].unique().tolist() == ["M", "F"]
    assert table.loc[table["panel"] == "plane", "layer"].unique().tolist() == [2]
    panel = drawn(property, **shown, corpus="demo")[0].axes[2]
    legends = [child for child in panel.get_children() if isinstance(child, Legend)]
    named = [[text.get_text() for text in legend.get_texts()] for legend in legends]
    assert ["M", "F"] in named
    assert any("all groups" in texts for texts in named)
    assert len(panel.lines) == sum(map(len, named))


@pytest.mark.parametrize(("name", "titles"), [("gender", ["male", "female"]), ("single_phone", ["M", "F"])])
def test_m_and_f_are_genders_of_the_property_of_that_name_alone(name, titles):
    figure, table = drawn(property, **tables(name, ("M", "F")), corpus="demo")
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == titles
    assert table.loc[table["role"] == "group", "series"].unique().tolist() == titles


@pytest.mark.slow
def test_five_planes_and_curves_stay_apart():
    planes = {name: points("pitch", NAMES) for name in MANY}
    drawn(fig3, planes, {name: silhouettes([0.1] * 6, NAMES) for name in MANY}, "m", "demo")
    sizes = {"m": {name: summary([5] * 6, NAMES) for name in MANY}}
    figure, _ = drawn(fig7, sizes, {"m": all_nulls(sizes["m"])}, "demo")
    colours = style.property_colours(MANY)
    assert len(set(colours.values())) == len(MANY)
    assert [axes.get_title() for axes in figure.axes] == [style.property_title(name) for name in MANY]


def test_groups_look_different_until_colours_and_markers_are_used_up():
    looks = style.group_looks([str(number) for number in range(30)])
    assert len(set(looks.values())) == 30
    assert list(style.group_looks("abc").values()) == [(style.BLUE, "o"), (style.VERMILLION, "s"), (style.GREEN, "^")]


def test_the_config_says_what_figures_show():
    config = load_config(CONFIG)
    assert config.figures.plane_properties == ["phone", "gender", "pitch"]
    chosen = load_config(CONFIG | {"figures": CONFIG["figures"] | {"properties": ["manner", "pitch"]}})
    assert chosen.figures.plane_properties == chosen.figures.layer_properties == ["manner", "pitch"]
    assert chosen.figures.overlap_properties == ["phone", "gender", "pitch"]
    shown = plan.figures.of_properties(chosen, ["confounds"])
    assert shown["manner"] == "manner"


@pytest.mark.parametrize(
    ("figures", "sentence"),
    [
        ({"properties": ["manr"]}, "figures.properties: 'manr' is not defined"),
        ({"properties": ["manner", "manner"]}, "figures.properties: expected each once, found manner, manner"),
        ({"overlap": ["manner"]}, "figures.overlap: .* at least 2 items"),
    ],
)
def test_figures_of_properties_that_are_none_are_refused(figures, sentence):
    with pytest.raises(ConfigError, match=sentence):
        load_config(CONFIG | {"figures": CONFIG["figures"] | figures})
