"""A comparison of selectors, each with as many neurons per layer and group as the sets of equations 3 to 5."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from property_neurons.counting.unit_count_store import UnitCounts
from property_neurons.neurons.definition import SetDefinition
from property_neurons.neurons.statistics.activation_values import ActivationValues
from property_neurons.neurons.statistics.labelled_sets import SiteUnits, joined
from property_neurons.neurons.statistics.resampling import (
    UnitScores,
    check_halves_fit,
    jaccard,
    mean_and_range,
    speaker_halves,
)
from property_neurons.neurons.statistics.selectors import SELECTORS, Activity, highest, of_values
from property_neurons.neurons.statistics.table_terms import ALL_GROUPS, ALL_LAYERS
from property_neurons.neurons.statistics.vocabulary import PAPER, RANDOM
from property_neurons.progress import progress

# Every neuron is looked at on every half, not only those found: beyond these the ranges change little.
MOST_HALVES = 10

_OVERLAP = ("neurons", "jaccard", "shared", "in_several")
_HELD_OUT = ("auroc", "auroc_low", "auroc_high", "at_most_half", "stability", "stability_low", "stability_high")
COLUMNS = ("layer", "site", "group", "selector", *_OVERLAP, *_HELD_OUT, "speakers", "halves")

CHOSEN_COLUMNS = ("selector", "group", "layer", "neuron")


@dataclass(frozen=True)
class SelectedNeurons:
    """What every selector chooses at one site.

    chosen: by selector, bool [groups, neurons, 2 * splits + 1]: on each half of the speakers, and last on all.
    auroc: float64 [groups, neurons, 2 * splits], of every neuron on each half; NaN where it is undefined.
    """

    chosen: Mapping[str, np.ndarray]
    auroc: np.ndarray


def compare_selectors(
    units: UnitCounts,
    definition: SetDefinition,
    *,
    halves: int,
    seed: int,
    values: ActivationValues | None = None,
    balance: bool = False,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """How the selectors compare, and what they choose on all speakers.

    The comparison has a row (`COLUMNS`) for each layer (0: all), group ("": all, each neuron with its group) and
    selector:

    neurons: chosen on all speakers; as many by every selector but value_entropy_1_percent. jaccard, shared: with the
        paper's set, and the share of it that is chosen too.
    in_several: share of the chosen that are chosen for another group as well.
    auroc: of the neurons chosen on one half of the speakers, on the other half: median over neurons, then mean over
        halves, with the range of 95 % of the halves. at_most_half: share of them at 0.5 or below.
    stability: Jaccard of the sets of the two halves, mean over splits, with the range of 95 %.

    The neurons have a row (`CHOSEN_COLUMNS`) each: selector, group, layer (from 1), neuron; none at random.

    Args:
        halves: splits of the speakers, at most `MOST_HALVES` of which are used; 0 leaves the last columns empty.
        values: activation values of some of the speech, for the selectors that need them; None leaves these out.
        balance: as of `report.neuron_statistics`; values, and scores of units, are of all frames.

    Raises:
        CountingError: the splits of so many groups do not fit into memory.
    """
    splits = min(halves, MOST_HALVES)
    split = speaker_halves(units, splits, seed) if splits else None
    if split is not None:
        check_halves_fit(units, splits)
    sites = [
        select(
            SiteUnits(units, site, definition, seed if balance else None),
            split,
            seed,
            None if values is None else values.site(site),
        )
        for site in progress(list(range(len(units.sites))), what=f"selectors for {units.property_name}", unit="layer")
    ]
    speakers = len(np.unique(units.speaker))
    rows = [
        {
            "layer": layer,
            "site": units.sites[layer - 1].name if layer else "",
            "group": ALL_GROUPS if group is None else units.groups[group],
            "selector": selector,
            "speakers": speakers,
            "halves": 0 if split is None else splits,
        }
        | _measured(of_layer, group, selector)
        for layer, of_layer in _by_layer(sites)
        for group in (*range(len(units.groups)), None)
        for selector in sites[0].chosen
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS)), _chosen_table(units, sites)


def select(
    rows: SiteUnits, halves: np.ndarray | None, seed: int, values: tuple[UnitCounts, UnitCounts] | None = None
) -> SelectedNeurons:
    """Choose by every selector; `halves` as of `speaker_halves`, None for all speakers only.

    values: sums of activation values and of frames above the 95th percentile (`ActivationValues.site`).
    """
    everyone = np.ones((len(rows.units.speakers), 1), np.int8)
    weights = everyone if halves is None else np.hstack([halves, everyone])
    # On their own, so that thinned frames give the sets of the table of neurons.
    found = rows.weighted(everyone)
    if halves is not None:
        found = joined([rows.weighted(halves), found])
    auroc, precision = np.full((2, *found.effect.shape), np.nan)
    for part in range(weights.shape[1]):
        auroc[:, :, part], precision[:, :, part] = UnitScores(rows, weights[:, part] > 0).separations()
    activity = Activity(found.active, found.effect, precision)
    paper = found.group_neurons
    scores = {name: selector(activity) for name, selector in SELECTORS.items()}
    scores[RANDOM] = np.random.default_rng([seed, 5, rows.site + 1]).random(paper.shape)
    # No selector chooses for a group that is not spoken.
    sizes = np.where(np.isnan(found.active).all(axis=1), 0, paper.sum(axis=1))
    chosen = {PAPER: paper} | {name: highest(one, sizes) for name, one in scores.items()}
    if values is not None:
        mean, loud = (SiteUnits(one, 0, rows.definition).weighted(weights) for one in values)
        chosen |= of_values(mean.effect, loud.active, sizes)
    # What is chosen at random stands last in the table and its figure.
    chosen[RANDOM] = chosen.pop(RANDOM)
    return SelectedNeurons(chosen, auroc[:, :, :-1])


def _chosen_table(units: UnitCounts, sites: list[SelectedNeurons]) -> pd.DataFrame:
    parts = [pd.DataFrame(columns=list(CHOSEN_COLUMNS))]
    for layer, site in enumerate(sites, 1):
        for selector in site.chosen:
            if selector == RANDOM:
                continue
            group, neuron = np.nonzero(site.chosen[selector][:, :, -1])
            names = np.array(units.groups, dtype=object)[group]
            parts.append(pd.DataFrame({"selector": selector, "group": names, "layer": layer, "neuron": neuron}))
    table = pd.concat(parts, ignore_index=True).astype({"layer": "int64", "neuron": "int64"})
    return table.astype({"selector": "str", "group": "str"})


def _by_layer(sites: list[SelectedNeurons]) -> Iterator[tuple[int, list[SelectedNeurons]]]:
    for number, site in enumerate(sites, 1):
        yield number, [site]
    yield ALL_LAYERS, sites


def _measured(sites: list[SelectedNeurons], group: int | None, selector: str) -> dict[str, float]:
    chosen = _flat([site.chosen[selector] for site in sites], group)
    paper = _flat([site.chosen[PAPER] for site in sites], group)[:, -1]
    own = chosen[:, -1]
    several = _flat([np.broadcast_to(one.sum(axis=0) > 1, one.shape) for one in _chosen(sites, selector)], group)[:, -1]
    measured = {
        "neurons": int(own.sum()),
        "jaccard": jaccard(own, paper),
        "shared": float((own & paper).sum() / paper.sum()) if paper.any() else float("nan"),
        "in_several": float((own & several).sum() / own.sum()) if own.any() else float("nan"),
    }
    auroc = _flat([site.auroc for site in sites], group)
    held_out = [auroc[chosen[:, half], half ^ 1] for half in range(auroc.shape[1])]
    held_out = [values[~np.isnan(values)] for values in held_out]
    pairs = [jaccard(chosen[:, first], chosen[:, first + 1]) for first in range(0, auroc.shape[1], 2)]
    below = [float((values <= 0.5).mean()) for values in held_out if len(values)]
    return (
        measured
        | mean_and_range("auroc", np.array([np.median(values) for values in held_out if len(values)]))
        | {"at_most_half": float(np.mean(below)) if below else float("nan")}
        | mean_and_range("stability", np.array(pairs))
    )


def _chosen(sites: list[SelectedNeurons], selector: str) -> list[np.ndarray]:
    return [site.chosen[selector] for site in sites]


def _flat(arrays: list[np.ndarray], group: int | None) -> np.ndarray:
    """[groups, neurons, M] of some sites as [neurons, M], of one group or each group's in turn."""
    return np.concatenate([np.concatenate(one) if group is None else one[group] for one in arrays])
