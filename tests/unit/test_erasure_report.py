"""The tables of an erasure against numbers worked out by hand, and its figures."""

import re
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from figure_inputs import drawn, drawn_twice
from matplotlib.collections import LineCollection
from matplotlib.text import Text
from scipy import stats

from property_neurons.erasure import report
from property_neurons.erasure.markdown import markdown_table
from property_neurons.erasure.report import erasure_tables
from property_neurons.erasure.specificity import selector_table
from property_neurons.errors import StoreError
from property_neurons.figures import erasure, erasure_dose, erasure_selectors
from property_neurons.figures.erased_parts import neurons_title
from property_neurons.stores import files


def write_run(
    folder,
    groups,
    *,
    kind="speaker_identification",
    seed=0,
    sigmas=(0.8,),
    digest="d",
    draws=2,
    speakers=5,
    selectors=None,
    most=1.0,
):
    """A run in which erasing group g makes g's error `most` at dose 1 and half of it at 0.5, random draw k adds k / 10.

    Ten utterances of a group, of five speakers or of one. selectors: by name what a group's error is where its chosen
    neurons are erased, and what the others' is.
    """
    conditions, scores = [], []

    def speaker(group, utterance):
        return utterance // 2 if speakers > 1 else 0

    def add(condition, error_of):
        number = len(conditions)
        conditions.append(condition)
        for group in groups:
            for utterance in range(10):
                wrong = float(utterance < round(10 * error_of(group)))
                for part in ("all", group):
                    scores.append(
                        (
                            number,
                            f"{group}-{utterance}",
                            f"{group}-{speaker(group, utterance)}",
                            part,
                            wrong,
                            1.0,
                            0.25 + 2 * wrong,
                        )
                    )

    base = {
        "kind": "whole",
        "erased": "",
        "sigma": 0.0,
        "dose": 0.0,
        "draw": 0,
        "selector": "",
        "neurons": 0,
        "neurons_per_layer": "0,0",
        "frequency": 0.02,
    }
    add(base, lambda group: 0.2)
    for sigma in sigmas:
        for erased in groups:
            for dose in (0.5, 1.0):
                at = base | {"erased": erased, "sigma": sigma, "dose": dose, "neurons": int(20 * dose)}
                at["selector"] = "paper"
                at["neurons_per_layer"] = f"{int(15 * dose)},{20 * dose - int(15 * dose):.0f}"
                add(
                    at | {"kind": "group"},
                    lambda group, erased=erased, dose=dose: most * dose if group == erased else 0.2,
                )
                for draw in range(draws):
                    often = {"kind": "random", "draw": draw, "frequency": 0.01 * (1 + draw)}
                    add(at | often, lambda group, draw=draw: 0.2 + draw / 10)
        for name, (own, others) in (selectors or {}).items():
            for erased in groups:
                at = base | {"erased": erased, "sigma": sigma, "dose": 1.0, "neurons": 20, "selector": name}
                of_group = {group: own if group == erased else others for group in groups}
                add(at | {"kind": "group"}, of_group.get)
                for draw in range(draws):
                    add(at | {"kind": "random", "draw": draw}, lambda group: 0.3)
    folder.mkdir()
    files.write_table(folder / "conditions.tsv", pd.DataFrame(conditions))
    columns = ["condition", "utterance", "speaker", "part", "error", "weight", "surprisal"]
    files.write_table(folder / "scores.parquet", pd.DataFrame(scores, columns=columns))
    described = {
        "task": "sid-tuned",
        "kind": kind,
        "model": "m",
        "corpus": "c",
        "property": "gender",
        "groups": list(groups),
        "action": "zero",
        "seed": seed,
        "split_digest": digest,
    }
    files.write_json(folder / "description.json", described)
    return folder


def errors_of(cells):
    return cells[cells["metric"] != "cross_entropy"]


def test_cells_are_before_and_after_by_part(tmp_path):
    cells, curves = map(errors_of, erasure_tables("table1", [write_run(tmp_path / "a", ["F", "M"])]))
    assert cells[["erased", "part"]].to_numpy().tolist() == [
        [erased, part] for erased in ("F", "M") for part in ("F", "M", "all")
    ]
    own = cells.set_index(["erased", "part"]).loc[("F", "F")]
    assert own[["before", "after", "delta"]].tolist() == pytest.approx([20, 100, 80])
    assert own[["random_mean", "random_least", "random_most", "excess"]].tolist() == pytest.approx([5, 0, 10, 75])
    assert 20 < own["low"] < 80 < own["high"] < 140
    assert own["neurons"] == 20
    # Two sets, active 0.5 times and once as often.
    assert own["random_frequency"] == pytest.approx(0.75)
    other = cells.set_index(["erased", "part"]).loc[("F", "M")]
    assert other[["delta", "low", "high"]].tolist() == [0, 0, 0]
    everyone = cells.set_index(["erased", "part"]).loc[("F", "all")]
    assert everyone["delta"] == pytest.approx(40)
    half = curves[(curves["dose"] == 0.5) & (curves["kind"] == "group") & (curves["part"] == curves["erased"])]
    assert half["delta"].tolist() == pytest.approx([30, 30])
    assert half["neurons"].tolist() == [10, 10]
    written = markdown_table(cells)
    assert "| female (20) | +80.0* (" in written
    assert "[+5.0, 0.0 to 10.0]" in written
    assert "Before: female 20.0, male 20.0, all 20.0." in written
    phones = markdown_table(cells.assign(property="single_phone"))
    assert "| F (20) | +80.0* (" in phones
    assert "Before: F 20.0, M 20.0, all 20.0." in phones


@pytest.mark.slow
def test_many_groups_are_their_own_and_others(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "_RESAMPLES", 100)
    groups = [f"s{number}" for number in range(6)]
    run = write_run(tmp_path / "a", groups, sigmas=(0.8, 0.5))
    cells, curves = map(errors_of, erasure_tables("speaker", [run]))
    assert set(cells["part"]) == {"own", "others", "all"}
    assert cells["erased"].nunique() == 7
    mean = cells.set_index(["erased", "part"]).loc["mean"]
    assert mean.loc["own", ["delta", "excess"]].tolist() == pytest.approx([80, 75])
    # All groups change alike.
    assert mean.loc["own", ["low", "p"]].tolist() == pytest.approx([80, 2**-5])
    assert mean.loc["others", "delta"] == pytest.approx(0)
    others = cells[(cells["erased"] == "s0") & (cells["part"] == "others")].iloc[0]
    assert others["utterances"] == 50
    assert sorted(set(curves["sigma"])) == [0.5, 0.8]
    assert set(cells["sigma"]) == {0.8}


@pytest.mark.parametrize("speakers", [1, 5])
def test_the_mean_over_groups_varies_as_groups_do(tmp_path, speakers):
    """A group's own speakers, or the utterances of a lone one, are not drawn once more: they would count twice."""
    groups = [f"s{number}" for number in range(8)]
    run = write_run(tmp_path / "a", groups, speakers=speakers, draws=1)
    scores = files.read_table(run / "scores.parquet")
    whole = scores.loc[scores["condition"] == 0, ["utterance", "part"]].index
    rng = np.random.default_rng(1)
    wrong = {group: rng.choice(10, size=number, replace=False) for number, group in enumerate(groups)}
    at = scores["utterance"].str.split("-")
    missed = [int(number) in wrong[group] for group, number in at]
    scores.loc[whole, "error"] = np.array(missed, float)[whole]
    files.write_table(run / "scores.parquet", scores)
    cells, _ = map(errors_of, erasure_tables("speaker", [run]))
    cells = cells[cells["part"] == "own"].set_index("erased")
    for name in ("", "excess_", "causal_excess_"):
        values = cells.loc[groups, name.rstrip("_") or "delta"].to_numpy()
        expected = stats.ttest_1samp(values, 0).confidence_interval()
        found = cells.loc["mean", [f"{name}low", f"{name}high"]].to_numpy(float)
        np.testing.assert_allclose(found, expected, atol=0.1 * np.ptp(expected))


@pytest.mark.parametrize(("tested", "groups"), [(5, 7), (3, 6)])
def test_a_group_of_whom_nobody_is_tested_has_no_error_of_its_own(tested, groups, tmp_path, monkeypatch):
    """Whether the groups that are tested are few or many, erased ones that are not have rows of all others."""
    monkeypatch.setattr(report, "_RESAMPLES", 100)
    names = [f"s{number}" for number in range(groups)]
    run = write_run(tmp_path / "a", names)
    scores = files.read_table(run / "scores.parquet")
    unseen = scores["utterance"].str.split("-").str[0].isin(names[tested:])
    files.write_table(run / "scores.parquet", scores[~unseen].reset_index(drop=True))
    cells, curves = map(errors_of, erasure_tables("speaker", [run]))
    last = cells[cells["erased"] == names[-1]]
    assert last["part"].tolist() == (["others", "all"] if tested > 4 else [*names[:tested], "all"])
    assert last["delta"].tolist() == pytest.approx([0] * len(last))
    mean = cells[cells["erased"] == "mean"].set_index("part")["delta"]
    assert mean.get("own", 80) == pytest.approx(80)
    assert mean["all"] == pytest.approx(80 / groups)
    assert set(curves["erased"]) == set(names)


def test_speakers_have_their_cross_entropy_beside_their_errors(tmp_path):
    cells, curves = erasure_tables("table1", [write_run(tmp_path / "a", ["F", "M"])])
    softly = cells[cells["metric"] == "cross_entropy"]
    errors = errors_of(cells)
    assert set(softly["unit"]) == {"nats"}
    assert len(softly) == len(errors)
    for name in ("delta", "low", "high", "random_most", "excess", "excess_high"):
        np.testing.assert_allclose(softly[name], errors[name] * 2 / 100)
    np.testing.assert_allclose(softly["before"], 0.25 + errors["before"] * 2 / 100)
    assert len(curves) == 2 * len(errors_of(curves))
    written = markdown_table(cells)
    assert "Cross-entropy after minus before erasing, in nats" in written
    assert "| female (20) | +1.600* (" in written
    phones, _ = erasure_tables("phones", [write_run(tmp_path / "b", ["vowel"], kind="phone_recognition")])
    assert set(phones["metric"]) == {"phone_recognition"}


def test_seeds_are_drawn_together_and_must_be_of_one_split(tmp_path):
    runs = [write_run(tmp_path / name, ["F", "M"], seed=seed) for seed, name in enumerate("ab")]
    cells, _ = erasure_tables("table1", runs)
    assert set(cells["seeds"]) == {2}
    assert cells.loc[0, "delta"] == pytest.approx(80)
    one, apart = (
        erasure_tables("table1", folders)[0]
        for folders in (runs[:1], [runs[0], write_run(tmp_path / "less", ["F", "M"], seed=2, most=0.6)])
    )
    # Of equal seeds the interval is that of one; seeds that differ widen it, as Student's t of two has it.
    assert cells.loc[0, ["low", "high"]].tolist() == pytest.approx(one.loc[0, ["low", "high"]].tolist())
    assert apart.loc[0, "delta"] == pytest.approx(60)
    assert apart.loc[0, "high"] - 60 > 20 * stats.t.ppf(0.975, 6)
    other = write_run(tmp_path / "c", ["F", "M"], digest="else")
    with pytest.raises(StoreError, match=r"expected the split_digest d of .* found else"):
        erasure_tables("table1", [runs[0], other])


def test_f0_is_in_its_own_unit(tmp_path):
    cells, _ = erasure_tables("pitch", [write_run(tmp_path / "a", ["low", "high"], kind="f0_reconstruction")])
    assert set(cells["unit"]) == {"MSE"}
    assert cells.loc[0, "delta"] == pytest.approx(0.8)
    assert "+0.8000" in markdown_table(cells)


def test_without_draws_there_is_no_control(tmp_path):
    cells, curves = erasure_tables("table1", [write_run(tmp_path / "a", ["F", "M"], draws=0)])
    assert cells["random_mean"].isna().all()
    assert set(curves["kind"]) == {"group"}
    assert "[" not in markdown_table(errors_of(cells)).split("|", 1)[1]


@pytest.mark.parametrize(
    ("groups", "kind", "draws"),
    [
        (["M", "F"], "speaker_identification", 3),
        (["vowel", "voiced consonant", "unvoiced consonant"], "phone_recognition", 2),
        (["low", "middle", "high"], "f0_reconstruction", 0),
        ([f"speaker-{number}" for number in range(8)], "speaker_identification", 2),
    ],
)
def test_figures_show_the_tables(tmp_path, monkeypatch, groups, kind, draws):
    monkeypatch.setattr(report, "_RESAMPLES", 100)
    sigmas = (0.8, 0.5) if len(groups) > 4 else (0.8,)
    run = write_run(tmp_path / "a", groups, kind=kind, sigmas=sigmas, draws=draws)
    cells, curves = erasure_tables("study", [run])
    published = {("M", "M"): 22.4, ("M", "F"): 2.2}
    # Twice is enough of the smallest.
    draw = drawn_twice if draws == 0 else lambda *inputs: drawn(*inputs)[1]
    note = "Too little speech (cells of fewer than 1/λ frames): gender 59 of 78" if draws else ""
    table = draw(erasure, cells, "melhubert-mini", "train-clean-100", published, note)
    assert len(table) == len(cells)
    np.testing.assert_allclose(table["delta"], cells["delta"], atol=1e-9)
    assert errors_of(table)["published"].notna().sum() == (2 if "M" in groups else 0)
    assert table[table["metric"] == "cross_entropy"]["published"].isna().all()
    figure, doses = drawn(erasure_dose, curves, "melhubert-mini", "train-clean-100", note)
    assert figure.get_suptitle().replace("\n", " ").endswith(note)
    assert len(doses) == len(curves)
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert len(titles) == (1 if len(groups) > 4 else len(groups))
    named = [text.get_text() for text in figure.legends[0].get_texts()]
    over = f"their range over {draws} sets{', mean of groups' if len(groups) > 4 else ''}"
    assert (over in named) == (draws > 0)


def test_marks_are_filled_beyond_every_random_draw():
    """A small q is not enough: of few draws one may have done as much; nor is an interval without zero."""
    given = {
        "delta": [3.0, 3.0, 1.5, -3.0, -1.0, 0.5],
        "excess": [2.0, 2.0, 1.0, -3.0, -1.0, 0.2],
        "excess_p": [0.001, 0.5, 0.001, 0.001, 0.001, 0.2],
        "random_least": [-2.0] * 6,
        "random_most": [2.0] * 6,
        "p": [0.01, 0.02, 0.03, np.nan, 0.05, 0.06],
        "causal_excess_p": [np.nan] * 6,
    }
    table = report._corrected(pd.DataFrame(given))
    assert table["beyond"].tolist() == ["more", "", "", "less", "", ""]
    assert table["q"].tolist() == pytest.approx([0.05, 0.05, 0.05, np.nan, 0.06, 0.06], nan_ok=True)


def test_figures_mark_what_lies_beyond_and_say_what_could_have_been_seen(tmp_path):
    cells, _ = erasure_tables("table1", [write_run(tmp_path / "a", ["F", "M"])])
    shown = errors_of(cells).assign(beyond=["more", ""] * 2 + ["less", ""], excess_detectable=4.25)
    figure, _ = erasure.draw(shown, "melhubert-mini", "train-clean-100", note="Too little speech")
    marks = [line for line in figure.axes[0].lines if line.get_marker() in "osD<"]
    assert [mark.get_markerfacecolor() != "white" for mark in marks] == [True, False] * 3
    assert [mark.get_marker() == "<" for mark in marks] == [False] * 4 + [True, False]
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "less than random neurons (q ≤ 0.05, and than every set)" in legend
    # Below each group, the harm to its own that is more than the harm to others.
    causal = [line for line in figure.axes[0].lines if line.get_marker() == "*"]
    own = shown[shown["causal_excess"].notna()]
    assert [mark.get_xdata()[0] for mark in causal] == pytest.approx(own["causal_excess"].tolist())
    assert [mark.get_markerfacecolor() != "white" for mark in causal] == (own["causal_excess_q"] <= 0.05).tolist()
    texts = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    headings = [text for text in texts if text.startswith("erased")]
    assert headings == ["erased: female (20 neurons)", "erased: male (20 neurons)"]
    assert sum(text.get_text() == "(4.2)" for text in figure.axes[0].texts) == 3
    said = figure.get_suptitle().replace("\n", " ")
    assert "Tested on 10 speakers, 1 seed; n: their utterances; at the left of a panel: the error before" in said
    assert said.endswith("Random neurons are active 0.75 times as often as the groups'. Too little speech")
    at_left = [text.get_text() for text in figure.axes[0].texts if text.get_text().endswith("%")]
    assert at_left == [f"{value:.1f} %" for value in shown["before"]]
    alike = erasure.draw(shown.assign(random_frequency=0.95), "melhubert-mini", "train-clean-100")[0].get_suptitle()
    assert "active" not in alike
    figure, _ = erasure.draw(shown.assign(property="single_phone"), "melhubert-mini", "train-clean-100")
    texts = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert [text.split(" (")[0] for text in texts[:3]] == ["erased: F", "F", "M"]


def test_a_small_mean_squared_error_is_written_out(tmp_path):
    """Their differences are a few thousandths: three decimals would say that nothing at all could go unseen."""
    cells, _ = erasure_tables("pitch", [write_run(tmp_path / "a", ["F", "M"])])
    shown = errors_of(cells).assign(metric="f0_reconstruction", unit="MSE", beyond="", excess_detectable=0.00038)
    axes = erasure.draw(shown.assign(before=0.0147), "melhubert-mini", "train-clean-100")[0].axes[0]
    assert [text.get_text() for text in axes.texts] == ["0.0147", "(0.0004)"] * 6


@pytest.mark.slow
def test_groups_and_measures_without_any_change_are_told_not_drawn(tmp_path):
    """Four speakers, of whom erasing one changes errors; the errors of all change nothing in the second table."""
    groups = ["1272", "251", "1462", "1988"]
    cells, curves = erasure_tables("speaker", [write_run(tmp_path / "a", groups)])
    told = {"delta": 0.0, "low": 0.0, "high": 0.0}
    for table, module, panels in ((cells, erasure, 2), (curves, erasure_dose, 4)):
        still = table.assign(**{key: table[key].where(table["erased"] == "1988", told[key]) for key in told})
        figure = drawn(module, still, "m", "c")[0]
        said = figure.get_suptitle().replace("\n", " ")
        assert "No answer changed by erasing 1272 (20 neurons), 251 (20 neurons), 1462 (20 neurons)" in said
        texts = [text.get_text() for text in figure.findobj(Text)]
        assert not any(text.startswith(f"erased: {group}") for text in texts for group in groups[:3])
        errors = table.assign(**{key: table[key].where(table["metric"] == "cross_entropy", told[key]) for key in told})
        figure = drawn(module, errors, "m", "c")[0]
        assert "No answer changed, so not drawn: speaker error" in figure.get_suptitle().replace("\n", " ")
        assert len(figure.axes) == panels - (1 if module is erasure else 0)
        # A table of nothing but zeros keeps a group, so that there is a figure.
        nothing = drawn(module, table.assign(**told), "m", "c")[0]
        assert sum(text.get_text().startswith("erased: 1272") for text in nothing.findobj(Text)) >= 1


def loop_interval(folder, seed, measured, of_draws=None):
    """What `measured` makes of scores whose speakers are drawn group by group, with an interval of Student's t.

    of_draws: the same for each random set alone, whose variance the interval has too.
    """
    scores = files.read_table(folder / "scores.parquet")
    names = {part: sorted(set(rows["speaker"])) for part, rows in scores[scores["part"] != "all"].groupby("part")}
    rng = np.random.default_rng(seed)
    chosen = {part: rng.integers(len(own), size=(30, len(own))) for part, own in sorted(names.items())}
    found = []
    for number in range(30):
        drawn = {
            part: pd.concat([scores[(scores["part"] == part) & (scores["speaker"] == own[at])] for at in row[number]])
            for (part, own), row in zip(sorted(names.items()), chosen.values(), strict=True)
        }
        rates = {
            part: rows.groupby("condition")["error"].sum() / rows.groupby("condition")["weight"].sum()
            for part, rows in drawn.items()
        }
        found.append(100 * measured(rates))
    n = len(names["F"])
    whole = scores[scores["part"] != "all"].groupby(["part", "condition"])[["error", "weight"]].sum()
    rates = {part: (rows["error"] / rows["weight"]).droplevel(0) for part, rows in whole.groupby("part")}
    value, parts = 100 * measured(rates), [(np.var(found) * n / (n - 1), n - 1)]
    if of_draws:
        values = [100 * one(rates) for one in of_draws]
        parts.append((np.var(values, ddof=1) / len(values), len(values) - 1))
    variance = sum(part for part, _ in parts)
    freedom = variance**2 / sum(part**2 / own for part, own in parts)
    half = stats.t.ppf(0.975, freedom) * np.sqrt(variance)
    return value - half, value + half


def test_cells_equal_a_plain_loop_over_the_same_draws(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "_RESAMPLES", 30)
    folder = write_run(tmp_path / "a", ["F", "M"], draws=3)
    cells, _ = map(errors_of, erasure_tables("table1", [folder]))
    own = cells.set_index(["erased", "part"]).loc[("F", "F")]
    conditions = files.read_table(folder / "conditions.tsv")
    (at,), controls = (
        conditions.index[(conditions["erased"] == "F") & (conditions["dose"] == 1) & (conditions["kind"] == kind)]
        for kind in ("group", "random")
    )
    low, high = loop_interval(folder, 1, lambda rates: rates["F"][at] - rates["F"][0])
    assert own[["low", "high"]].tolist() == pytest.approx([low, high])
    low, high = loop_interval(
        folder,
        1,
        lambda rates: rates["F"][at] - rates["F"][controls].mean(),
        [lambda rates, one=control: rates["F"][at] - rates["F"][one] for control in controls],
    )
    assert own[["excess_low", "excess_high"]].tolist() == pytest.approx([low, high])
    assert own["causal_excess"] == pytest.approx(80)
    assert own["causal_excess_low"] <= 80 <= own["causal_excess_high"]
    other = cells.set_index(["erased", "part"]).loc[("F", "M")]
    assert np.isnan(other["causal_excess"])
    assert (other["p"], other["excess"], np.isnan(other["detectable"])) == (1.0, -10.0, True)


def test_of_one_seed_and_one_random_set_the_excess_has_no_interval(tmp_path):
    """Nobody knows then how far random sets differ: another one could have another effect."""
    cells, _ = erasure_tables("table1", [write_run(tmp_path / "a", ["F", "M"], draws=1)])
    own = errors_of(cells).set_index(["erased", "part"]).loc[("F", "F")]
    assert own["excess"] == pytest.approx(80)
    for name in ("excess", "causal_excess"):
        assert own[[f"{name}_{of}" for of in ("low", "high", "p", "q", "detectable")]].isna().all()
    assert own["low"] < own["high"]
    assert set(cells["beyond"]) == {""}
    written = markdown_table(errors_of(cells))
    assert "nothing varies" not in written
    assert "female +80.0, no interval: one seed and one random set" in written


@pytest.mark.parametrize("draws", [2, 5])
def test_random_sets_that_differ_do_not_pass_for_an_effect(draws):
    """20 speakers, one seed, random sets that differ as much as the mean over speakers; the group does what they do."""
    rng, passed = np.random.default_rng(0), []
    for _ in range(400):
        sets = np.append(0, rng.normal(size=draws) / np.sqrt(20))
        speakers = rng.normal(size=(20, 1)) + rng.normal(scale=0.1, size=(20, 1 + draws)) + sets
        times = rng.multinomial(20, [1 / 20] * 20, size=200) / 20
        excess = speakers[:, :1] - speakers[:, 1:] + rng.normal(size=(20, 1))
        cell = report.Cell({})
        cell.add(
            "excess",
            excess.mean(keepdims=True)[0],
            (times @ excess).mean(axis=1, keepdims=True),
            20,
            excess.mean(axis=0, keepdims=True),
        )
        passed.append(cell.row["excess_p"] <= 0.05)
    assert 0.005 <= np.mean(passed) <= 0.08


def test_utterances_of_a_lone_speaker_are_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "_RESAMPLES", 100)
    groups = [f"s{number}" for number in range(6)]
    cells, _ = map(errors_of, erasure_tables("speaker", [write_run(tmp_path / "a", groups, speakers=1)]))
    own = cells[cells["part"] == "own"].iloc[0]
    assert (own["speakers"], own["utterances"]) == (1, 10)
    assert own["low"] < 80 < own["high"]
    # One speaker in six is drawn by chance, again and again: the others by speakers.
    assert set(cells.loc[cells["part"] == "others", "speakers"]) == {5}
    assert "Few test speakers (6)" in markdown_table(cells)


@pytest.mark.parametrize("groups", [["1", "2"], ["01", "nan"], ["True", "False"], ["a $x$", "_b|1"]])
def test_groups_of_any_name_are_drawn_with_their_random_bands(tmp_path, monkeypatch, groups):
    monkeypatch.setattr(report, "_RESAMPLES", 100)
    cells, curves = erasure_tables("study", [write_run(tmp_path / "a", groups, sigmas=(0.8, 0.5))])
    files.write_table(tmp_path / "cells.tsv", cells)
    files.write_table(tmp_path / "curves.tsv", curves)
    table = drawn(erasure, files.read_table(tmp_path / "cells.tsv"), "m", "c")[1]
    assert table["erased"].tolist() == [group for group in groups for _ in range(3)] * 2
    assert table["part"].tolist() == [*groups, "all"] * 4
    assert table["random_most"].notna().all()
    lines = [line for line in markdown_table(cells).splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {len(groups) + 3}
    figure, doses = drawn(erasure_dose, files.read_table(tmp_path / "curves.tsv"), "m", "c")
    assert doses[["erased", "part"]].drop_duplicates().to_numpy().tolist() == [
        [erased, part] for erased in groups for part in (*groups, "all")
    ]
    found = [collection for axes in figure.axes for collection in axes.collections]
    bands = [one for one in found if not isinstance(one, LineCollection)]
    assert len(bands) == len(figure.axes) == 4 * len(groups)
    # Intervals of the erased group's own error, as the table has them.
    own = doses[(doses["kind"] == "group") & (doses["part"] == doses["erased"])]
    drawn_intervals = {
        (low, high) for one in found if isinstance(one, LineCollection) for (_, low), (_, high) in one.get_segments()
    }
    assert drawn_intervals == set(own[["low", "high"]].itertuples(index=False, name=None))
    assert all(np.ptp(band.get_paths()[0].vertices[:, 1]) > 0 for band in bands)
    named = [text.get_text().replace("\\$", "$") for text in figure.legends[0].get_texts()]
    random = ["the erased group, random neurons", "their range over 2 sets"]
    assert named == [*groups, "all", *random, "95 % interval over speakers (one seed)"]


def test_sizes_are_means_over_seeds(tmp_path):
    folders = [write_run(tmp_path / str(seed), ["F", "M"], seed=seed) for seed in range(2)]
    file = folders[1] / "conditions.tsv"
    conditions = files.read_table(file)
    of_f = (conditions["kind"] == "group") & (conditions["erased"] == "F") & (conditions["dose"] == 1)
    conditions.loc[of_f, ["neurons", "neurons_per_layer"]] = [27, "22,5"]
    files.write_table(file, conditions)
    cells, _ = erasure_tables("table1", folders)
    found = cells.drop_duplicates("erased").set_index("erased")[["neurons", "neurons_per_layer"]]
    assert found.loc["F"].tolist() == [23.5, "18.5,5"]
    assert found.loc["M"].tolist() == [20, "15,5"]


def test_many_neurons_are_written_out(tmp_path):
    cells, _ = erasure_tables("table1", [write_run(tmp_path / "a", ["F", "M"])])
    assert "| female (12345.7) |" in markdown_table(cells.assign(neurons=12345 + 2 / 3))


def test_numbers_of_neurons_are_said_as_means():
    assert [neurons_title(one) for one in (349.7, 17, 1 / 3, 0)] == [
        "350 neurons",
        "17 neurons",
        "0.3 neurons",
        "0 neurons",
    ]


@pytest.mark.parametrize(("draws", "said"), [(1, "random neurons"), (2, "random neurons: 2 sets and their mean")])
def test_the_legend_says_how_many_random_sets(draws, said, tmp_path):
    cells, _ = erasure_tables("table1", [write_run(tmp_path / "a", ["F", "M"], draws=draws)])
    figure, _ = drawn(erasure, cells, "m", "c")
    assert said in [text.get_text() for text in figure.legends[0].get_texts()]


@pytest.mark.slow
def test_drawing_loads_no_model():
    """The environment of figures (envs/analysis.yaml) has no torch; and a job's start is most of what it costs."""
    unwanted = {"torch", "transformers", "sklearn"}
    code = f"import sys, property_neurons.figures.erasure as _; print({unwanted} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_selectors_are_held_against_the_sets_of_equations_3_to_5(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "_RESAMPLES", 200)
    run = write_run(tmp_path / "a", ["F", "M"], selectors={"entropy": (0.6, 0.4), "probeless": (0.5, 0.5)})
    table = errors_of(selector_table("table1", [run])).set_index(["selector", "erased"])
    assert len(table) == 3 * 3
    # Error 0.2 -> 1 of the group and 0.2 of the others; random neurons add the same to both.
    assert table["causal_excess"].tolist() == pytest.approx([80] * 3 + [20] * 3 + [0] * 3)
    entropy = table.loc[("entropy", "F")]
    names = ["own", "others", "random_own", "random_others", "over_paper"]
    assert entropy[names].tolist() == pytest.approx([40, 20, 10, 10, -60])
    assert entropy["over_paper_low"] < -60 < entropy["over_paper_high"]
    assert table.loc["paper", "over_paper"].isna().all()
    assert (table["causal_excess_q"] >= table["causal_excess_p"]).all()
    # The table of the study, and its curves, are of the sets alone.
    cells, curves = erasure_tables("table1", [run])
    plain, plain_curves = erasure_tables("table1", [write_run(tmp_path / "b", ["F", "M"])])
    pd.testing.assert_frame_equal(cells, plain)
    pd.testing.assert_frame_equal(curves, plain_curves)
    shown = table.reset_index()
    figure, drawn_table = drawn(erasure_selectors, shown, "melhubert-mini", "train-clean-100")
    assert len(drawn_table) == 9
    assert [axes.get_title() for axes in figure.axes] == ["erased: female", "erased: male", "mean of 2 groups"]
    figure, _ = erasure_selectors.draw(shown.assign(property="single_phone"), "m", "c")
    assert figure.axes[0].get_title() == "erased: F"
    # The points are those of the table, filled where q is small.
    marks = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    of_group = shown[shown["erased"] == "F"]
    assert [mark.get_xdata()[0] for mark in marks] == of_group["causal_excess"].tolist()
    assert [mark.get_markerfacecolor() != "white" for mark in marks] == (of_group["causal_excess_q"] <= 0.05).tolist()


def test_without_selectors_or_others_there_is_nothing_to_compare(tmp_path):
    assert selector_table("table1", [write_run(tmp_path / "a", ["F", "M"])]).empty
    alone = write_run(tmp_path / "b", ["F"], selectors={"entropy": (0.6, 0.4)})
    table = selector_table("table1", [alone])
    assert table.empty
    files.write_table(tmp_path / "selectors.tsv", table)
    with pytest.raises(StoreError, match="found nothing; give the study selectors, and let"):
        erasure_selectors.read(SimpleNamespace(table=tmp_path / "selectors.tsv"), None)
