"""The pages of the neuron browser: their files, their numbers, their limits; and in a real Chromium."""

import json
import re
import shutil
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from property_neurons.browser.examples import KINDS
from property_neurons.browser.pages import Limits, _index, shares
from property_neurons.browser.sounds import CLIP_SECONDS, MP3_DELAY, clip, mp3
from property_neurons.browser.tables import Choice
from property_neurons.counting.group_titles import group_title
from property_neurons.errors import ConfigError
from property_neurons.figures.table_page import table_page
from property_neurons.stores.cells import quoted
from property_neurons.stores.files import read_table
from tests.unit.browser_inputs import CUT, EVIL, S_NEURON, WOMEN_NEURON, Made


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return Made(tmp_path_factory.mktemp("browser"))


@pytest.fixture(scope="module")
def site(made, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    made.write_pages(folder)
    return folder


def data(folder, name):
    text = (folder / f"pages/data/{name}.js").read_text()
    assert text.startswith("BROWSER.") and text.endswith(";\n")
    return json.loads(text.partition("=")[2].rstrip(";\n"))


def files_of(folder):
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.slow
def test_the_same_tables_and_sounds_make_the_same_bytes(made, site, tmp_path):
    made.write_pages(tmp_path)
    assert files_of(tmp_path) == files_of(site)


def test_every_file_that_is_referred_to_is_there(site):
    shell = (site / "pages/index.html").read_text()
    referred = re.findall(r'(?:src|href)="([^"#]+)"', shell)
    assert len(referred) > 4
    for name in referred:
        assert name == "data:," or (site / "pages" / name).is_file()
    for layer, *_ in data(site, "index")["layers"]:
        assert (site / f"pages/data/layer-{layer:02d}.js").is_file()
    for number in range(len(data(site, "utterances"))):
        assert (site / f"pages/speech/{number}.mp3").is_file()
        assert (site / f"pages/speech/{number}.webp").is_file()
    # Nothing of another place is asked for.
    for name in ("app.js", "plots.js", "style.css", "index.html"):
        assert not re.findall(r"https?://(?!www\.w3\.org/2000/svg)", (site / "pages" / name).read_text())


def test_numbers_on_the_pages_are_those_of_the_tables(site):
    neurons, examples = (read_table(site / f"{name}.parquet") for name in ("neurons", "examples"))
    utterances = data(site, "utterances")
    for layer, of_layer in neurons.groupby("layer"):
        shown = data(site, f"layer-{layer:02d}")
        assert [one["n"] for one in shown] == of_layer["neuron"].tolist()
        for one, row in zip(shown, of_layer.itertuples(), strict=True):
            assert one["p"] == shares(row.p_phone)
            assert one["derived"] == [["cut", *(("removed", -1) if row.neuron in CUT else ("kept", row.neuron))]]
            assert ("low" in one) == (row.chosen != "no")
            if row.chosen == "no":
                continue
            for key, column in (("low", row.p_low), ("high", row.p_high)):
                assert one[key] == shares(column)
            for shown_set, told in zip(one["sets"], row.sets, strict=True):
                assert shown_set["group"] == group_title(told["group"], told["property"])
                keys = ("property", "exclusive", *(["q", "auroc"] if told["exclusive"] else []))
                assert [shown_set[key] for key in keys] == [told[key] for key in keys]
            own = examples[(examples["layer"] == layer) & (examples["neuron"] == row.neuron)]
            assert len(own) == len(one["examples"])
            for example, told in zip(one["examples"], own.itertuples(), strict=True):
                kind, at, frame, phone = example[:4]
                assert (KINDS[kind], utterances[at][0], frame, phone) == (
                    told.kind,
                    told.utterance,
                    told.frame,
                    told.phone,
                )
                assert len(example[-1]) == 41
                peak = float(np.nanmax(told.curve))
                assert example[-2] == pytest.approx(max(0, peak), rel=1e-5)


def test_a_layer_without_pages_of_its_own_is_listed_all_the_same(made):
    neurons, _ = made.browse(Choice(random=0))
    neurons = neurons.assign(chosen=neurons["chosen"].where(neurons["layer"] == 1, "no"))
    assert [row[0] for row in _index(made.site(), neurons, made.site().utterances, {})["layers"]] == [1, 2]


@pytest.mark.parametrize(("name", "title"), [("gender", "male"), ("single_phone", "M")])
def test_m_is_male_as_a_group_of_gender_alone(made, name, title):
    neurons, _ = made.browse(Choice(random=0))
    of_gender = made.site()
    erased = of_gender.erasures.assign(property=name, erased="M", part="M")
    site = replace(of_gender, properties={name: made.views["gender"]}, erasures=erased)
    index = _index(site, neurons, site.utterances, {(name, "M"): (0, 8)})
    assert index["properties"][name]["groups"] == [EVIL, title]
    assert {row[1] for row in index["properties"][name]["sizes"]} == {EVIL, title}
    assert index["groups"] == [[name, title, 8]]
    ((property_, erased, *_, part), *_) = [row[:9] for row in index["erasures"]]
    assert (property_, erased, part) == (name, title, title)


def test_names_are_text_and_begin_no_markup(site):
    assert EVIL in {group for one in data(site, "index")["properties"].values() for group in one["groups"]}
    for file in (site / "pages/data").iterdir():
        assert "<" not in file.read_text()


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (Limits(layer_mb=0.01), r"browser.max_layer_mb: expected at most 0.01 MB, found that layer 1 takes"),
        (Limits(total_mb=0.05), r"browser.max_mb: expected at most 0.05 MB, found that the folder takes"),
    ],
)
def test_what_would_be_too_large_is_refused_before_a_page_is_made(made, tmp_path, limits, words):
    with pytest.raises(ConfigError, match=words):
        made.write_pages(tmp_path, limits=limits)
    assert not (tmp_path / "pages").exists()


@pytest.mark.slow
def test_clips_and_no_sounds(made, tmp_path):
    made.write_pages(tmp_path / "clips", audio="clips")
    assert {file.name for file in (tmp_path / "clips/pages/speech").glob("*.mp3")} == {"layer-01.mp3", "layer-02.mp3"}
    made.write_pages(tmp_path / "none", audio="none", derived=False)
    assert not list((tmp_path / "none/pages/speech").glob("*.mp3"))


def test_a_sound_starts_where_the_pages_say(tmp_path):
    import io

    import soundfile

    waveform = np.zeros(32_000, np.float32)
    waveform[16_000:16_800] = 0.5 * np.sin(np.arange(800) / 3)
    decoded, rate = soundfile.read(io.BytesIO(mp3(waveform)), dtype="float32")
    loud = np.flatnonzero(np.abs(decoded) > 0.2)
    assert rate == 16_000
    assert loud[0] / rate - MP3_DELAY == pytest.approx(1.0, abs=0.01)
    assert mp3(waveform) == mp3(waveform)


def test_a_clip_at_the_edge_is_filled_with_silence():
    waveform = np.arange(1, 16_001, dtype=np.float32)
    n = round(CLIP_SECONDS * 16_000)
    assert len(clip(waveform, 0)) == n
    assert (clip(waveform, 0) == np.concatenate([np.zeros(n // 2), waveform[: n // 2]])).all()
    assert (clip(waveform, 0.5) == waveform[8000 - n // 2 : 8000 + n // 2]).all()


NAMELESS = """return [...document.querySelectorAll('button,select,input,svg[role=img]')].filter(e =>
    !(e.textContent.trim() || e.getAttribute('aria-label') || e.labels && e.labels.length)).length"""
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")


@pytest.fixture(scope="module")
def chromium():
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    if not (CHROMIUM and DRIVER):
        pytest.skip("no chromium with its driver here (on Debian: apt-get install chromium chromium-driver)")
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(flag)
    options.add_argument("--autoplay-policy=no-user-gesture-required")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


def wait_for(driver, script, seconds=20):
    """What a script gives as soon as that is true."""
    end = time.monotonic() + seconds
    while not (found := driver.execute_script(f"return {script}")):
        assert time.monotonic() < end, script
        time.sleep(0.05)
    return found


def open_page(driver, site, address):
    driver.get("about:blank")
    driver.get(f"file://{site}/index.html{address}")
    wait_for(driver, "document.getElementById('main') && document.getElementById('main').dataset.ready")


def requests_of(driver):
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    return {m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"}


@pytest.mark.slow
def test_in_chromium_one_reads_listens_and_filters_and_nothing_leaves_the_folder(chromium, site):
    open_page(chromium, site, "")
    assert "Neurons of made-up on all" in chromium.find_element("tag name", "h1").text
    chromium.find_element("link text", "Layer 1").click()
    wait_for(chromium, "document.querySelector('#download')")
    rows = "document.querySelectorAll('tbody tr').length"
    all_rows = chromium.execute_script(f"return {rows}")
    chromium.find_element("css selector", "input[name=find]").send_keys(str(S_NEURON))
    wait_for(chromium, f"{rows} > 0 && {rows} < {all_rows}")
    assert "find=7" in chromium.current_url
    # The filter is in the address: whoever opens that sees the same.
    filtered, address = chromium.execute_script(f"return {rows}"), chromium.current_url.partition("#")[2]
    open_page(chromium, site, f"#{address}")
    assert chromium.execute_script(f"return {rows}") == filtered
    chromium.find_element("link text", str(S_NEURON)).click()
    wait_for(chromium, "document.querySelector('button.play')")
    title = next(bar.get_attribute("textContent") for bar in chromium.find_elements("css selector", "rect.fill title"))
    assert re.fullmatch(r"[A-Z]+: [\d.]+ \([\d.]+ to [\d.]+\)", title)
    chromium.find_element("css selector", "button.play").click()
    audio = "document.getElementById('audio')"
    wait_for(chromium, f"{audio}.currentTime > 0.05 && {audio}.duration")
    first = data(site, "layer-01")
    example = next(one for one in first if one["n"] == S_NEURON)["examples"][0]
    source = wait_for(chromium, f"{audio}.getAttribute('src')")
    assert source == f"speech/{example[1]}.mp3"
    assert chromium.execute_script(f"return {audio}.duration") == pytest.approx(0.96, abs=0.2)
    wait_for(chromium, f"{audio}.paused && {audio}.currentTime")
    stopped = chromium.execute_script(f"return {audio}.currentTime")
    assert stopped <= (example[2] + 0.5) * 0.02 + 0.2 + MP3_DELAY + 0.3
    errors = [entry for entry in chromium.get_log("browser") if entry["level"] == "SEVERE"]
    assert errors == []
    outside = {url for url in requests_of(chromium) if not url.startswith((f"file://{site}/", "data:", "about:"))}
    assert outside == set()


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize(
    "address",
    [
        "#/",
        "#/layer/1",
        f"#/layer/1/neuron/{WOMEN_NEURON}",
        "#/layer/1/neuron/999",
        "#/property/gender",
        "#/search",
        "#/nowhere",
    ],
)
def test_in_chromium_every_page_fits_and_names_are_text(chromium, site, address, width):
    chromium.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    )
    open_page(chromium, site, address)
    assert chromium.execute_script("return document.getElementById('main').dataset.ready") == address
    assert chromium.execute_script("return document.documentElement.scrollWidth") <= width
    assert "broken" not in chromium.title
    assert chromium.execute_script("return document.querySelectorAll('main script').length") == 0
    assert chromium.execute_script(NAMELESS) == 0
    assert [entry for entry in chromium.get_log("browser") if entry["level"] == "SEVERE"] == []


@pytest.mark.slow
def test_in_chromium_a_neuron_says_what_became_of_it(chromium, site):
    open_page(chromium, site, f"#/layer/1/neuron/{WOMEN_NEURON}")
    text = chromium.find_element("tag name", "main").text
    assert "cut: it was removed." in text
    erased = chromium.find_element("id", "erased").text
    assert f"gender {EVIL}" in erased
    assert "4 (1 to 7)" in erased
    # A neuron without a page of its own is in the table of its layer, and one reads when it is active.
    shown = {one["n"] for one in data(site, "layer-01") if one["chosen"] != "no"}
    other = next(n for n in range(50) if n not in shown)
    open_page(chromium, site, "#/search?find=" + str(other))
    chromium.find_element("link text", "layer 1").click()
    wait_for(chromium, f"document.querySelector('h1').textContent === 'Layer 1, neuron {other}'")
    assert f"cut: it stays, as neuron {other}." in chromium.find_element("tag name", "main").text
    open_page(chromium, site, "#/layer/1")
    assert chromium.execute_script("return document.querySelectorAll('tbody tr').length") >= 50


MANY_ROWS = 3500
# Names of groups; only the first two would be run by a spreadsheet.
NAMES = ('=HYPERLINK("x")', "+cmd|run", "-voiced", "-0.5", "vowel")
DOWNLOAD = """URL.createObjectURL = blob => { blob.text().then(text => { window.downloaded = text; }); return "#/"; };
document.getElementById('download').click()"""


@pytest.mark.slow
def test_in_chromium_all_rows_are_sorted_and_downloaded_and_the_first_are_shown(chromium, site, tmp_path):
    shutil.copytree(site, tmp_path, dirs_exist_ok=True)
    index = data(site, "index")
    groups = [NAMES[number % len(NAMES)] for number in range(MANY_ROWS)]
    index["neurons"] = [
        [1, number, number / MANY_ROWS, 0, [["phone", group, 1, 0.5, 0.5]]] for number, group in enumerate(groups)
    ]
    (tmp_path / "pages/data/index.js").write_text(f"BROWSER.index={json.dumps(index)};\n")
    open_page(chromium, tmp_path, "#/search?sort=neuron&down=1")
    cells = "[...document.querySelectorAll('tbody tr')].map(row => Number(row.cells[1].textContent))"
    first = MANY_ROWS - 1
    assert chromium.execute_script(f"return {cells}") == list(range(first, first - 3000, -1))
    assert "3500 of 3500 rows; the first 3000 are shown" in chromium.find_element("css selector", "[role=status]").text
    chromium.execute_script(DOWNLOAD)
    header, *rows = [line.split("\t") for line in wait_for(chromium, "window.downloaded").splitlines()]
    assert [int(row[header.index("neuron")]) for row in rows] == list(range(first, -1, -1))
    expected = quoted(pd.DataFrame({"group": groups[::-1]}))["group"].tolist()
    assert [row[header.index("group")] for row in rows] == expected
    assert {name[1:] for name in expected if name.startswith("'")} == set(NAMES[:2])


@pytest.mark.slow
def test_in_chromium_nothing_is_said_of_pitch_where_the_corpus_has_no_f0(chromium, made, site, tmp_path):
    made.write_pages(tmp_path, has_f0=False)
    for folder, said in ((site, True), (tmp_path, False)):
        open_page(chromium, folder, f"#/layer/1/neuron/{S_NEURON}")
        first = chromium.find_element("css selector", ".example").text
        assert ("120 Hz" in first, "activation" in first, "unvoiced" in first) == (said, True, False)


@pytest.mark.slow
def test_in_chromium_arrows_lead_to_the_next_neuron_and_space_plays(chromium, site):
    open_page(chromium, site, f"#/layer/1/neuron/{S_NEURON}")
    body = chromium.find_element("tag name", "body")
    body.send_keys(" ")
    wait_for(chromium, "!document.getElementById('player').hidden")
    body.send_keys("\ue014")  # arrow to the right
    wait_for(chromium, f"!location.hash.endsWith('/{S_NEURON}')")


@pytest.mark.slow
def test_in_chromium_the_table_of_a_figure_sorts(chromium, tmp_path):
    table = pd.DataFrame({"name": ["b", "a10", "a9"], "q": [0.05, np.nan, 1e-7]})
    (tmp_path / "table.html").write_text(table_page(table, "one"))
    chromium.get(f"file://{tmp_path}/table.html")
    names = "return [...document.querySelectorAll('tbody tr')].map(row => row.cells[0].textContent)"
    for column, orders in (
        ("name", (["a9", "a10", "b"], ["b", "a10", "a9"])),
        ("q", (["a9", "b", "a10"], ["b", "a9", "a10"])),
    ):
        for order in orders:
            chromium.find_element("xpath", f"//button[text()='{column}']").click()
            assert chromium.execute_script(names) == order


@pytest.mark.slow
def test_in_chromium_no_null_is_not_a_null_of_zero(chromium, made, tmp_path):
    none = {"gender": replace(made.views["gender"], null=made.views["gender"].null.assign(null_mean=np.nan))}
    made.write_pages(tmp_path, properties=made.views | none)
    open_page(chromium, tmp_path, "#/")
    rows = [row.text.split() for row in chromium.find_elements("css selector", "tbody tr")]
    assert {row[0]: row[-4] for row in rows} == {"phone": "1", "gender": "–"}


@pytest.mark.slow
def test_in_chromium_the_skip_link_stays_on_the_page(chromium, site):
    address = f"#/layer/1/neuron/{WOMEN_NEURON}"
    open_page(chromium, site, address)
    chromium.find_element("css selector", "a.skip").send_keys("\n")
    assert chromium.execute_script("return document.activeElement.id") == "main"
    assert chromium.current_url.endswith(address)


@pytest.mark.slow
def test_in_chromium_a_layer_that_comes_late_does_not_change_the_address(chromium, site):
    open_page(chromium, site, "#/")
    chromium.execute_script("location.hash = '#/layer/2'; setTimeout(() => { location.hash = '#/search'; }, 0);")
    wait_for(chromium, "BROWSER.layers[2] && document.getElementById('main').dataset.ready === '#/search'")
    time.sleep(0.2)
    assert chromium.current_url.endswith("#/search")
    assert chromium.find_element("tag name", "h1").text == "Search"
