"""Made-up tables of the form that figures draw, shaped after the published curves."""

import io
import itertools
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from property_neurons.corpus.phones import LABELS, PHONE_CLASSES, PHONES
from property_neurons.figures import style
from property_neurons.stores.files import read_json
from property_neurons.stores.zarr import add_array, new_store

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED_JSON = ROOT / "resources" / "published.json"
PUBLISHED = read_json(PUBLISHED_JSON)
CURVES = PUBLISHED["fig4_silhouette_by_layer"]
SIZES = PUBLISHED["fig7_property_neurons_by_layer"]
GROUPS = {
    "phone": tuple(PHONE_CLASSES),
    "gender": ("M", "F"),
    "pitch": ("low", "middle", "high"),
    "duration": ("short", "middle", "long"),
}
REGIONS = ("100", "010", "110", "001", "101", "011", "111")


def written(figure: Figure) -> list[tuple[str, Bbox]]:
    """Every text that a figure shows, with its place in pixels; labels that lead back to a point left out."""
    hidden = set()
    for axes in figure.axes:
        for axis, limits in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
            low, high = sorted(limits)
            outside = [tick for tick in axis.get_major_ticks() if not low <= tick.get_loc() <= high]
            hidden |= {label for tick in outside for label in (tick.label1, tick.label2)}
            hidden |= set(axis.get_minorticklabels() if axes.axison else axis.findobj(Text))
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text() and text not in hidden]
    return [(text.get_text(), text.get_window_extent()) for text in texts if getattr(text, "arrow_patch", None) is None]


def drawn(module: ModuleType, *args, **kwargs) -> tuple[Figure, pd.DataFrame]:
    """What a figure's module draws, laid out as it would be saved: no text leaves it, and none runs into another."""
    with style.theme():
        figure, table = module.draw(*args, **kwargs)
        style.settle(figure)
        texts = written(figure)
    assert len(texts) > 3
    paper = figure.bbox.padded(1)
    for text, box in texts:
        assert paper.containsx(box.x0) and paper.containsx(box.x1), text
        assert paper.containsy(box.y0) and paper.containsy(box.y1), text
    for (one, box), (other, place) in itertools.combinations(texts, 2):
        # A pixel of a hundred to the inch may be shared: extents include white space.
        assert not box.padded(-0.5).overlaps(place.padded(-0.5)), (one, other)
    return figure, table


def drawn_twice(module: ModuleType, *args, **kwargs) -> pd.DataFrame:
    """Draw twice, hold both against each other, and return the table."""
    pages, tables = [], []
    for _ in range(2):
        figure, table = drawn(module, *args, **kwargs)
        page = io.BytesIO()
        with style.theme():
            figure.savefig(page, format="raw", dpi=100)
        pages.append(page.getvalue())
        tables.append(table)
    assert pages[0] == pages[1]
    pd.testing.assert_frame_equal(*tables)
    return tables[0]


def sites(count: int, *, two_per_block: bool = False) -> list[str]:
    """Site names of a model with `count` sites."""
    if two_per_block:
        return [f"{index // 2 + 1}.{index % 2 + 1}" for index in range(count)]
    return [str(index + 1) for index in range(count)]


def stretched(values: Sequence[float], count: int) -> np.ndarray:
    """A published curve over `count` layers."""
    return np.interp(np.linspace(0, 1, count), np.linspace(0, 1, len(values)), values)


def silhouettes(values: Sequence[float], names: Sequence[str], seeds: Sequence[int] = (0, 1, 2)) -> pd.DataFrame:
    """Silhouettes that scatter around `values`, one per layer."""
    rng = np.random.default_rng(0)
    rows = [
        (layer, site, seed, value + rng.normal(0, 0.02), value / 3, 78)
        for layer, (site, value) in enumerate(zip(names, values, strict=True), 1)
        for seed in seeds
    ]
    return pd.DataFrame(rows, columns=["layer", "site", "seed", "silhouette", "silhouette_full", "n_points"])


def all_silhouettes(count: int, properties: Sequence[str] = tuple(CURVES), scale: float = 1.0, two_per_block=False):
    """Silhouettes of several properties, by property."""
    names = sites(count, two_per_block=two_per_block)
    return {name: silhouettes(stretched(CURVES[name], count) * scale, names) for name in properties}


def cells(name: str) -> list[tuple[str, str]]:
    """Group and phone of each pattern of a property."""
    if name == "phone":
        return [(group, phone) for group, phones in PHONE_CLASSES.items() for phone in phones]
    return [(group, phone) for group in GROUPS[name] for phone in PHONES]


def points(name: str, names: Sequence[str], seeds: Sequence[int] = (0, 1, 2), apart: float = 1.5) -> pd.DataFrame:
    """Planes in which the groups lie `apart`."""
    rng = np.random.default_rng(1)
    tables = []
    for layer, site in enumerate(names, 1):
        for seed in seeds:
            table = pd.DataFrame(cells(name), columns=["group", "phone"])
            centre = table["group"].map({group: index * apart for index, group in enumerate(GROUPS[name])})
            table["x"], table["y"] = rng.normal(centre, 1), rng.normal(centre % 2, 1)
            tables.append(table.assign(layer=layer, site=site, seed=seed))
    return pd.concat(tables, ignore_index=True)[["layer", "site", "seed", "group", "phone", "x", "y"]]


def summary(sizes: Sequence[int], names: Sequence[str], groups: Sequence[str] = ("M", "F"), width=3072) -> pd.DataFrame:
    """What `layer_summary` makes: |P| repeated over the groups of each layer."""
    rows = [
        (layer, site, width, group, int(size), int(size) // len(groups), int(size))
        for layer, (site, size) in enumerate(zip(names, sizes, strict=True), 1)
        for group in groups
    ]
    columns = ["layer", "site", "width", "group", "members", "group_neurons", "property_neurons"]
    return pd.DataFrame(rows, columns=columns)


def all_summaries(count: int, properties: Sequence[str] = tuple(SIZES), two_per_block=False):
    """Summaries of several properties, by property."""
    names = sites(count, two_per_block=two_per_block)
    return {name: summary(stretched(SIZES[name], count).round(), names, GROUPS[name]) for name in properties}


def null(
    summary_: pd.DataFrame, permutations: int = 1000, share: float = 0.5, over: int = 0, distinct: int = 2704156
) -> pd.DataFrame:
    """A null whose mean is a share of |P|; before a limit on q there were `over` neurons more in each layer."""
    layers = summary_.drop_duplicates("layer")
    table = layers[["layer", "site"]].assign(group="", observed=layers["property_neurons"] + over)
    total = pd.DataFrame([{"layer": 0, "site": "", "group": "", "observed": table["observed"].sum()}])
    table = pd.concat([table, table.assign(group="M", observed=1), total], ignore_index=True)
    mean = table["observed"] * share if permutations else np.nan
    return table.assign(
        null_mean=mean,
        null_low=mean * 0.8,
        null_high=mean * 1.2,
        false_share=share if permutations else np.nan,
        p=1 / (permutations + 1) if permutations else np.nan,
        permutations=permutations,
        distinct=distinct,
        level="phone",
    )


def all_nulls(summaries, **options):
    """The nulls of `all_summaries`, or of several models'."""
    return {name: null(table, **options) for name, table in summaries.items()}


def stability(names: Sequence[str], *, halves: int = 20, auroc: float = 0.7) -> pd.DataFrame:
    """Of a property: P, one group, and a last layer where nothing was found."""
    table = pd.DataFrame({"layer": range(1, len(names) + 1), "site": names})
    parts = []
    for group, less in (("", 0.0), ("M", 0.1)):
        values = {"nogueira": 0.5 - less, "auroc": auroc - less, "silhouette_held_out": 0.1 - less}
        part = table.assign(group=group, speakers=24, halves=halves)
        for measure, value in values.items():
            for end, more in (("", 0.0), ("_low", -0.05), ("_high", 0.05)):
                part[f"{measure}{end}"] = value + more
        part.loc[part.index[-1], ["nogueira", "auroc"]] = np.nan
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def overlapping(exclusive: Sequence[int], layer: int = 1, width: int = 3072):
    """Neuron tables and summaries of three properties with these exclusive regions (100, 010, 110, 001, ...).

    Each neuron table also holds members that no group has for itself, and another layer's neurons.
    """
    neurons, summaries = {}, {}
    for position, name in enumerate(("phone", "gender", "pitch")):
        region_of_neuron = np.repeat(REGIONS, exclusive)
        own = [neuron for neuron, region in enumerate(region_of_neuron) if region[position] == "1"]
        group = GROUPS[name]
        rows = [(layer, group[neuron % len(group)], neuron, True) for neuron in own]
        rows += [(layer, each, width - 1, False) for each in group]
        rows += [(layer + 1, group[0], neuron, True) for neuron in range(7)]
        table = pd.DataFrame(rows, columns=["layer", "group", "neuron", "exclusive"])
        neurons[name] = table.assign(site=table["layer"].astype(str), share=1.0, width=width, q=table["neuron"] / 1000)
        sizes = [0] * (layer - 1) + [len(own), 7]
        summaries[name] = summary(sizes, sites(layer + 1), group, width)
    return neurons, summaries


def count_store(
    path: Path, names: Sequence[str], width: int = 200, frames: int = 500, phones: Sequence[str] = PHONES
) -> dict[str, np.ndarray]:
    """A count store of single phones; returns each site's hits of the first, AH, [width]."""
    labels = (*phones, *LABELS[len(PHONES) :])
    rng = np.random.default_rng(2)
    tau = max(1, round(0.01 * width))
    n = np.full(len(labels), frames)
    n[LABELS.index("ZH")] = 0
    hits = {}
    with new_store(path) as store:
        store.attrs.update(
            {
                "model": "tiny",
                "corpus": "demo",
                "property": "single_phone",
                "sites": [{"layer": index + 1, "name": name, "width": width} for index, name in enumerate(names)],
                "lambda": 0.01,
                "tau": [tau] * len(names),
                "labels": list(labels),
                "groups": list(phones),
                "cells": [[label if label in phones else "", label] for label in labels],
                "settings": {},
                "ties": [0] * len(names),
                "unranked": 0,
                "pitch_cuts_hz": None,
            }
        )
        add_array(store, "n", n)
        for index, name in enumerate(names):
            weights = 1 / (1 + np.arange(width) / 8) ** 1.7
            share = np.minimum(1, weights * tau / weights.sum())
            counts = np.stack([rng.binomial(frames, rng.permutation(share)) for _ in labels])
            add_array(store, f"counts/{index:02d}", counts)
            hits[name] = counts[0]
    return hits
