"""Count the activations of one model on one corpus for one property by speaker, utterance or run."""

from property_neurons.counting.job import counting_arguments
from property_neurons.counting.unit_counts import count_units
from property_neurons.jobs.log import job_log

with job_log(snakemake) as log:
    counts = count_units(**counting_arguments(snakemake))
    log.info("%s varies by %s: %d rows of a unit and a phone", counts.property_name, counts.level, len(counts.n))
