"""Find the group and property neurons of one property."""

from property_neurons.counting.balance import BalancedCells
from property_neurons.counting.count_store import open_counts
from property_neurons.counting.unit_count_store import open_unit_counts
from property_neurons.jobs.log import job_log
from property_neurons.neurons.cells import cell_table, too_little_speech
from property_neurons.neurons.definition import SetDefinition
from property_neurons.neurons.groups import layer_summary, neuron_table
from property_neurons.neurons.statistics.report import neuron_statistics, with_statistics
from property_neurons.stores.files import write_table
from property_neurons.stores.manifests import read_manifest, store_path

with job_log(snakemake) as log:
    counts = open_counts(store_path(snakemake.input.counts))
    units = open_unit_counts(store_path(snakemake.input.units))
    params, definition = snakemake.params, SetDefinition(**snakemake.params.definition)
    # Counted in two ways, which `with_statistics` holds against each other.
    found = BalancedCells(units, params.statistics["seed"]) if params.balance else counts
    statistics = neuron_statistics(units, definition, **params.statistics, balance=params.balance)
    table = with_statistics(neuron_table(found, definition), statistics, params.fdr)
    table.attrs = {
        "model": counts.model,
        "model_digest": read_manifest(snakemake.input.model)["digest"],
        "corpus": counts.corpus,
        "property": counts.property_name,
        "sigma": definition.sigma,
    }
    write_table(snakemake.output.neurons, table)
    write_table(snakemake.output.summary, layer_summary(table, found))
    write_table(snakemake.output.null, statistics.null)
    write_table(snakemake.output.stability, statistics.stability)
    cells = cell_table(counts, found.phone_cell_n)
    if params.balance:
        write_table(snakemake.output.cells, cells)
    where, min_count = f"{counts.property_name} on {counts.corpus}", definition.min_count
    if warning := too_little_speech(cells, where, lambda_=counts.lambda_, min_count=min_count):
        log.info(warning)
