"""Figures of activation patterns (2, 3, 4 and 5): what their tables say against what their inputs say."""

import numpy as np
import pytest
from figure_inputs import (
    PUBLISHED,
    PUBLISHED_JSON,
    all_silhouettes,
    count_store,
    drawn,
    drawn_twice,
    points,
    silhouettes,
    sites,
    stability,
)

from property_neurons.corpus.phones import PHONES
from property_neurons.counting.count_store import open_counts
from property_neurons.errors import ConfigError, CountingError
from property_neurons.figures import fig2, fig3, fig4, fig5
from property_neurons.figures.published import read_published
from property_neurons.neurons.definition import SetDefinition
from property_neurons.stores.files import read_table, write_table

PLANES = ("phone", "gender", "pitch")


@pytest.mark.parametrize(("count", "shown"), [(1, [1]), (2, [1, 2]), (4, [1, 2, 3, 4]), (12, [1, 5, 8, 12])])
@pytest.mark.parametrize(("threshold", "share"), [("lambda", 0.01), ("tau_over_width", 2 / 200)])
def test_fig2_sorts_the_probabilities_of_the_phone(tmp_path, count, shown, threshold, share):
    hits = count_store(tmp_path / "counts.zarr", sites(count))
    definition = SetDefinition(threshold=threshold)
    _, table = drawn(fig2, open_counts(tmp_path / "counts.zarr"), "AH", definition)
    assert table["layer"].unique().tolist() == shown
    for layer, rows in table.groupby("layer"):
        counted = hits[str(layer)]
        np.testing.assert_allclose(rows["probability"], sorted(counted / 500, reverse=True))
        np.testing.assert_allclose(rows["probability"], counted[rows["neuron"]] / 500)
        assert sorted(rows["neuron"]) == list(range(200))
        assert (rows["in_pattern"] == (rows["probability"] > share)).all()
    assert (table["threshold"] == share).all()


def test_fig2_is_the_same_twice(tmp_path):
    count_store(tmp_path / "counts.zarr", sites(2, two_per_block=True))
    drawn_twice(fig2, open_counts(tmp_path / "counts.zarr"), "AH", SetDefinition())


def test_fig2_refuses_a_phone_that_was_not_counted(tmp_path):
    count_store(tmp_path / "counts.zarr", sites(1))
    with pytest.raises(CountingError, match=r"ZH.*probability_phone"):
        fig2.draw(open_counts(tmp_path / "counts.zarr"), "ZH", SetDefinition())
    with pytest.raises(CountingError, match="found 0"):
        fig2.draw(open_counts(tmp_path / "counts.zarr"), "XX", SetDefinition())


def test_fig3_draws_the_first_seed_at_the_best_layer(tmp_path):
    names = sites(4, two_per_block=True)
    best = {"phone": 3, "gender": 1, "pitch": 4}
    planes = {name: points(name, names, seeds=(7, 0)) for name in PLANES}
    # The best single value lies in layer 2, the best mean where `best` says.
    scores = {
        name: silhouettes([0.3 if layer == best[name] else 0.1 for layer in range(1, 5)], names, (7, 0))
        for name in PLANES
    }
    for table in scores.values():
        table.loc[(table["layer"] == 2) & (table["seed"] == 7), "silhouette"] = 0.45
        table.loc[(table["layer"] == 2) & (table["seed"] == 0), "silhouette"] = -0.1
    control = {name: silhouettes([0.02, 0.05, 0.01, 0.0], names, (7, 0)) for name in ("phone", "pitch")}
    table = drawn_twice(fig3, planes, scores, "tiny", "demo", control)
    of_control = table.groupby("property")["silhouette_control"].first()
    best_of = [control[name].groupby("layer")["silhouette"].mean().max() for name in ("phone", "pitch")]
    np.testing.assert_allclose(of_control[["phone", "pitch", "gender"]], [*best_of, np.nan])
    for name in PLANES:
        rows = table[table["property"] == name].reset_index(drop=True)
        wanted = planes[name].query(f"layer == {best[name]} and seed == 7").reset_index(drop=True)
        assert rows["group"].tolist() == wanted["group"].tolist()
        assert rows["phone"].tolist() == wanted["phone"].tolist()
        np.testing.assert_allclose(rows[["x", "y"]], wanted[["x", "y"]])
        of_layer = scores[name].query(f"layer == {best[name]}")
        np.testing.assert_allclose(rows["silhouette"], of_layer["silhouette"].iloc[0])
        np.testing.assert_allclose(rows["silhouette_mean"], of_layer["silhouette"].mean())
        assert set(rows["site"].astype(str)) == {names[best[name] - 1]}


@pytest.mark.slow
def test_fig3_survives_patterns_that_coincide_and_undefined_silhouettes(tmp_path):
    names = sites(2)
    planes = {name: points(name, names, seeds=(0,)) for name in PLANES}
    planes["gender"][["x", "y"]] = 0.0
    planes["pitch"].loc[:5, ["x", "y"]] = np.nan
    scores = {name: silhouettes([0.1, 0.2], names, (0,)) for name in PLANES}
    scores["gender"]["silhouette"] = np.nan
    _, table = drawn(fig3, planes, scores, "tiny", "demo")
    gender = table[table["property"] == "gender"]
    assert gender["layer"].unique().tolist() == [1]
    assert gender["silhouette"].isna().all()
    assert table[table["property"] == "pitch"]["layer"].unique().tolist() == [2]


def test_fig4_draws_means_ranges_and_what_they_are_held_against(tmp_path):
    own, control = all_silhouettes(12), all_silhouettes(12, scale=0.1)
    melhubert = read_published(PUBLISHED_JSON, "melhubert")
    held_out = {name: stability(sites(12)) for name in own}
    table = drawn_twice(fig4, {"own": own, "twin": control}, "demo", melhubert, held_out)
    assert len(table) == 4 * 6 * 12
    for name, scores in own.items():
        by_role = {role: rows.set_index("layer") for role, rows in table[table["property"] == name].groupby("role")}
        layers = scores.groupby("layer")["silhouette"]
        np.testing.assert_allclose(by_role["model"]["value"], layers.mean())
        np.testing.assert_allclose(by_role["model"]["lowest"], layers.min())
        np.testing.assert_allclose(by_role["model"]["highest"], layers.max())
        np.testing.assert_allclose(by_role["full"]["value"], scores.groupby("layer")["silhouette_full"].first())
        np.testing.assert_allclose(by_role["held_out"]["value"], 0.1)
        # One kind of band in a figure: that of the seeds.
        assert by_role["held_out"]["lowest"].isna().all()
        assert by_role["full"]["lowest"].isna().all()
        np.testing.assert_allclose(by_role["control"]["value"], control[name].groupby("layer")["silhouette"].mean())
        full = control[name].groupby("layer")["silhouette_full"].first()
        np.testing.assert_allclose(by_role["control_full"]["value"], full)
        np.testing.assert_allclose(by_role["published"]["value"], PUBLISHED["fig4_silhouette_by_layer"][name])


@pytest.mark.parametrize(
    ("count", "two", "properties"), [(48, True, PLANES), (4, False, ("gender",)), (24, False, (*PLANES, "duration"))]
)
def test_fig4_takes_any_number_of_layers_and_undefined_values(tmp_path, count, two, properties):
    own = all_silhouettes(count, properties, two_per_block=two)
    own["gender"].loc[own["gender"]["layer"] == 2, ["silhouette", "silhouette_full"]] = np.nan
    _, table = drawn(fig4, {"own": own}, "demo")
    assert set(table["role"]) == {"model", "full"}
    assert table["series"].nunique() == 2
    shown = table[(table["property"] == "gender") & (table["role"] == "model")]
    assert shown["value"].isna().tolist() == [layer == 2 for layer in range(1, count + 1)]
    assert shown["site"].astype(str).tolist() == sites(count, two_per_block=two)


def test_fig4_refuses_published_values_of_another_depth(tmp_path):
    with pytest.raises(ConfigError, match=r"12 layers, this one 4.*published_as"):
        fig4.draw({"own": all_silhouettes(4)}, "demo", read_published(PUBLISHED_JSON, "melhubert"))


def test_long_names_stay_on_the_paper(tmp_path):
    model, control, corpus = "a-model-of-" + "9" * 50, "its-twin-of-" + "8" * 50, "a-corpus-of-" + "7" * 50
    own = all_silhouettes(4, ("gender", "pitch"))
    drawn(fig4, {model: own, control: own}, corpus)
    drawn(fig5, {model: own, control: own}, corpus, {control})


def test_fig5_takes_each_models_best_layer(tmp_path):
    models = {
        "melhubert": all_silhouettes(12, PLANES),
        "a-model-with-a-long-name-that-goes-over-two-lines": all_silhouettes(48, PLANES, 0.5, two_per_block=True),
        "twin": all_silhouettes(4, PLANES, 0.05),
        "broken": all_silhouettes(4, PLANES),
    }
    models["broken"]["gender"]["silhouette"] = np.nan
    published = {"melhubert": read_published(PUBLISHED_JSON, "melhubert")}
    table = drawn_twice(fig5, models, "demo", {"twin"}, published)
    assert len(table) == 12
    table = table.set_index(["model", "property"])
    assert table.index[table["control"]].get_level_values("model").unique().tolist() == ["twin"]
    for model, tables in models.items():
        for name, scores in tables.items():
            row = table.loc[(model, name)]
            means = scores.groupby("layer")["silhouette"].mean()
            if means.isna().all():
                assert np.isnan(row["silhouette"])
                continue
            of_layer = scores.loc[scores["layer"] == row["layer"], "silhouette"]
            assert row["layer"] == means.idxmax()
            assert row["silhouette"] == pytest.approx(means.max())
            assert (row["lowest"], row["highest"]) == (pytest.approx(of_layer.min()), pytest.approx(of_layer.max()))
    shown = table.loc["melhubert", "published"].to_dict()
    assert shown == pytest.approx(PUBLISHED["fig5_best_silhouette"]["melhubert"])
    assert table.drop("melhubert", level="model")["published"].isna().all()


def test_fig5_draws_models_that_lack_a_property(tmp_path):
    models = {"one": all_silhouettes(4, PLANES), "two": all_silhouettes(4, ("gender",))}
    _, table = drawn(fig5, models, "demo")
    pairs = [("phone", "one"), ("gender", "one"), ("gender", "two"), ("pitch", "one")]
    assert list(zip(table["property"], table["model"], strict=True)) == pairs


NOTE = "Too little speech (cells of fewer than 1/λ frames): phone classes 14 of 39, gender 59 of 82, pitch 82 of 96"


def test_too_little_speech_is_said_where_patterns_are_drawn():
    names = sites(4)
    planes = {name: points(name, names, seeds=(0,)) for name in PLANES}
    scores = all_silhouettes(4, PLANES)
    figure, _ = drawn(fig3, planes, scores, "tiny", "demo", note=NOTE)
    assert figure.get_suptitle().endswith(NOTE)
    for module in (fig4, fig5):
        figure, _ = drawn(module, {"tiny": scores}, "demo", note=NOTE)
        assert figure.get_suptitle().replace("\n", " ").endswith(NOTE)


def test_fig2_says_that_its_phone_has_few_frames(tmp_path):
    count_store(tmp_path / "counts.zarr", sites(1), frames=99)
    figure, _ = drawn(fig2, open_counts(tmp_path / "counts.zarr"), "AH", SetDefinition())
    assert figure.get_suptitle().endswith("\nToo little speech: 99 frames, fewer than 1/λ")
    count_store(tmp_path / "enough.zarr", sites(1), frames=100)
    assert (
        "Too little" not in drawn(fig2, open_counts(tmp_path / "enough.zarr"), "AH", SetDefinition())[0].get_suptitle()
    )


def test_phones_of_a_corpus_of_its_own_stay_as_they_are(tmp_path):
    """In SAMPA S is another phone than s; the paper's ARPABET is written in small letters."""
    own = {phone: phone.lower() if phone in ("S", "SH") else phone for phone in PHONES} | {"SH": "S"}
    planes = {"gender": points("gender", sites(1), seeds=(0,))}
    scores = {"gender": silhouettes([0.3], sites(1), (0,))}
    for names in ({phone: phone for phone in PHONES}, own):
        shown = {"gender": planes["gender"].replace({"phone": names})}
        figure, _ = drawn(fig3, shown, scores, "m", "c")
        told = [text.get_text() for text in figure.axes[0].texts]
        assert sorted(told) == sorted(2 * [one if names is own else one.lower() for one in names.values()])
        count_store(tmp_path / names["SH"], sites(1), phones=list(names.values()))
        for phone in (names["AH"], names["S"]):
            figure, _ = fig2.draw(open_counts(tmp_path / names["SH"]), phone, SetDefinition())
            assert f"Phone {phone if names is own else phone.lower()}\u00a0" in figure.get_suptitle()


def test_fig3_shows_groups_whatever_they_are_called(tmp_path):
    """Numbers are names, and a legend does not pass over "_2"."""
    plane = points("gender", sites(1), seeds=(0,)).replace({"group": {"M": "1", "F": "_2"}})
    write_table(tmp_path / "points.tsv", plane)
    write_table(tmp_path / "silhouettes.tsv", silhouettes([0.3], sites(1), (0,)))
    planes, scores = ({"speaker": read_table(tmp_path / f"{name}.tsv")} for name in ("points", "silhouettes"))
    figure, table = drawn(fig3, planes, scores, "m", "c")
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["1", "_2"]
    assert [len(line.get_xdata()) for line in figure.axes[0].lines] == [39, 39]
    assert table["group"].tolist() == plane["group"].tolist()
