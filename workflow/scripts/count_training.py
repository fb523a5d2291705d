"""Count the activations of one fine-tuned model on the utterances it was trained on, for one property."""

from property_neurons import plan
from property_neurons.cache.counts import take_back_or_count
from property_neurons.counting.count import count_activations
from property_neurons.counting.job import counting_arguments
from property_neurons.jobs.log import job_log
from property_neurons.tasks.trained_utterances import trained_utterances

with job_log(snakemake) as log:
    keep = trained_utterances(snakemake.input.data)
    where = plan.erasure.training_part(snakemake.wildcards.task)
    arguments = counting_arguments(snakemake, keep=keep, corpus=where)
    take_back_or_count(snakemake, "count_training.py", lambda: count_activations(**arguments), log)
