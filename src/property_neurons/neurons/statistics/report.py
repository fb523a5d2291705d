"""All statistics of one property's sets, as tables: of neurons, of the null by layer, of stability by layer."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from property_neurons.counting.unit_count_store import UnitCounts
from property_neurons.errors import CountingError
from property_neurons.neurons.definition import SetDefinition
from property_neurons.neurons.statistics.false_discovery import POWER, with_q
from property_neurons.neurons.statistics.held_out_silhouette import half_silhouettes
from property_neurons.neurons.statistics.labelled_sets import LabelledSets, SiteUnits
from property_neurons.neurons.statistics.labels import deals_phones, dealt_units, only_renames
from property_neurons.neurons.statistics.null import SiteNull, p_of_size, site_null
from property_neurons.neurons.statistics.resampling import (
    BOOTSTRAPS,
    HeldOut,
    check_halves_fit,
    held_out,
    jaccard,
    mean_and_range,
    nogueira_stability,
    selection_frequency,
    speaker_bootstraps,
    speaker_halves,
)
from property_neurons.neurons.statistics.selectivity import group_entropy, log_odds
from property_neurons.neurons.statistics.table_terms import ALL_GROUPS, ALL_LAYERS
from property_neurons.progress import progress

NEURON_COLUMNS = (
    "p_active",
    "p_others",
    "effect",
    "log_odds",
    "entropy",
    "p",
    "q",
    "p_family",
    "selection",
    "held_out",
    "auroc",
    "average_precision",
    "effect_held_out",
)


@dataclass(frozen=True)
class NeuronStatistics:
    """neurons: layer, group, neuron and `NEURON_COLUMNS`, for every member of every N_i.
    null: layer, site, group, observed, null_mean, null_low, null_high, ratio, false_share, p, q (over the table),
        detectable (a set so large has p <= 0.05 80 times in 100, if it varies as under dealt labels), permutations,
        distinct, level.
    stability: layer, site, group, speakers, pooled, halves, at_most_half, and each with _low and _high jaccard,
        nogueira, auroc, silhouette_half, silhouette_held_out (`half_silhouettes`, within a half and across).
    """

    neurons: pd.DataFrame
    null: pd.DataFrame
    stability: pd.DataFrame


# More threads are slower on products this small, and the order of their sums is not promised.
@threadpool_limits.wrap(limits=1)
def neuron_statistics(
    units: UnitCounts, definition: SetDefinition, *, permutations: int, halves: int, seed: int, balance: bool = False
) -> NeuronStatistics:
    """All statistics of a property's sets, from its counts by unit; the same seed gives the same tables.

    Args:
        permutations: of the null; 0 for none.
        halves: splits of the speakers; 0 for neither stability nor held-out selectivity.
        balance: thin each phone's frames to as many in every group wherever sets are made: of the labels as they are,
            of dealt labels and of parts of the speakers. Held-out selectivity takes all frames.

    Raises:
        CountingError: the splits of so many groups do not fit into memory.
    """
    split = speaker_halves(units, halves, seed) if halves else None
    if split is not None:
        check_halves_fit(units, halves)
    drawn = speaker_bootstraps(units, BOOTSTRAPS, seed) if halves else None
    deals = dealt_units(units).kept_deals(permutations, seed)
    neurons, nulls, found_in_halves, looked_at, separated = [], [], [], [], []
    sites = progress(list(range(len(units.sites))), what=f"statistics of {units.property_name}", unit="layer")
    for site in sites:
        rows = SiteUnits(units, site, definition, seed if balance else None)
        null = site_null(rows, permutations=permutations, seed=seed, deals=deals)
        selection = None if drawn is None else selection_frequency(rows, drawn)
        sets = held = None
        if split is not None:
            sets = rows.weighted(split)
            held = held_out(rows, split, sets)
            sets = sets.group_neurons
            separated.append(half_silhouettes(rows.patterns(split), units.phone_cell_groups))
        neurons.append(_neuron_rows(units, site, null, selection, held))
        nulls.append(null)
        found_in_halves.append(sets)
        looked_at.append(held)
    stability = [] if split is None else _stability_rows(units, found_in_halves, looked_at, separated)
    return NeuronStatistics(
        neurons=pd.concat(neurons, ignore_index=True),
        null=with_q(pd.DataFrame(_null_rows(units, nulls, permutations), columns=list(_NULL_COLUMNS))),
        stability=pd.DataFrame(stability, columns=list(_STABILITY_COLUMNS)),
    )


def with_statistics(table: pd.DataFrame, statistics: NeuronStatistics, fdr: float | None = None) -> pd.DataFrame:
    """A neuron table with `NEURON_COLUMNS`.

    Args:
        table: of `groups.neuron_table`, made with the same counts and definition.
        fdr: neurons with q above it are in no G_i; None leaves the sets as they are, and so does a property of which
            no neuron has a q.

    Raises:
        CountingError: the table names other members.
    """
    keys = ["layer", "group", "neuron"]
    joined = table.merge(statistics.neurons, on=keys, how="outer", indicator="origin", validate="one_to_one")
    alone = joined[joined["origin"] != "both"]
    if len(alone):
        first = alone.iloc[0]
        raise CountingError(
            f"expected the counts of cells and those of units to give the same sets, found neuron {first['neuron']} of "
            f"layer {first['layer']} in {first['group']} by one of them alone (and {len(alone) - 1} more); delete both "
            "count stores and run again"
        )
    joined = table.merge(statistics.neurons, on=keys, how="left")
    if fdr is not None and (joined["q"].notna().any() or joined.empty):
        joined["exclusive"] &= joined["q"] <= fdr
    joined.attrs = dict(table.attrs)
    return joined


def _neuron_rows(
    units: UnitCounts, site: int, null: SiteNull, selection: np.ndarray | None, held: HeldOut | None
) -> pd.DataFrame:
    observed: LabelledSets = null.observed
    active, effect, others = observed.active[:, :, 0], observed.effect[:, :, 0], observed.others[:, :, 0]
    frames = max(int(units.n.sum(dtype=np.int64)), 1)
    group, neuron = np.nonzero(observed.members[:, :, 0])
    nothing = np.full(effect.shape, np.nan)
    values = {
        "p_active": active,
        "p_others": others,
        "effect": effect,
        # Of the phones that both have.
        "log_odds": log_odds(others + effect, others, frames),
        "entropy": np.broadcast_to(group_entropy(np.nan_to_num(active)), effect.shape),
        "p": null.p,
        "q": null.q,
        "p_family": null.p_family,
        "selection": nothing if selection is None else selection,
        "held_out": np.zeros(effect.shape, np.int64) if held is None else held.halves,
        "auroc": nothing if held is None else held.auroc,
        "average_precision": nothing if held is None else held.average_precision,
        "effect_held_out": nothing if held is None else held.effect,
    }
    names = pd.Series([units.groups[one] for one in group], dtype="str")
    place = {"layer": np.full(len(group), site + 1), "group": names, "neuron": neuron}
    return pd.DataFrame(place | {name: values[name][group, neuron] for name in NEURON_COLUMNS})


_NULL_COLUMNS = (
    "layer",
    "site",
    "group",
    "observed",
    "null_mean",
    "null_low",
    "null_high",
    "ratio",
    "false_share",
    "p",
    "q",
    "detectable",
    "permutations",
    "distinct",
    "level",
)


def _null_rows(units: UnitCounts, nulls: list[SiteNull], permutations: int) -> list[dict[str, Any]]:
    level = "phone" if units.of_phone else units.level
    distinct = dealt_units(units).distinct()
    # A phone of few frames has a pattern of chance neurons, a set that no other phone shares; dealt phones have as many
    # frames as the mean one. So sizes of single phones have no null; the effects on neurons have.
    no_null = (units.of_phone and not deals_phones(units)) or only_renames(units)
    # The same labels were dealt at every site, so what one deal gives may be added up.
    by_layer = [(site + 1, units.sites[site].name, null.observed_sizes, null.sizes) for site, null in enumerate(nulls)]
    by_layer.append((ALL_LAYERS, "", sum(null.observed_sizes for null in nulls), sum(null.sizes for null in nulls)))
    rows = []
    for layer, site, observed, sizes in by_layer:
        for number, group in enumerate((*units.groups, ALL_GROUPS)):
            row: dict[str, Any] = {"layer": layer, "site": site, "group": group, "observed": int(observed[number])}
            if permutations and not no_null:
                row |= _against(int(observed[number]), sizes[number])
            rows.append(row | {"permutations": permutations, "distinct": distinct, "level": level})
    return rows


def _against(observed: int, null: np.ndarray) -> dict[str, float]:
    mean = float(null.mean())
    low, high = np.percentile(null, [2.5, 97.5])
    return {
        "null_mean": mean,
        "null_low": float(low),
        "null_high": float(high),
        "ratio": observed / mean if mean else float("nan"),
        "false_share": min(1.0, mean / observed) if observed else float("nan"),
        "p": p_of_size(observed, null),
        "detectable": float(np.percentile(null, 95) + POWER * null.std()),
    }


_MEASURES = ("jaccard", "nogueira", "auroc", "silhouette_half", "silhouette_held_out")
_STABILITY_COLUMNS = (
    "layer",
    "site",
    "group",
    "speakers",
    "pooled",
    "halves",
    *(f"{name}{end}" for name in _MEASURES for end in ("", "_low", "_high")),
    "at_most_half",
)


def _stability_rows(
    units: UnitCounts,
    found: list[np.ndarray],
    looked_at: list[HeldOut],
    separated: list[tuple[np.ndarray, np.ndarray]],
) -> list[dict[str, Any]]:
    """Means over splits, and the range that 95 % of the splits lie in."""
    speakers = len(np.unique(units.speaker))
    rows = []
    for site, (sets, held, (within, across)) in enumerate(zip(found, looked_at, separated, strict=True)):
        for group in (*range(len(units.groups)), None):
            cells = np.full(len(within), True) if group is None else units.phone_cell_groups == group
            selected = sets.any(axis=0) if group is None else sets[group]
            pairs = [(selected[:, first], selected[:, first + 1]) for first in range(0, selected.shape[1], 2)]
            auroc = [held.of_half(half, group) for half in range(selected.shape[1])]
            measured = {
                "jaccard": [jaccard(*pair) for pair in pairs],
                "nogueira": [nogueira_stability(np.stack(pair)) for pair in pairs],
                "auroc": [float(np.median(values)) for values in auroc if len(values)],
                "silhouette_half": within[cells].mean(axis=0),
                "silhouette_held_out": across[cells].mean(axis=0),
            }
            below = [float((values <= 0.5).mean()) for values in auroc if len(values)]
            row = {
                "layer": site + 1,
                "site": units.sites[site].name,
                "group": ALL_GROUPS if group is None else units.groups[group],
                "speakers": speakers,
                "pooled": units.pooled,
                "halves": len(pairs),
                "at_most_half": float(np.mean(below)) if below else float("nan"),
            }
            for name, values in measured.items():
                row |= mean_and_range(name, np.array(values))
            rows.append(row)
    return rows
