"""The stores that the tables of the browser are made of."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from property_neurons.activations.store import open_activations
from property_neurons.browser.derived import Derived, read_derived
from property_neurons.browser.speech import Shard
from property_neurons.browser.tables import PropertyTables
from property_neurons.corpus.frame_store import open_frames
from property_neurons.corpus.frame_values import open_frame_files, open_values
from property_neurons.corpus.gate import let_through
from property_neurons.counting.count_store import open_counts
from property_neurons.counting.job import OwnColumns, frame_files
from property_neurons.counting.properties import make_property
from property_neurons.ranks.store import open_ranks
from property_neurons.stores.files import read_table
from property_neurons.stores.manifests import read_manifest, store_path


def open_shards(job: Any) -> list[Shard]:
    """The stores of every shard, from the `snakemake` object of a script."""
    columns, keep = OwnColumns.read(job.input.columns), let_through(job.input.checked)
    with_columns = frame_files(job.input.frames, columns=columns)
    shards = []
    for number, stores in enumerate(zip(with_columns, job.input.ranks, job.input.activations, strict=True)):
        frames = open_frames(stores[0].store, keep)
        ranks, activations = open_ranks(store_path(stores[1])), open_activations(store_path(stores[2]))
        of_values = zip(job.params.with_values, job.input.values[number :: len(with_columns)], strict=True)
        of_property = {
            name: replace(frames, values=open_values(store_path(path), frames.utterances, frames.offset))
            for name, path in of_values
        }
        if job.params.with_columns:
            # Utterances whose entries contradict each other are left out of these properties alone, as in counting.
            own = open_frame_files(stores[0], columns.kept(keep))
            of_property |= dict.fromkeys(job.params.with_columns, own)
        shards.append(Shard(frames, ranks, activations, of_property))
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
