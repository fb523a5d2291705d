"""Look at the neurons found on one corpus in another one's speech."""

from property_neurons.counting.unit_count_store import open_unit_counts
from property_neurons.jobs.log import job_log
from property_neurons.neurons.definition import SetDefinition
from property_neurons.neurons.statistics.other_corpus import by_layer, on_other_corpus
from property_neurons.stores.files import read_table, write_table
from property_neurons.stores.manifests import store_path

with job_log(snakemake):
    units = open_unit_counts(store_path(snakemake.input.units))
    definition = SetDefinition(**snakemake.params.definition)
    members = on_other_corpus(read_table(snakemake.input.neurons), units, definition)
    write_table(snakemake.output.members, members)
    write_table(snakemake.output.layers, by_layer(members))
