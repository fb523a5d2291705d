"""Count the activations of one model on one corpus for one property."""

from property_neurons.counting.count import count_activations
from property_neurons.counting.job import counting_arguments
from property_neurons.jobs.log import job_log
from property_neurons.neurons.cells import cell_table
from property_neurons.stores.files import write_table

with job_log(snakemake) as log:
    counts = count_activations(**counting_arguments(snakemake))
    write_table(snakemake.output.cells, cell_table(counts))
    log.info(
        "%s: %d frames counted, %d without a frame of the model; rows tied at rank tau, by layer: %s",
        counts.property_name,
        counts.n.sum(),
        counts.unranked,
        ", ".join(map(str, counts.ties)),
    )
