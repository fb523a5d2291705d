"""The stores that the tables of the browser are made of."""

from collections.abc import Mapping
from typing import Any

from property_neurons.activations.store import open_activations
from property_neurons.browser.derived import Derived, read_derived
from property_neurons.browser.speech import Shard
from property_neurons.browser.tables import PropertyTables
from property_neurons.browser.utterances import kept_utterances
from property_neurons.corpus.frame_store import open_frames
from property_neurons.counting.count_store import open_counts
from property_neurons.counting.properties import make_property
from property_neurons.ranks.store import open_ranks
from property_neurons.stores.files import read_table
from property_neurons.stores.manifests import read_manifest, store_path


def open_shards(job: Any) -> list[Shard]:
    """The stores of every shard, from the `snakemake` object of a script."""
    kept = kept_utterances(job.input.checked)
    keep = set(zip(kept["subset"], kept["utterance"], strict=True))
    shards = []
    for manifest, ranks, values in zip(job.input.frames, job.input.ranks, job.input.activations, strict=True):
        frames = open_frames(store_path(manifest), keep)
        shards.append(Shard(frames, open_ranks(store_path(ranks)), open_activations(store_path(values))))
    return shards


def open_derived(job: Any, properties: Mapping[str, PropertyTables]) -> list[Derived]:
    """What became of the neurons in models made of this one, from the `snakemake` object of a script."""
    widths = [site.width for site in next(iter(properties.values())).counts.sites]
    digest = read_manifest(job.input.model)["digest"]
    return [read_derived(manifest, widths, digest) for manifest in job.input.derived]


def open_properties(job: Any) -> dict[str, PropertyTables]:
    """Definition, counts and neurons of every property, from the `snakemake` object of a script."""
    settings: Mapping[str, dict[str, Any]] = job.params.properties
    inputs = zip(settings.items(), job.input.counts, job.input.neurons, strict=True)
    return {
        name: PropertyTables(make_property(name, **given), open_counts(store_path(counts)), read_table(neurons))
        for (name, given), counts, neurons in inputs
    }
