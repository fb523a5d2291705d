"""Find one property's sets again where a confound is the same."""

from property_neurons.counting.unit_count_store import open_unit_counts
from property_neurons.jobs.log import job_log
from property_neurons.neurons.definition import SetDefinition
from property_neurons.neurons.statistics.confounds import confounds
from property_neurons.stores.files import read_table, write_table
from property_neurons.stores.manifests import store_path

with job_log(snakemake) as log:
    params = snakemake.params
    units, neurons = open_unit_counts(store_path(snakemake.input.units)), read_table(snakemake.input.neurons)
    definition = SetDefinition(**params.definition)
    found = confounds(units, definition, neurons, by_strata=params.by_strata, seed=params.seed)
    write_table(snakemake.output.layers, found.layers)
    write_table(snakemake.output.cells, found.cells)
    alone = (found.cells.groupby(["group", "phone"])["weight"].max() == 0).sum()
    log.info("%d cells share no stratum with the other groups; %d strata are rare", alone, found.cells["rare"].sum())
