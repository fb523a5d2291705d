"""Sets found on one corpus and tested on another: how selective their neurons are for new speakers."""

import numpy as np
import pandas as pd

from property_neurons.counting.unit_count_store import UnitCounts
from property_neurons.errors import CountingError, some_of
from property_neurons.neurons.definition import SetDefinition
from property_neurons.neurons.statistics.labelled_sets import SiteUnits
from property_neurons.neurons.statistics.resampling import UnitScores
from property_neurons.neurons.statistics.table_terms import ALL_GROUPS, ALL_LAYERS

MEASURES = ("auroc", "average_precision", "effect")


def on_other_corpus(neurons: pd.DataFrame, units: UnitCounts, definition: SetDefinition) -> pd.DataFrame:
    """AUROC, average precision and effect, on another corpus, of every member of every N_i.

    Args:
        neurons: of `groups.neuron_table`, found on one corpus.
        units: of the same model and property on the other one.

    Returns:
        layer, site, group, neuron, exclusive (in G_i), auroc, average_precision, effect, member_there, exclusive_there
        (whether the neuron is in N_i and in G_i of the other corpus)

    Raises:
        CountingError: the other corpus lacks groups of the table, or has another number of layers.
    """
    missing = sorted(set(neurons["group"]) - set(units.groups))
    if missing:
        raise CountingError(
            f"{units.property_name} on {units.corpus}: expected the groups that neurons were found of, found none "
            f"called {some_of(missing)}; choose a corpus that has them, or a property whose groups are not its own"
        )
    if neurons["layer"].max() > len(units.sites):
        raise CountingError(
            f"{units.property_name} on {units.corpus}: expected {neurons['layer'].max()} layers, found "
            f"{len(units.sites)}; count the same model"
        )
    tables = []
    for layer, of_layer in neurons.groupby("layer"):
        site = SiteUnits(units, int(layer) - 1, definition)
        scores = UnitScores(site, np.ones(len(units.speakers), bool))
        there = site.weighted(np.ones((len(units.speakers), 1)))
        for group, rows in of_layer.groupby("group", sort=False):
            number, columns = units.groups.index(group), rows["neuron"].to_numpy()
            auroc, precision = scores.separation(number, columns)
            tables.append(
                rows[["layer", "site", "group", "neuron", "exclusive"]].assign(
                    auroc=auroc,
                    average_precision=precision,
                    effect=there.effect[number, columns, 0],
                    member_there=there.members[number, columns, 0],
                    exclusive_there=there.group_neurons[number, columns, 0],
                )
            )
    columns = ["layer", "site", "group", "neuron", "exclusive", *MEASURES, "member_there", "exclusive_there"]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)


def by_layer(members: pd.DataFrame) -> pd.DataFrame:
    """The group neurons of `on_other_corpus` by layer and group; group "" for all of P, layer 0 for all layers.

    Returns:
        layer, group, neurons, auroc, average_precision, effect (medians), at_most_half (share with AUROC 0.5 or less),
        against (share whose effect is 0 or below), found_there (share that is a group neuron of the same group there);
        the first five without neurons that nothing there can be compared with
    """
    own = members[members["exclusive"].astype(bool)]
    every = pd.concat([own, own.assign(layer=ALL_LAYERS)])
    every = pd.concat([every, every.assign(group=ALL_GROUPS)])
    rows = [
        {
            "layer": layer,
            "group": group,
            "neurons": len(rows),
            **{name: float(rows[name].median()) for name in MEASURES},
            "at_most_half": float((rows["auroc"].dropna() <= 0.5).mean()),
            "against": float((rows["effect"].dropna() <= 0).mean()),
            "found_there": float(rows["exclusive_there"].mean()),
        }
        for (layer, group), rows in every.groupby(["layer", "group"], sort=True)
    ]
    columns = ["layer", "group", "neurons", *MEASURES, "at_most_half", "against", "found_there"]
    return pd.DataFrame(rows, columns=columns)
