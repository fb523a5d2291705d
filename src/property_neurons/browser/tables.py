"""The public data of the browser: `neurons.parquet` and `examples.parquet`, of which the pages are a view.

`NEURON_COLUMNS` and `EXAMPLE_COLUMNS` say what each column holds; docs/browser.md repeats them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from property_neurons.activations.summary import BINS, summarise
from property_neurons.browser.derived import Derived
from property_neurons.browser.examples import (
    N_CURVE,
    NO_PAGE,
    choose_examples,
    enough_frames,
    most_probable,
    reacted_to,
)
from property_neurons.browser.neighbours import coactive, cosines, nearest
from property_neurons.browser.probabilities import LAGS, clusters_of, counted_frames, intervals
from property_neurons.browser.speech import Shard, Speech, read_speech
from property_neurons.corpus.phones import ANY
from property_neurons.counting.cell_sums import add_rows
from property_neurons.counting.count_store import Counts
from property_neurons.counting.layout import LaidOut
from property_neurons.counting.sampling import Sampling
from property_neurons.errors import StoreError
from property_neurons.progress import progress

NEURON_COLUMNS = {
    "layer": "number of the feed-forward network in the model's order, from 1",
    "site": 'name of the network: "3", or "3.1" and "3.2" where a block has two',
    "neuron": "number of the neuron in its layer, from 0",
    "width": "neurons in the layer",
    "chosen": "why it has a page: `property` (in a set of some property), `random`, or `all`; `no` where it has none: "
    "the columns from `groups` on are then empty",
    "active": "share of counted frames of phones in which it is among the most active",
    "p_phone": "for each phone, in the order of the corpus's phones: probability of being active; NaN without frames",
    "p_low, p_high": "95 % interval of `p_phone` over speakers; NaN where one speaker has all frames",
    "phone": "the phone in which it is most often active, of those with 1/lambda counted frames or more",
    "sets": "the sets that it is in: property, group, exclusive (in G, else in N alone), and the statistics of the "
    "table of neurons",
    "derived": "for each model of `browser.derived`: model; done, `kept` or `removed` by pruning, by an edit "
    "`untouched`, `zero` or `scale`; number, its number there, -1 if removed",
    "groups": "for each group of each property: p, probability of being active; n, its frames; and of the speech whose "
    "values are kept: mean value, above (share of frames above the neuron's 95th percentile), histogram",
    "panels": "for each group of each property of up to 4 groups that each phone may be in: p by phone",
    "least, largest": f"ends of the histograms, whose {BINS} bins are equally wide",
    "course": "for the three phones in which it is most often active: p in the 11 frames from 100 ms before the "
    "phone's onset to 100 ms after it",
    "coactive": "the neurons of the layer whose active frames overlap most with its own, by Jaccard's index",
    "similar_in, similar_out": "the neurons of the layer with the most similar weights in and out, by cosine",
}
EXAMPLE_COLUMNS = {
    "layer, neuron": "as above",
    "kind": "`strongest`; `quarter 4` (strongest) to `quarter 1` of the frames in which it is active; `random`; "
    "`counter-example` (the right label, the neuron not active)",
    "utterance, speaker, gender": "who says it",
    "frame, time": "20 ms frame of the utterance, from 0; its middle in seconds",
    "phone, f0": "label of the frame; F0 in Hz, NaN unvoiced, or all NaN where the corpus has no F0",
    "value": "activation",
    "curve": f"activation from {N_CURVE} frames before to {N_CURVE} after; NaN outside the utterance",
}
_EMPTY_WITHOUT_PAGE = ("groups", "panels", "course", "coactive", "similar_in", "similar_out")
MOST_GROUPS_SHOWN = 6
MOST_PANELS = 4
_COURSES = 3


@dataclass(frozen=True)
class PropertyTables:
    """What is known of one property: its definition, counts, and table of neurons."""

    property_: LaidOut
    counts: Counts
    neurons: pd.DataFrame


@dataclass(frozen=True)
class Choice:
    """Which neurons have a page: all, or those of a set and some at random."""

    neurons: Literal["property", "all"] = "property"
    random: int = 50
    seed: int = 0


def chosen_neurons(layer: int, width: int, tables: Mapping[str, PropertyTables], choice: Choice) -> pd.Series:
    """The neurons of a layer that have a page, ascending, each with the reason as text."""
    found: set[int] = set()
    for table in tables.values():
        own = table.neurons
        found |= set(own.loc[(own["layer"] == layer) & own["exclusive"], "neuron"].tolist())
    why = dict.fromkeys(found, "property")
    others = np.setdiff1d(np.arange(width), sorted(found))
    if choice.neurons == "all":
        why |= {int(neuron): "all" for neuron in others}
    else:
        rng = np.random.default_rng([choice.seed, layer])
        why |= {int(n): "random" for n in rng.choice(others, min(choice.random, len(others)), replace=False)}
    return pd.Series(why, dtype="str").sort_index()


def browser_tables(
    shards: Sequence[Shard],
    tables: Mapping[str, PropertyTables],
    weights: Sequence[tuple[np.ndarray, np.ndarray]],
    sampling: Sampling,
    choice: Choice,
    derived: Sequence[Derived] = (),
) -> tuple[pd.DataFrame, pd.DataFrame, Speech]:
    """Both tables, and the speech that the examples lie in. Neurons without a page have no examples.

    Memory: the values of one layer.

    Args:
        shards: all of a corpus, in one order.
        weights: of `neighbours.feed_forward_weights`, for each site.
        derived: models made of this one.

    Raises:
        StoreError: stores of different models or corpora.
        CountingError: ranks and frames do not belong together, or ranks of middle frames alone were kept.
    """
    counts = next(iter(tables.values())).counts
    _check(shards, tables)
    layouts = {
        name: table.property_.lay_out([shard.frames_of(name) for shard in shards]) for name, table in tables.items()
    }
    speech = read_speech(shards, layouts)
    clusters = clusters_of(
        [shard.frames.columns["speaker"][index] for shard in shards for index in np.flatnonzero(shard.frames.kept)]
    )
    phones = speech.inventory.phones
    counted = [counted_frames(shard.frames, shard.ranks, sampling, clusters) for shard in shards]
    n_clusters = max(clusters.values(), default=0) + 1
    n = sum(np.bincount(frames.cell, minlength=n_clusters * len(phones)) for frames in counted)
    n_onset = sum(np.bincount(frames.onset_cell, minlength=len(phones) * len(LAGS)) for frames in counted)
    neurons, examples = [], []
    for site in progress(range(len(counts.sites)), what="looking at neurons", unit="layer"):
        width, tau = counts.sites[site].width, counts.tau[site]
        chosen = chosen_neurons(site + 1, width, tables, choice)
        of_cluster = np.zeros((n_clusters * len(phones), width), np.int64)
        of_onset = np.zeros((len(phones) * len(LAGS), width), np.int64)
        for shard, frames in zip(shards, counted, strict=True):
            ids = shard.ranks.ids(site, tau)
            add_rows(of_cluster, ids, frames.row, frames.cell)
            add_rows(of_onset, ids, frames.onset_row, frames.onset_cell)
        look = _Site(
            site=site,
            neurons=chosen.index.to_numpy(np.int64),
            phone=intervals(of_cluster.reshape(n_clusters, len(phones), width), n.reshape(n_clusters, len(phones), 1)),
            enough=enough_frames(n.reshape(n_clusters, -1).sum(axis=0), counts.lambda_),
            phones=phones,
            active=of_cluster.sum(axis=0) / max(1, n.sum()),
            course=_ratio(of_onset, n_onset[:, np.newaxis]).reshape(len(phones), len(LAGS), width),
            derived=derived,
        )
        values, ids = speech.values(shards, site), speech.active(shards, site, tau)
        own = look.of_everyone(chosen, tables).merge(
            look.of_chosen(values, ids, speech, tables, weights[site]), how="left", on="neuron", validate="one_to_one"
        )
        for column in _EMPTY_WITHOUT_PAGE:
            own[column] = [value if isinstance(value, list) else [] for value in own[column]]
        neurons.append(own)
        with_page = own[own["chosen"] != NO_PAGE]
        examples.append(look.example_table(values, ids, speech, tables, with_page, choice.seed))
    return pd.concat(neurons, ignore_index=True), pd.concat(examples, ignore_index=True), speech


def _check(shards: Sequence[Shard], tables: Mapping[str, PropertyTables]) -> None:
    counts = next(iter(tables.values())).counts
    for shard in shards:
        for store in (shard.ranks, shard.values):
            if store.model != counts.model or (store.sites and store.sites != counts.sites):
                raise StoreError(
                    f"{store.name}: expected the neurons of {counts.model}, as counted, found those of {store.model}; "
                    "give the stores of one model"
                )
    for table in tables.values():
        if (table.counts.model, table.counts.corpus) != (counts.model, counts.corpus):
            raise StoreError(
                f"expected counts of {counts.model} on {counts.corpus}, found those of {table.counts.model} on "
                f"{table.counts.corpus}; give the counts of one model on one corpus"
            )


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return numerator / denominator


@dataclass(frozen=True)
class _Site:
    """One layer.

    neurons: int64 [chosen]. phone: estimate, low and high, float64 [phones, width]. enough: bool [phones], those with
    frames enough. phones: their names. active: float64 [width].
    course: float64 [phones, lags, width]. derived: models made of this one.
    """

    site: int
    neurons: np.ndarray
    phone: tuple[np.ndarray, np.ndarray, np.ndarray]
    enough: np.ndarray
    phones: Sequence[str]
    active: np.ndarray
    course: np.ndarray
    derived: Sequence[Derived]

    def of_everyone(self, chosen: pd.Series, tables: Mapping[str, PropertyTables]) -> pd.DataFrame:
        """The columns that every neuron of the layer has, one row a neuron."""
        counts = next(iter(tables.values())).counts
        site = counts.sites[self.site]
        everyone = np.arange(site.width)
        estimate, low, high = (part.T for part in self.phone)
        sets = self._sets(tables, everyone)
        return pd.DataFrame(
            {
                "layer": self.site + 1,
                "site": site.name,
                "neuron": everyone,
                "width": site.width,
                "chosen": chosen.reindex(everyone, fill_value=NO_PAGE).to_numpy(),
                "active": self.active,
                "p_phone": list(estimate),
                "p_low": list(low),
                "p_high": list(high),
                "phone": [self.phones[one] for one in most_probable(estimate, self.enough)[:, 0]],
                "sets": [sets[int(neuron)] for neuron in everyone],
                "derived": [[one.fate(self.site, int(neuron)) for one in self.derived] for neuron in everyone],
            }
        )

    def of_chosen(
        self,
        values: np.ndarray,
        ids: np.ndarray,
        speech: Speech,
        tables: Mapping[str, PropertyTables],
        weights: tuple[np.ndarray, np.ndarray],
    ) -> pd.DataFrame:
        """The further columns of neurons that have a page."""
        counts = next(iter(tables.values())).counts
        site = counts.sites[self.site]
        values = values[:, self.neurons]
        groups, panels = self._groups(values, speech, tables)
        likeness = [coactive(ids, site.width, self.neurons)]
        likeness += [cosines(weight, self.neurons) for weight in weights]
        near = [_pairs(*nearest(matrix, self.neurons)) for matrix in likeness]
        estimate = self.phone[0][:, self.neurons].T
        best = most_probable(estimate, self.enough)[:, :_COURSES]
        return pd.DataFrame(
            {
                "neuron": self.neurons,
                "groups": groups,
                "panels": panels,
                "least": values.min(axis=0).astype(np.float64),
                "largest": values.max(axis=0).astype(np.float64),
                "course": [
                    [{"phone": self.phones[phone], "p": self.course[phone, :, neuron].tolist()} for phone in phones]
                    for neuron, phones in zip(self.neurons, best, strict=True)
                ],
                "coactive": near[0],
                "similar_in": near[1],
                "similar_out": near[2],
            }
        )

    def _sets(self, tables: Mapping[str, PropertyTables], neurons: np.ndarray) -> dict[int, list[dict[str, Any]]]:
        found: dict[int, list[dict[str, Any]]] = {int(neuron): [] for neuron in neurons}
        for name, table in tables.items():
            own = table.neurons[table.neurons["layer"] == self.site + 1]
            for row in own.drop(columns=["layer", "site", "width"]).to_dict("records"):
                neuron = int(row.pop("neuron"))
                if neuron in found:
                    found[neuron].append({"property": name, **row})
        return found

    def _groups(
        self, values: np.ndarray, speech: Speech, tables: Mapping[str, PropertyTables]
    ) -> tuple[list[list[dict[str, Any]]], list[list[dict[str, Any]]]]:
        groups: list[list[dict[str, Any]]] = [[] for _ in self.neurons]
        panels: list[list[dict[str, Any]]] = [[] for _ in self.neurons]
        phones = speech.inventory.phones
        for name, table in tables.items():
            counts = table.counts
            n_groups = len(counts.groups)
            of_cell, n_cell = counts.phone_cell_groups, counts.phone_cell_n
            of_site = counts.phone_cell_counts(self.site)[:, self.neurons]
            n = np.bincount(of_cell, n_cell, n_groups).astype(np.int64)
            active = np.zeros((n_groups, len(self.neurons)))
            np.add.at(active, of_cell, of_site)
            p = _ratio(active, n[:, np.newaxis])
            summary = summarise(values, speech.group[name], n_groups) if n_groups <= MOST_GROUPS_SHOWN else None
            for index, group in enumerate(counts.groups):
                for neuron in range(len(self.neurons)):
                    row = {"property": name, "group": group, "n": int(n[index]), "p": float(p[index, neuron])}
                    row |= {"mean": np.nan, "above": np.nan, "histogram": []}
                    if summary is not None:
                        row["mean"] = float(summary.mean[index, neuron])
                        row["above"] = float(summary.above[index, neuron])
                        row["histogram"] = summary.histogram[index, neuron].tolist()
                    groups[neuron].append(row)
            labels = [counts.cells[cell][1] for cell in counts.phone_cells]
            if n_groups > MOST_PANELS or len(set(labels)) == len(labels) or ANY in labels:
                continue
            by_phone = _ratio(of_site, n_cell[:, np.newaxis])
            place = np.array([phones.index(label) for label in labels])
            for index, group in enumerate(counts.groups):
                full = np.full((len(phones), len(self.neurons)), np.nan)
                full[place[of_cell == index]] = by_phone[of_cell == index]
                for neuron in range(len(self.neurons)):
                    panels[neuron].append({"property": name, "group": group, "p": full[:, neuron].tolist()})
        return groups, panels

    def example_table(
        self,
        values: np.ndarray,
        ids: np.ndarray,
        speech: Speech,
        tables: Mapping[str, PropertyTables],
        neurons: pd.DataFrame,
        seed: int,
    ) -> pd.DataFrame:
        # Frames by neuron, ascending.
        order = np.argsort(ids.ravel(), kind="stable")
        bounds = np.searchsorted(ids.ravel()[order], np.arange(values.shape[1] + 1))
        frame_of = order // ids.shape[1]
        numbers = {
            (name, group): index for name, table in tables.items() for index, group in enumerate(table.counts.groups)
        }
        rows: list[dict[str, Any]] = []
        for record in neurons[["neuron", "sets", "phone"]].to_dict("records"):
            neuron = record["neuron"]
            column = values[:, neuron].astype(np.float32)
            active = frame_of[bounds[neuron] : bounds[neuron + 1]]
            groups = [
                speech.group[one["property"]] == numbers[one["property"], one["group"]]
                for one in record["sets"]
                if one["exclusive"] and one["property"] in speech.group
            ]
            right = reacted_to(speech.label, self.phones.index(record["phone"]), groups)
            rng = np.random.default_rng([seed, self.site, neuron])
            for kind, frame in choose_examples(column, active, right, speech.utterance, speech.speaker, rng):
                rows.append({"neuron": neuron, "kind": kind, **_example(speech, column, frame)})
        table = pd.DataFrame(rows, columns=_EXAMPLE_FIELDS)
        table.insert(0, "layer", self.site + 1)
        return table


_EXAMPLE_FIELDS = ["neuron", "kind", "utterance", "speaker", "gender", "frame", "time", "phone", "f0", "value", "curve"]


def _example(speech: Speech, column: np.ndarray, frame: int) -> dict[str, Any]:
    utterance = int(speech.utterance[frame])
    first, last = int(speech.offset[utterance]), int(speech.offset[utterance + 1])
    around = np.arange(frame - N_CURVE, frame + N_CURVE + 1)
    curve = np.full(len(around), np.nan, np.float32)
    inside = (around >= first) & (around < last)
    curve[inside] = column[around[inside]]
    return {**speech.moment(frame), "value": float(column[frame]), "curve": curve}


def _pairs(neurons: np.ndarray, likeness: np.ndarray) -> list[list[dict[str, Any]]]:
    return [
        [{"neuron": int(n), "likeness": float(value)} for n, value in zip(own, values, strict=True)]
        for own, values in zip(neurons, likeness, strict=True)
    ]
