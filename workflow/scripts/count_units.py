"""Count the activations of one model on one corpus for one property by speaker, utterance or run."""

from property_neurons.cache.counts import take_back_or_count
from property_neurons.counting.job import counting_arguments
from property_neurons.counting.unit_count_store import open_unit_counts
from property_neurons.counting.unit_counts import count_units
from property_neurons.jobs.log import job_log

with job_log(snakemake) as log:
    arguments = counting_arguments(snakemake)
    take_back_or_count(snakemake, "count_units.py", lambda: count_units(**arguments), log)
    counts = open_unit_counts(snakemake.output.store)
    log.info("%s varies by %s: %d rows of a unit and a phone", counts.property_name, counts.level, len(counts.n))
