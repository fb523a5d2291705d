"""What all figures share: the files, labels, axes, published values and captions."""

import itertools
import json
import re
import subprocess
import sys

import jinja2
import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from docutils.core import publish_string
from figure_inputs import PUBLISHED, PUBLISHED_JSON, ROOT, sites
from matplotlib.figure import Figure
from matplotlib.text import Text

from property_neurons.config.analysis import Analysis
from property_neurons.config.embedding import Embedding
from property_neurons.config.statistics import Statistics
from property_neurons.errors import ConfigError
from property_neurons.figures import style
from property_neurons.figures.labels import label_points
from property_neurons.figures.published import read_published
from property_neurons.figures.silhouettes import best_layer, by_layer
from property_neurons.figures.table_page import table_page
from property_neurons.stores.files import read_table

CAPTIONS = ROOT / "resources" / "captions"


def drawing(out, table):
    with style.theme():
        figure = style.new_figure(style.COLUMN, 2)
        figure.subplots().plot(table["x"], label=r"$\tau$")
        style.heading(figure, "What", "model", "corpus")
        style.save(figure, table, out)


def test_a_figure_is_four_files_of_the_same_bytes(tmp_path):
    table = pd.DataFrame({"x": [1.0, np.nan, 0.25]})
    drawing(tmp_path / "one.pdf", table)
    drawing(tmp_path / "two", table)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"{n}.{s}" for n in ("one", "two") for s in ("html", "pdf", "png", "tsv")
    ]
    for suffix in ("pdf", "png", "tsv"):  # the page has its name as title
        assert (tmp_path / f"one.{suffix}").read_bytes() == (tmp_path / f"two.{suffix}").read_bytes()
    pd.testing.assert_frame_equal(read_table(tmp_path / "one.tsv"), table)


def test_the_page_of_a_table_holds_its_values_and_no_markup_of_others():
    table = pd.DataFrame({"<b>": ["<i>x</i>", None], "q": [0.123456789, np.nan], "n": [12, 3], "is": [True, False]})
    page = table_page(table, "a & b")
    assert "<title>a &amp; b</title>" in page
    assert '<td>&lt;i&gt;x&lt;/i&gt;</td><td class="number" data-value="0.123456789">0.1235</td>' in page
    assert '<tr><td></td><td class="number"></td><td class="number">3</td><td>False</td></tr>' in page
    assert "<b>" not in page


@pytest.mark.slow
def test_the_bytes_depend_on_neither_time_nor_settings_nor_process(tmp_path):
    table = pd.DataFrame({"x": [1.0, 2.0]})
    (tmp_path / "matplotlibrc").write_text("font.size: 20\nsavefig.dpi: 30\nlines.linewidth: 9\npdf.fonttype: 3\n")
    code = (
        "import sys, pandas as pd; sys.path.insert(0, sys.argv[1]); from test_figures import drawing;"
        "drawing(sys.argv[2], pd.DataFrame({'x': [1.0, 2.0]}))"
    )
    environment = {"MATPLOTLIBRC": str(tmp_path / "matplotlibrc"), "SOURCE_DATE_EPOCH": "86400", "PYTHONHASHSEED": "7"}
    here = str(ROOT / "tests" / "unit")
    subprocess.run([sys.executable, "-c", code, here, str(tmp_path / "there")], check=True, env=environment)
    drawing(tmp_path / "here", table)
    for suffix in ("pdf", "png"):
        assert (tmp_path / f"here.{suffix}").read_bytes() == (tmp_path / f"there.{suffix}").read_bytes()


def test_fonts_are_embedded_as_type_42_and_no_date_is_written(tmp_path):
    drawing(tmp_path / "figure", pd.DataFrame({"x": [1.0]}))
    content = (tmp_path / "figure.pdf").read_bytes()
    assert b"/FontFile2" in content
    assert b"/Type3" not in content
    assert b"CreationDate" not in content


def test_the_theme_leaves_the_callers_settings_alone():
    before = dict(mpl.rcParams), mpl.colors.to_rgb("b")
    with style.theme():
        assert mpl.rcParams["pdf.fonttype"] == 42
    assert (dict(mpl.rcParams), mpl.colors.to_rgb("b")) == before


@pytest.mark.parametrize("inches", [1.2, 2.8, 6.5])
@pytest.mark.parametrize(("count", "two"), [(1, False), (4, False), (12, False), (24, False), (48, True), (48, False)])
def test_layer_labels_are_site_names_that_do_not_touch(count, two, inches):
    names = sites(count, two_per_block=two)
    with style.theme():
        figure = Figure(figsize=(inches + 0.5, 1.5))
        axes = figure.add_axes((0.25 / (inches + 0.5), 0.3, inches / (inches + 0.5), 0.6))
        style.layer_axis(axes, names, inches)
        figure.draw_without_rendering()
        labels = [label for label in axes.get_xticklabels() if label.get_text()]
        boxes = [label.get_window_extent() for label in labels]
    assert labels
    assert all(names[round(label.get_position()[0]) - 1] == label.get_text() for label in labels)
    assert all(left.x1 < right.x0 for left, right in itertools.pairwise(boxes))
    if two:
        assert all(label.get_text().endswith(".1") for label in labels)


def box_without_line(annotation):
    annotation.get_window_extent()  # moves the text to its place
    return Text.get_window_extent(annotation)


def test_labels_hide_neither_each_other_nor_points():
    rng = np.random.default_rng(3)
    xy = rng.uniform(0.05, 0.95, (90, 2))
    with style.theme():
        figure = Figure(figsize=(2.4, 2.4))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        label_points(axes, xy, ["ae"] * 90, ["k"] * 90, 5.5, 2.6)
        boxes = [box_without_line(text) for text in axes.texts]
        dots = axes.transData.transform(xy)
        panel = axes.get_window_extent()
    assert len(boxes) == 90
    touching = sum(one.overlaps(other) for k, one in enumerate(boxes) for other in boxes[:k])
    covered = sum(box.contains(*dot) for box in boxes for dot in dots)
    outside = sum(not (panel.contains(box.x0, box.y0) and panel.contains(box.x1, box.y1)) for box in boxes)
    assert (touching, covered, outside) == (0, 0, 0)


def test_labels_of_points_that_coincide_stay_apart():
    with style.theme():
        figure = Figure(figsize=(2.4, 2.4))
        axes = figure.add_axes((0, 0, 1, 1))
        label_points(axes, np.full((8, 2), 0.5), list("abcdefgh"), ["k"] * 8, 5.5, 2.6)
        boxes = [box_without_line(text) for text in axes.texts]
    assert not any(one.overlaps(other) for k, one in enumerate(boxes) for other in boxes[:k])


def test_silhouettes_come_together_per_layer():
    rows = [(1, "1.1", 3, 0.1, 0.5), (1, "1.1", 4, 0.3, 0.5), (2, "1.2", 3, 0.4, 0.2), (2, "1.2", 4, np.nan, 0.2)]
    table = pd.DataFrame(rows, columns=["layer", "site", "seed", "silhouette", "silhouette_full"])
    first, second = by_layer(table).to_dict("records")
    assert first == {
        "layer": 1,
        "site": "1.1",
        "silhouette": pytest.approx(0.2),
        "lowest": 0.1,
        "highest": 0.3,
        "silhouette_full": 0.5,
    }
    assert (second["silhouette"], second["lowest"], second["highest"]) == (0.4, 0.4, 0.4)
    assert best_layer(table)["layer"] == 2
    assert best_layer(table.assign(silhouette=0.5))["layer"] == 1
    undefined = best_layer(table.assign(silhouette=np.nan))
    assert undefined["layer"] == 1
    assert np.isnan(undefined["silhouette"])


def test_published_values_are_those_of_the_model():
    melhubert = read_published(PUBLISHED_JSON, "melhubert")
    assert melhubert.best_silhouettes["phone"] == max(melhubert.silhouettes["phone"])
    assert {name: len(sizes) for name, sizes in melhubert.property_neurons.items()} == dict.fromkeys(
        melhubert.silhouettes, 12
    )
    hubert = read_published(PUBLISHED_JSON, "hubert_base")
    assert hubert.best_silhouettes == PUBLISHED["fig5_best_silhouette"]["hubert_base"]
    assert not hubert.silhouettes
    with pytest.raises(ConfigError, match="whisper"):
        read_published(PUBLISHED_JSON, "whisper")


def rendered(name, config, **params):
    """A caption as Snakemake's report renders it, but intolerant of unknown names and bad reStructuredText."""
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    snakemake = type("Snakemake", (), {"config": config, "params": type("Params", (), params)})
    text = environment.from_string((CAPTIONS / f"{name}.rst").read_text()).render(snakemake=snakemake)
    publish_string(text, settings_overrides={"halt_level": 2, "report_level": 2})
    return " ".join(text.split())


SHORT = {"figures": {"model": "tiny", "corpus": "demo"}}
LONG = {
    **SHORT,
    "analysis": {"lambda": 0.02, "sigma": 0.7, "preset": "published", "min_count": 40},
    "embedding": {"seeds": [5]},
}
PARAMS = {
    "fig2": {"phone": "AH", "definition": {"threshold": "lambda"}},
    "fig3": {"models": ["tiny", "twin"], "corpus": "demo"},
    "fig4": {"models": ["tiny", "twin"], "corpus": "demo", "published": {"tiny": "melhubert"}},
    "fig5": {
        "models": ["tiny", "twin"],
        "twins": ["twin"],
        "corpus": "demo",
        "published": {"tiny": None, "twin": None},
    },
    "fig7": {"models": ["tiny"], "corpus": "demo", "published": {"tiny": None}},
    "fig8": {
        "layer": 1,
        "properties": ["phone", "gender"],
        "model": "tiny",
        "corpus": "demo",
        "fdr": None,
        "published": {"tiny": "melhubert"},
    },
    "stability": {"models": ["tiny", "twin"], "corpus": "demo"},
    "selectors": {"models": ["tiny", "twin"], "corpus": "demo"},
}


@pytest.mark.parametrize("name", PARAMS)
def test_captions_quote_the_settings(name):
    short, long = (rendered(name, config, **PARAMS[name]) for config in (SHORT, LONG))
    defaults = Analysis()
    assert f"λ = {defaults.lambda_}" in short
    assert "λ = 0.02" in long
    if name in ("fig3", "fig4", "fig5"):
        assert f" {len(Embedding().seeds)} seeds" in short
        assert re.search(r"\b1 seed\b", long)
    if name in ("fig7", "fig8", "stability", "selectors"):
        assert str(defaults.sigma) in short
        assert "0.7" in long
    if name != "fig2":
        assert f"preset {defaults.preset}" in short
        assert "preset published" in long
        assert "of fewer than 40 has none" in long
    assert "1/λ counted frames" in short
    assert re.search("a line below the heading (counts such cells|says how many)", " ".join(short.split()))
    assert "min_count" not in short
    assert "tiny" in short or name == "fig5"
    assert "demo" in short
    assert ("published for" in short) == (name in ("fig4", "fig8"))
    assert "{" not in short


def test_captions_quote_the_statistics():
    none = {**SHORT, "statistics": {"permutations": 0, "halves": 0}}
    other = {**SHORT, "statistics": {"permutations": 99, "halves": 7, "fdr": 0.1}}
    short, long, without = (
        {name: rendered(name, config, **PARAMS[name]) for name in ("fig4", "fig7", "stability")}
        for config in (SHORT, other, none)
    )
    defaults = Statistics()
    assert f"{defaults.permutations} permutations" in short["fig7"]
    assert f"1/{defaults.permutations + 1}" in short["fig7"]
    assert "1/100," in long["fig7"]
    assert "q ≤ 0.1" in long["fig7"]
    assert "permutations` is 0" in without["fig7"]
    for name in ("fig4", "stability"):
        assert f" {defaults.halves} times" in short[name]
        assert " 7 times" in long[name]
        assert "times" not in without[name]
    assert "q ≤ 0.05" in rendered("fig8", SHORT, **{**PARAMS["fig8"], "fdr": 0.05})
    assert "q ≤" not in rendered("fig8", SHORT, **PARAMS["fig8"])


def test_the_shipped_values_are_complete():
    content = json.loads(PUBLISHED_JSON.read_text())
    assert all(
        len(curve) == 12
        for section in ("fig4_silhouette_by_layer", "fig7_property_neurons_by_layer")
        for curve in content[section].values()
    )
