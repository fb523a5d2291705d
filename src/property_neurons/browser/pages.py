"""The pages: a folder that opens by a double click, without server or network. A view of `tables`, and nothing else.

A page at file:// may read no file, but may run scripts: data are scripts that put a value into `BROWSER`, one a layer.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from property_neurons.browser.examples import KINDS, N_CURVE, NO_PAGE
from property_neurons.browser.sounds import (
    BYTES_PER_SECOND,
    CLIP_SECONDS,
    IMAGE_BYTES_PER_SECOND,
    MP3_DELAY,
    clip,
    mp3,
    spectrogram,
)
from property_neurons.corpus.audio import SAMPLE_RATE
from property_neurons.corpus.phones import PAPER_PHONES, Inventory
from property_neurons.corpus.recordings import Recording, read_recording
from property_neurons.counting.group_titles import group_title
from property_neurons.errors import ConfigError
from property_neurons.neurons.cells import pattern_cells
from property_neurons.progress import progress
from property_neurons.stores.files import atomic_path

ASSETS = ("app.js", "plots.js", "style.css")
MEGABYTE = 1_000_000
# Data of a layer in bytes: a neuron without examples, an example, and a neuron that has no page; as measured.
_NEURON_BYTES, _EXAMPLE_BYTES, _OTHER_BYTES = 3500, 95, 160
# What a neuron with a page takes for each group of each property.
_GROUP_BYTES = 24
_LEVELS = 63
_NO_CLASS = "no class"
_ENTRY = """<!doctype html>
<meta charset="utf-8">
<title>Neuron browser</title>
<meta http-equiv="refresh" content="1; url=pages/index.html">
<script>location.replace("pages/index.html" + location.hash)</script>
<p><a href="pages/index.html">The pages are here.</a></p>
"""
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_"


ERASURE_COLUMNS = (
    *("property", "erased", "study", "task", "metric", "unit", "sigma", "neurons", "part"),
    *("before", "after", "delta", "low", "high", "random_mean", "beyond"),
)


@dataclass(frozen=True)
class PropertyView:
    """The tables of one property besides its neurons, as the workflow wrote them; those of the plane may be absent."""

    groups: Sequence[str]
    null: pd.DataFrame
    stability: pd.DataFrame
    summary: pd.DataFrame
    cells: pd.DataFrame
    points: pd.DataFrame | None = None
    silhouettes: pd.DataFrame | None = None


@dataclass(frozen=True)
class Limits:
    """The most that the pages may take, in MB."""

    layer_mb: float = 2
    total_mb: float = 100


@dataclass(frozen=True)
class Site:
    """What the pages show of a model and a corpus besides tables of neurons.

    settings: what the overview lists, by name. utterances: id, speaker, gender, transcript, audio, seconds, phones
    (label and first frame of each segment). erasures: `ERASURE_COLUMNS` of the tables of erasure studies. inventory:
    the phones of the corpus. has_f0: whether its F0 is known.
    """

    model: str
    corpus: str
    settings: Mapping[str, str]
    properties: Mapping[str, PropertyView]
    utterances: pd.DataFrame
    licence: str
    lambda_: float
    audio: Literal["utterances", "clips", "none"] = "utterances"
    limits: Limits = field(default_factory=Limits)
    erasures: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(ERASURE_COLUMNS)))
    inventory: Inventory = PAPER_PHONES
    has_f0: bool = True


def make_pages(folder: Path, neurons: pd.DataFrame, examples: pd.DataFrame, site: Site, root: Path) -> None:
    """Write the pages into an empty folder: the same bytes for the same tables and sounds.

    Args:
        root: the folder that `audio` of the utterances lies below.

    Raises:
        ConfigError: the pages would be, or are, larger than the limits.
        AudioError: an utterance cannot be read.
    """
    used = site.utterances[site.utterances["utterance"].isin(set(examples["utterance"]))].reset_index(drop=True)
    check_estimate(neurons, examples, used, site)
    (folder / "data").mkdir(parents=True)
    (folder / "speech").mkdir()
    place = {name: index for index, name in enumerate(used["utterance"])}
    groups = _groups(neurons)
    layers = {}
    for layer, own in neurons.groupby("layer"):
        of_layer = examples[examples["layer"] == layer]
        rows = [_neuron(row, part, place, groups, site.inventory.phones) for row, part in _with_examples(own, of_layer)]
        text = _script(f"layers[{layer}]", rows)
        layers[int(layer)] = len(text)
        if len(text) > site.limits.layer_mb * MEGABYTE:
            raise ConfigError(_too_large(f"layer {layer}", len(text), site.limits.layer_mb, "max_layer_mb"))
        (folder / f"data/layer-{layer:02d}.js").write_text(text, encoding="utf-8")
    (folder / "data/utterances.js").write_text(_script("utterances", _utterances(used)), encoding="utf-8")
    (folder / "data/index.js").write_text(_script("index", _index(site, neurons, used, groups)), encoding="utf-8")
    for name in ASSETS:
        (folder / name).write_text(_asset(name), encoding="utf-8")
    (folder / "index.html").write_text(_asset("index.html"), encoding="utf-8")
    _write_speech(folder / "speech", used, examples, site.audio, root)
    if (size := sum(file.stat().st_size for file in folder.rglob("*"))) > site.limits.total_mb * MEGABYTE:
        raise ConfigError(_too_large("the folder", size, site.limits.total_mb, "max_mb"))


def write_entry(path: str | Path) -> None:
    """Write the file beside the folder of pages that opens the same place in the folder."""
    with atomic_path(path) as temporary:
        temporary.write_text(_ENTRY, encoding="utf-8")


def check_estimate(neurons: pd.DataFrame, examples: pd.DataFrame, used: pd.DataFrame, site: Site) -> None:
    """Check that the pages will be within the limits, before any is made.

    Raises:
        ConfigError: the pages will be larger than the limits.
    """
    data = 0.0
    neuron_bytes = _NEURON_BYTES + _GROUP_BYTES * len(_groups(neurons))
    for layer, own in neurons.groupby("layer"):
        n = int((examples["layer"] == layer).sum())
        with_page = int((own["chosen"] != NO_PAGE).sum())
        expected = with_page * neuron_bytes + (len(own) - with_page) * _OTHER_BYTES + n * _EXAMPLE_BYTES
        data += expected
        if expected > site.limits.layer_mb * MEGABYTE:
            raise ConfigError(_too_large(f"layer {layer}", expected, site.limits.layer_mb, "max_layer_mb"))
    seconds = float(used["seconds"].sum())
    sound = {"utterances": seconds, "clips": CLIP_SECONDS * len(examples), "none": 0.0}[site.audio]
    total = data + seconds * IMAGE_BYTES_PER_SECOND + sound * BYTES_PER_SECOND
    if total > site.limits.total_mb * MEGABYTE:
        raise ConfigError(_too_large("the folder", total, site.limits.total_mb, "max_mb"))


def _too_large(what: str, size: float, limit: float, key: str) -> str:
    return (
        f"browser.{key}: expected at most {limit:g} MB, found that {what} takes {size / MEGABYTE:.1f} MB; raise "
        f"`{key}`, or lower `browser.random`, `browser.minutes` or `browser.neurons: all`, name fewer "
        "properties, or those of fewer groups, in `browser.properties`, or set `browser.audio: none`"
    )


def _asset(name: str) -> str:
    return (files("property_neurons.browser") / "assets" / name).read_text(encoding="utf-8")


def _script(name: str, content: Any) -> str:
    # No markup can begin inside: a name of "</script>" stays text wherever the file is put.
    text = json.dumps(_plain(content), ensure_ascii=True, separators=(",", ":"), allow_nan=False).replace(
        "<", "\\u003c"
    )
    return f"BROWSER.{name}={text};\n"


def _plain(value: Any) -> Any:
    """What JSON can hold: NaN is null, numbers of numpy are Python's."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(item) for item in value]
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, float | np.floating):
        return None if np.isnan(value) else int(value) if float(value).is_integer() else float(f"{value:.6g}")
    return int(value) if isinstance(value, np.integer) else value


def shares(values: Sequence[float]) -> list[int | None]:
    """Probabilities in ten-thousandths, as the pages hold them; None for NaN, which tables may have read as None."""
    return [None if value is None or np.isnan(value) else round(float(value) * 10_000) for value in values]


def _with_examples(neurons: pd.DataFrame, examples: pd.DataFrame):
    of_neuron = dict(list(examples.groupby("neuron")))
    none = examples.iloc[:0]
    for row in neurons.to_dict("records"):
        yield row, of_neuron.get(row["neuron"], none)


Groups = dict[tuple[str, str], tuple[int, int]]
"""The number on the pages, and the frames, of each group of each property."""


def _groups(neurons: pd.DataFrame) -> Groups:
    """The groups that the neurons' columns name: the same for all neurons with a page."""
    shown = neurons.loc[neurons["chosen"] != NO_PAGE, "groups"]
    first = shown.iloc[0] if len(shown) else []
    return {(one["property"], one["group"]): (number, int(one["n"])) for number, one in enumerate(first)}


def _neuron(
    row: dict[str, Any], examples: pd.DataFrame, place: Mapping[str, int], groups: Groups, names: Sequence[str]
) -> dict[str, Any]:
    """What the pages hold of a neuron; names: the phones."""
    known = {
        "n": row["neuron"],
        "chosen": row["chosen"],
        "active": round(row["active"], 6),
        "p": shares(row["p_phone"]),
        "best": names.index(row["phone"]),
    }
    if len(row["derived"]):
        known["derived"] = [[one["model"], one["done"], one["number"]] for one in row["derived"]]
    if row["chosen"] == NO_PAGE:
        return known
    return known | {
        "low": shares(row["p_low"]),
        "high": shares(row["p_high"]),
        # Of sets that are not its own alone, the pages say no more than the name.
        "sets": [
            (one if one["exclusive"] else {key: one[key] for key in ("property", "exclusive")})
            | {"group": group_title(one["group"], one["property"])}
            for one in row["sets"]
        ],
        "groups": [
            [groups[g["property"], g["group"]][0], *shares([g["p"]]), g["mean"], *shares([g["above"]]), g["histogram"]]
            for g in row["groups"]
        ],
        "panels": [[groups[panel["property"], panel["group"]][0], shares(panel["p"])] for panel in row["panels"]],
        "ends": [row["least"], row["largest"]],
        "course": [[part["phone"], shares(part["p"])] for part in row["course"]],
        "near": [
            [[pair["neuron"], round(pair["likeness"], 4)] for pair in row[name]]
            for name in ("coactive", "similar_in", "similar_out")
        ],
        "examples": [
            [
                KINDS.index(e["kind"]),
                place[e["utterance"]],
                e["frame"],
                e["phone"],
                _whole(e["f0"]),
                e["value"],
                e["clip"],
                *_curve(e),
            ]
            for e in examples.to_dict("records")
        ],
    }


def _whole(value: float) -> int | None:
    return None if np.isnan(value) else round(value)


def _curve(example: dict[str, Any]) -> tuple[float, float, str]:
    """The lowest and highest value of an example's curve, and the curve: a character a frame, a blank for no frame."""
    curve = np.asarray(example["curve"], np.float64)
    low, high = min(0.0, np.nanmin(curve)), max(0.0, np.nanmax(curve))
    step = (high - low) / _LEVELS or 1.0
    return low, high, "".join(" " if np.isnan(v) else _DIGITS[round((v - low) / step)] for v in curve)


def _utterances(used: pd.DataFrame) -> list[list[Any]]:
    return [
        [row["utterance"], row["speaker"], row["gender"], row["transcript"], round(row["seconds"], 3), row["phones"]]
        for row in used.to_dict("records")
    ]


def _index(site: Site, neurons: pd.DataFrame, used: pd.DataFrame, groups: Groups) -> dict[str, Any]:
    paged = neurons["chosen"] != NO_PAGE
    layers = neurons.assign(paged=paged).groupby("layer")
    layers = layers.agg(site=("site", "first"), width=("width", "first"), pages=("paged", "sum"))
    return {
        "model": site.model,
        "corpus": site.corpus,
        "settings": list(site.settings.items()),
        "lambda": site.lambda_,
        "licence": site.licence,
        "phones": [[phone, site.inventory.class_of(phone) or _NO_CLASS] for phone in site.inventory.phones],
        "f0": site.has_f0,
        "audio": site.audio,
        "delay": round(MP3_DELAY, 5),
        "clip": CLIP_SECONDS,
        "curve": N_CURVE,
        "kinds": KINDS,
        "groups": [[name, group_title(group, name), n] for (name, group), (_, n) in groups.items()],
        "minutes": round(float(used["seconds"].sum()) / 60, 1),
        "layers": [[layer, row.site, row.width, row.pages] for layer, row in layers.iterrows()],
        "properties": {name: _property(name, view) for name, view in site.properties.items()},
        "erasures": [_erasure(row) for row in site.erasures[list(ERASURE_COLUMNS)].to_dict("records")],
        # For the search: layer, neuron, share of frames, most probable phone, sets.
        "neurons": [
            [
                row["layer"],
                row["neuron"],
                round(row["active"], 5),
                site.inventory.phones.index(row["phone"]),
                [
                    [s["property"], group_title(s["group"], s["property"]), int(s["exclusive"]), s["q"], s["auroc"]]
                    for s in row["sets"]
                ],
            ]
            for row in neurons.loc[paged, ["layer", "neuron", "active", "phone", "sets"]].to_dict("records")
        ],
    }


_POINTS = ["group", "phone", "x", "y"]


def _property(name: str, view: PropertyView) -> dict[str, Any]:
    silhouettes, best, points = pd.Series(dtype="float64"), None, pd.DataFrame(columns=_POINTS)
    if view.silhouettes is not None and view.points is not None:
        silhouettes = view.silhouettes.groupby("layer")["silhouette"].mean()
        if silhouettes.notna().any():
            best = int(silhouettes.idxmax())
            first_seed = view.silhouettes["seed"].iloc[0]
            points = view.points[(view.points["layer"] == best) & (view.points["seed"] == first_seed)]
    return {
        "groups": [group_title(group, name) for group in view.groups],
        "rare": [int(view.cells["rare"].sum()), len(pattern_cells(view.cells))],
        "sizes": _records(name, view.summary, ["layer", "group", "members", "group_neurons", "property_neurons"]),
        "null": _records(name, view.null, ["layer", "group", "observed", "null_mean", "null_low", "null_high", "p"]),
        "stability": _records(name, view.stability, ["layer", "group", "jaccard", "nogueira", "auroc"]),
        "silhouettes": [[int(layer), value] for layer, value in silhouettes.items()],
        "best": best,
        "points": _records(name, points, _POINTS),
    }


def _erasure(row: Mapping[str, Any]) -> list[Any]:
    titles = {column: group_title(row[column], row["property"]) for column in ("erased", "part")}
    return [*(row | titles).values()]


def _records(property_: str, table: pd.DataFrame, columns: list[str]) -> list[list[Any]]:
    """Rows of a property's table as lists; the group of all groups together, which tables leave empty, is ""."""
    there = [column for column in columns if column in table]
    if len(there) < len(columns):
        return []
    table = table[columns]
    if "group" in table:
        groups = table["group"].fillna("").astype(str)
        table = table.assign(group=[group_title(group, property_) for group in groups])
    return table.values.tolist()


def _write_speech(folder: Path, used: pd.DataFrame, examples: pd.DataFrame, audio: str, root: Path) -> None:
    clips: dict[int, dict[int, np.ndarray]] = {}
    of_utterance = dict(list(examples.groupby("utterance"))) if audio == "clips" else {}
    for number, row in enumerate(
        progress(used.to_dict("records"), total=len(used), what="writing sounds", unit="utterance")
    ):
        n_samples = round(row["seconds"] * SAMPLE_RATE)
        waveform = read_recording(Recording(row["utterance"], root / row["audio"], n_samples))
        spectrogram(folder / f"{number}.webp", waveform)
        if audio == "utterances":
            (folder / f"{number}.mp3").write_bytes(mp3(waveform))
        elif audio == "clips":
            for example in of_utterance[row["utterance"]].itertuples():
                clips.setdefault(example.layer, {})[example.clip] = clip(waveform, example.time)
    for layer, of_layer in clips.items():
        joined = np.concatenate([of_layer[index] for index in sorted(of_layer)])
        (folder / f"layer-{layer:02d}.mp3").write_bytes(mp3(joined))


def with_clips(examples: pd.DataFrame) -> pd.DataFrame:
    """The examples with `clip`, the place of each in the clips of its layer."""
    return examples.assign(clip=examples.groupby("layer").cumcount())


def phones_of(label: np.ndarray, segment: np.ndarray, names: Sequence[str]) -> list[list[Any]]:
    """Segments of an utterance's frames: [label, first frame] of each."""
    if not len(label):
        return []
    starts = np.flatnonzero(np.append(True, (segment[1:] != segment[:-1]) | (label[1:] != label[:-1])))
    return [[names[label[start]], int(start)] for start in starts]


def seconds_of(n_samples: int) -> float:
    """Length of so many samples in seconds."""
    return n_samples / SAMPLE_RATE
