"""Figures of pruned models (6 and 9): what their tables say against what their inputs say."""

import math

import pandas as pd
import pytest
from figure_inputs import PUBLISHED, PUBLISHED_JSON, drawn, drawn_twice
from pruning_inputs import ARMS, TASKS, collected, compared
from test_figures import rendered
from test_pruning_report import run_script

from property_neurons.errors import ConfigError
from property_neurons.figures import cut_cost, fig6, fig9
from property_neurons.figures.pruning_tables import MEASURES, Study, task_titles
from property_neurons.figures.published import read_bars
from property_neurons.stores.files import read_table, write_table
from property_neurons.tasks.intervals import interval_label

MELHUBERT = {figure: read_bars(PUBLISHED_JSON, figure, "melhubert") for figure in ("fig6", "fig9")}
STEPS = (3072, 528, 428, 328, 228, 128)
FEW = ("unpruned", "protect", "norm")
STUDIES = {fig6: "general", fig9: "task_specific"}


def only(table, **fields):
    """The rows of a table in which these columns have these values."""
    for column, value in fields.items():
        table = table[table[column] == value]
    return table


def small(study, seeds, sizes=(3072, 577)):
    """Runs of two tasks whose values are round numbers."""
    runs = collected(study, tasks=("pr", "f0"), arms=FEW, seeds=seeds, sizes=sizes)
    base = {"unpruned": 0.10, "protect": 0.20, "norm": 0.30}
    runs["value"] = [
        base[row.arm] + 0.02 * row.seed + (0.01 * row.step if row.arm != "unpruned" else 0) for row in runs.itertuples()
    ]
    mean = runs.groupby(["task", "arm", "step"])["value"].transform("mean")
    return runs.assign(arm_low=mean - 0.01, arm_high=mean + 0.03)


def study_of(runs, published=None):
    """The study of these runs, each arm compared with each other."""
    return Study(runs, compared(runs), "tiny", "demo", published or {})


def test_fig6_draws_means_seeds_and_differences():
    runs = small("general", 3)
    table = drawn_twice(fig6, study_of(runs, MELHUBERT["fig6"]))
    bar = only(table, part="error", task="pr", arm="protect").iloc[0]
    # Seeds 21, 23, 25 %.
    assert bar[["value", "low", "high"]].tolist() == pytest.approx([23, 22, 26])
    assert (bar["spread"], bar["seeds"], bar["rows"]) == (interval_label(3), 3, 577)
    assert only(table, part="seed", task="pr", arm="protect")["value"].tolist() == pytest.approx([21, 23, 25])
    assert only(table, part="seed", task="pr", arm="protect")["seed"].tolist() == [0, 1, 2]
    assert only(table, part="error", task="f0", arm="norm")["value"].tolist() == pytest.approx([0.33])
    assert only(table, part="constant")[["task", "value"]].to_numpy().tolist() == [["f0", 0.151]]
    for task, metric in (("pr", "phone_error_rate"), ("f0", "lnf0_mse")):
        published = only(table, part="published", task=task)
        assert dict(zip(published["arm"], published["value"], strict=True)) == PUBLISHED["fig6"][metric]
    differences = only(table, part="difference", task="pr")
    assert differences[["arm", "other"]].to_numpy().tolist() == [["protect", "norm"]]
    changes = only(table, part="change", task="pr")
    assert changes[["arm", "other"]].to_numpy().tolist() == [["protect", "unpruned"], ["norm", "unpruned"]]
    given = only(compared(runs), task="pr", step=1).set_index(["first", "second"])
    for drawn_rows in (differences, changes):
        told = given.loc[list(zip(drawn_rows["arm"], drawn_rows["other"], strict=True))]
        for column, source in (("value", "difference"), ("low", "low"), ("high", "high")):
            assert drawn_rows[column].tolist() == pytest.approx((100 * told[source]).tolist())


def test_one_seed_has_an_error_bar_that_says_so():
    runs = small("general", 1)
    study = study_of(runs)._replace(notes=["Too little speech (cells of fewer than 1/λ frames): pitch 82 of 90"])
    figure, table = drawn(fig6, study)
    assert figure.get_suptitle().replace("\n", " ").endswith(study.notes[0])
    bar = only(table, part="error", task="pr", arm="norm").iloc[0]
    assert bar[["value", "low", "high"]].tolist() == pytest.approx([31, 30, 34])
    assert set(only(table, part="error")["spread"]) == {interval_label(1)}
    assert "published" not in set(table["part"])


@pytest.mark.parametrize(("seeds", "named"), [(1, 0), (3, 1)])
def test_the_legend_names_dots_of_seeds_where_there_are_any(seeds, named):
    figure, _ = drawn(fig6, study_of(small("general", seeds)))
    entries = [text.get_text() for text in figure.legends[0].get_texts()]
    assert entries.count("error of one seed") == named
    assert [one for one in entries if "interval" in one] == [interval_label(seeds)]


@pytest.mark.parametrize(("sizes", "steps"), [((3072, 577), "once"), ((3072, 528, 128), "in 2 steps")])
def test_the_heading_says_how_often_was_pruned(sizes, steps):
    figure, _ = drawn(fig6, study_of(small("general", 1, sizes)))
    assert figure.get_suptitle().replace("\n", " ").startswith(f"Pruned {steps}, to {sizes[-1]} neurons")


@pytest.mark.slow
def test_fig9_draws_the_steps_and_the_last_one():
    runs = small("task_specific", 3, sizes=(3072, 528, 128))
    table = drawn_twice(fig9, study_of(runs, MELHUBERT["fig9"]))
    curve = only(table, part="curve", task="pr", arm="protect")
    assert curve[["step", "rows"]].to_numpy().tolist() == [[1, 528], [2, 128]]
    given = only(compared(runs), task="pr", first="protect", second="unpruned")
    assert curve["value"].tolist() == pytest.approx((100 * given["difference"]).tolist())
    assert curve["low"].tolist() == pytest.approx((100 * given["low"]).tolist())
    assert curve["share"].tolist() == pytest.approx([528 / 3072, 128 / 3072])
    start = only(table, part="curve", task="pr", arm="unpruned").iloc[0]
    assert start[["step", "rows", "value"]].tolist() == [0, 3072, 0]
    errors = only(table, part="error", task="pr")
    assert errors[["arm", "step"]].to_numpy().tolist() == [["unpruned", 0], ["protect", 2], ["norm", 2]]
    assert errors["value"].tolist() == pytest.approx([12, 24, 34])
    assert set(only(table, part="difference")["step"]) == {2}
    published = only(table, part="published")
    assert published["task"].unique().tolist() == ["pr"]
    assert dict(zip(published["arm"], published["value"], strict=True)) == PUBLISHED["fig9"]["phone_error_rate"]


@pytest.mark.parametrize(("sizes", "curve"), [((3072, 577), False), ((3072, 528, 128), True)])
def test_models_without_recovery_have_a_curve_where_there_are_several_sizes(sizes, curve):
    figure, table = drawn(cut_cost, study_of(small("general", 2, sizes)))
    assert ("curve" in set(table["part"])) == curve
    heading = figure.get_suptitle().replace("\n", " ")
    each = " or ".join(map(str, sizes[1:]))
    assert heading.startswith(f"Pruned once, not fine-tuned after, to {each} neurons per layer")
    titles = [axes.get_title() for axes in figure.axes]
    assert any(title.startswith(f"to {sizes[-1]} neurons per layer") for title in titles) == curve
    assert "after the last pruning step" not in titles
    study = study_of(small("general", 2, sizes))._replace(recovery="distillation")
    assert drawn(cut_cost, study)[0].get_suptitle().startswith("Pruned once, not recovered, to ")
    recovered = fig6.draw(study)[0].get_suptitle().replace("\n", " ")
    assert " and recovered by distillation, to " in recovered


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seeds", "tasks", "shown"),
    [
        (3, tuple(TASKS), ARMS),
        (1, tuple(TASKS), FEW),
        (3, ("pr", "sid"), ("unpruned", "norm")),
        (1, ("pr", "sid"), ARMS),
        (1, ("pr",), ARMS),
        (3, ("f0",), ("unpruned", "protect")),
        (3, ("f0",), ("unpruned", "norm")),
    ],
)
def test_both_are_legible_with_few_and_many_panels_and_arms(seeds, tasks, shown):
    for module, sizes, figure in ((fig6, (3072, 577), "fig6"), (fig9, STEPS, "fig9")):
        _, table = drawn(module, study_of(collected(STUDIES[module], tasks, shown, seeds, sizes), MELHUBERT[figure]))
        assert only(table, part="error")["arm"].unique().tolist() == list(shown)
        assert only(table, part="error")["task"].unique().tolist() == list(tasks)
        assert only(table, part="difference").empty == ("protect" not in shown or set(shown) <= {"unpruned", "protect"})


def test_two_tasks_of_a_kind_and_a_missing_arm_are_drawn():
    runs = collected("general", ("pr", "sid"), FEW).replace(
        {"sid": "pr-phones", "speaker_error_rate": "phone_error_rate"}
    )
    runs = runs[~(runs["task"].eq("pr") & runs["arm"].eq("protect"))]
    _, table = drawn(fig6, study_of(runs))
    assert only(table, part="difference")["task"].unique().tolist() == ["pr-phones"]
    assert set(task_titles(table).values()) == {"phone recognition: pr", "phone recognition: pr-phones"}


def test_more_than_four_tasks_are_drawn_in_several_rows():
    """Of six, three and three; of five, three and two, and no empty panel."""
    runs = collected("general", ("pr", "sid"), FEW)
    for number, rows in ((5, (3, 2)), (6, (3, 3))):
        names = ["pr", "sid", "pr2", "sid2", "pr3", "sid3"][:number]
        many = pd.concat([runs[runs["task"] == name.rstrip("23")].assign(task=name) for name in names])
        figure, table = drawn(fig6, study_of(many))
        assert table["task"].unique().tolist() == names
        titled = [axes for axes in figure.axes if axes.get_title()]
        heights = [round(axes.get_position().y0, 3) for axes in titled]
        assert tuple(heights.count(height) for height in dict.fromkeys(heights)) == rows
        assert len(figure.axes) == 3 * number


@pytest.mark.parametrize("module", STUDIES)
def test_a_study_without_cuts_is_refused(module):
    runs = collected(STUDIES[module], arms=("unpruned", "fine_tuned"))
    with pytest.raises(ConfigError, match=rf"study {STUDIES[module]}: expected runs of pruned models.*unpruned"):
        module.draw(study_of(runs))


def test_the_paper_shows_one_model_only():
    assert MELHUBERT["fig9"] == PUBLISHED["fig9"]
    assert MELHUBERT["fig6"].keys() == MEASURES.keys()
    assert read_bars(PUBLISHED_JSON, "fig6", None) == read_bars(PUBLISHED_JSON, "fig6", "hubert_base") == {}


@pytest.mark.parametrize("module", STUDIES)
def test_the_script_draws(tmp_path, module):
    """Pictures and table; of any figure, because all have one script."""
    name = module.__name__.rpartition(".")[2]
    runs = collected(STUDIES[module], ("pr",), FEW)
    given = {key: str(tmp_path / f"{key}.tsv") for key in ("runs", "comparisons")}
    write_table(given["runs"], runs)
    write_table(given["comparisons"], compared(runs))
    run_script(
        "draw_figure",
        tmp_path,
        input=given | {"published": str(PUBLISHED_JSON), "cells": []},
        output={"figure": str(tmp_path / f"{name}.pdf")},
        params={"figure": name, "model": "tiny", "corpus": "demo", "recovery": "", "properties": []}
        | {"published": {"tiny": "melhubert"}},
    )
    assert all((tmp_path / f"{name}.{suffix}").stat().st_size for suffix in ("pdf", "png", "tsv"))
    assert not math.isnan(only(read_table(tmp_path / f"{name}.tsv"), part="published")["value"].sum())


@pytest.mark.parametrize("name", ["fig6", "fig9"])
def test_the_captions_name_what_is_shown(name):
    own, papers = (
        rendered(name, {}, model="tiny", corpus="demo", published={"tiny": published})
        for published in (None, "melhubert")
    )
    assert "tiny" in own
    assert "demo" in own
    assert "published" not in own
    assert "values published for this model" in papers
    assert "{" not in papers
