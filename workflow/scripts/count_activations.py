"""Count the activations of one model on one corpus for one property."""

from property_neurons.counting.count import count_activations
from property_neurons.counting.job import counting_arguments
from property_neurons.jobs.log import job_log

with job_log(snakemake) as log:
    counts = count_activations(**counting_arguments(snakemake))
    log.info(
        "%s: %d frames counted, %d without a frame of the model; rows tied at rank tau, by layer: %s",
        counts.property_name,
        counts.n.sum(),
        counts.unranked,
        ", ".join(map(str, counts.ties)),
    )
