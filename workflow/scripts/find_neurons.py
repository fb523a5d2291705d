"""Find the group and property neurons of one property."""

from property_neurons.counting.count_store import open_counts
from property_neurons.jobs.log import job_log
from property_neurons.neurons.cells import cell_table, too_little_speech
from property_neurons.neurons.groups import layer_summary, neuron_table
from property_neurons.stores.files import write_table
from property_neurons.stores.manifests import read_manifest, store_path

with job_log(snakemake) as log:
    counts = open_counts(store_path(snakemake.input.counts))
    table = neuron_table(counts, sigma=snakemake.params.sigma, **snakemake.params.patterns)
    table.attrs = {
        "model": counts.model,
        "model_digest": read_manifest(snakemake.input.model)["digest"],
        "corpus": counts.corpus,
        "property": counts.property_name,
        "sigma": snakemake.params.sigma,
    }
    write_table(snakemake.output.neurons, table)
    write_table(snakemake.output.summary, layer_summary(table, counts))
    cells = cell_table(counts)
    write_table(snakemake.output.cells, cells)
    where, min_count = f"{counts.property_name} on {counts.corpus}", snakemake.params.patterns["min_count"]
    if warning := too_little_speech(cells, where, lambda_=counts.lambda_, min_count=min_count):
        log.info(warning)
