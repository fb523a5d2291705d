"""Count the activations of one model on one corpus for one property."""

from property_neurons.cache.counts import take_back_or_count
from property_neurons.counting.count import count_activations
from property_neurons.counting.count_store import open_counts
from property_neurons.counting.job import counting_arguments
from property_neurons.jobs.log import job_log
from property_neurons.neurons.cells import cell_table
from property_neurons.stores.files import write_table

with job_log(snakemake) as log:
    arguments = counting_arguments(snakemake)
    take_back_or_count(snakemake, "count_activations.py", lambda: count_activations(**arguments), log)
    counts = open_counts(snakemake.output.store)
    write_table(snakemake.output.cells, cell_table(counts))
    log.info(
        "%s: %d frames counted, %d without a frame of the model; rows tied at rank tau, by layer: %s",
        counts.property_name,
        counts.n.sum(),
        counts.unranked,
        ", ".join(map(str, counts.ties)),
    )
