"""How many property neurons several properties share in one layer, region by region of their sets."""

import itertools
import math
from collections.abc import Mapping, Sequence

import pandas as pd

from property_neurons.errors import ConfigError, StoreError
from property_neurons.figures import style
from property_neurons.figures.published import Published

# The layer whose overlaps the paper shows.
_PUBLISHED_LAYER = 1


def regions(count: int) -> list[str]:
    """The regions of that many sets, in matplotlib-venn's order: "10" is in the first set alone."""
    return [f"{number:0{count}b}"[::-1] for number in range(1, 2**count)]


def overlap_table(
    neurons: Mapping[str, pd.DataFrame],
    summaries: Mapping[str, pd.DataFrame],
    layer: int,
    published: Published | None = None,
    fdr: float | None = None,
) -> pd.DataFrame:
    """Sizes of the exclusive regions, of the whole sets and of their union, in that order.

    Args:
        neurons: by property: layer, neuron, exclusive (in a group's G_i, equation 4), q.
        summaries: of the same properties: layer, site, width, group, property_neurons (|P| of the layer).
        layer: ordinal of the layer, from 1.
        published: the paper's values, where the model is the paper's.
        fdr: only neurons with q at or below it count; None for all.

    Returns:
        layer, site, part ("only", "whole" or "union"), properties ("phone&gender"), neurons, independent (what is
        expected of independent sets of these sizes), width (neurons of the layer), published, fdr.

    Raises:
        ConfigError: the model has no such layer.
        StoreError: neurons and summaries contradict each other.
    """
    site, width = _site(summaries, layer)
    sets = {name: _property_neurons(neurons[name], summaries[name], layer, name, fdr) for name in neurons}
    names = list(sets)
    rows = []
    for region in regions(len(names)):
        inside = [sets[name] for name, member in zip(names, region, strict=True) if member == "1"]
        outside = [sets[name] for name, member in zip(names, region, strict=True) if member == "0"]
        expected = width * math.prod(len(one) / width for one in inside)
        expected *= math.prod(1 - len(one) / width for one in outside)
        rows.append(
            ("only", _region_name(region, names), len(set.intersection(*inside).difference(*outside)), expected)
        )
    rows += [("whole", name, len(sets[name]), math.nan) for name in names]
    expected = width * (1 - math.prod(1 - len(one) / width for one in sets.values()))
    rows.append(("union", "|".join(names), len(set.union(*sets.values())), expected))
    table = pd.DataFrame(rows, columns=["part", "properties", "neurons", "independent"]).assign(width=width)
    table["published"] = _published(published, names, layer)
    table.insert(0, "layer", layer)
    table.insert(1, "site", site)
    table["fdr"] = math.nan if fdr is None else fdr
    return table


def region_title(properties: str, count: int) -> str:
    """A region's name in a figure of that many properties: "gender only", "gender and pitch only", "all three"."""
    titles = [style.property_title(name) for name in properties.split("&")]
    if len(titles) == count:
        return "both" if count == 2 else "all three" if count == 3 else "all"
    return f"{' and '.join(titles)} only"


def _site(summaries: Mapping[str, pd.DataFrame], layer: int) -> tuple[str, int]:
    summary = pd.concat(summaries.values())
    rows = summary[summary["layer"] == layer]
    if rows.empty:
        raise ConfigError(
            f"figures.overlap_layer: expected a layer from 1 to {summary['layer'].max()}, found {layer}; correct it"
        )
    return str(rows["site"].iloc[0]), int(rows["width"].iloc[0])


def _property_neurons(
    neurons: pd.DataFrame, summary: pd.DataFrame, layer: int, name: str, fdr: float | None
) -> set[int]:
    of_layer = neurons[(neurons["layer"] == layer) & neurons["exclusive"]]
    found = set(of_layer["neuron"])
    counted = summary.loc[summary["layer"] == layer, "property_neurons"].unique()
    if counted.tolist() != [len(found)]:
        raise StoreError(
            f"property {name}, layer {layer}: the neuron table holds {len(found)} property neurons, its summary says "
            f"{counted.tolist()}; delete both and run again"
        )
    return found if fdr is None else set(of_layer.loc[of_layer["q"] <= fdr, "neuron"])


def _region_name(region: str, names: Sequence[str]) -> str:
    return "&".join(itertools.compress(names, map(int, region)))


def _published(published: Published | None, names: list[str], layer: int) -> list[float]:
    """The paper's values in the row order of `overlap_table`, by inclusion and exclusion from its whole sizes."""
    named = [_region_name(region, names) for region in regions(len(names))]
    if published is None or layer != _PUBLISHED_LAYER or not set(named) <= set(published.overlaps):
        return [math.nan] * (len(named) + len(names) + 1)
    whole = published.overlaps
    members = {region: set(region.split("&")) for region in named}
    exclusive = [
        sum(
            (-1) ** (len(members[other]) - len(members[region])) * whole[other]
            for other in named
            if members[other] >= members[region]
        )
        for region in named
    ]
    return [float(value) for value in [*exclusive, *(whole[name] for name in names), sum(exclusive)]]
