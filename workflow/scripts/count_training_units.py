"""The same counts as of count_training.py, by speaker, utterance or run."""

from property_neurons import plan
from property_neurons.cache.counts import take_back_or_count
from property_neurons.counting.job import counting_arguments
from property_neurons.counting.unit_counts import count_units
from property_neurons.jobs.log import job_log
from property_neurons.tasks.trained_utterances import trained_utterances

with job_log(snakemake) as log:
    keep = trained_utterances(snakemake.input.data)
    where = plan.erasure.training_part(snakemake.wildcards.task)
    arguments = counting_arguments(snakemake, keep=keep, corpus=where)
    take_back_or_count(snakemake, "count_training_units.py", lambda: count_units(**arguments), log)
