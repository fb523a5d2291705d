"""Count the activations of one fine-tuned model on the utterances it was trained on, for one property."""

from property_neurons import plan
from property_neurons.counting.count import count_activations
from property_neurons.counting.job import counting_arguments
from property_neurons.jobs.log import job_log
from property_neurons.tasks.table import read_task_data

with job_log(snakemake):
    trained_on = read_task_data(snakemake.input.data).part("train")
    keep = set(zip(trained_on["subset"], trained_on["utterance"], strict=True))
    where = plan.erasure.training_part(snakemake.wildcards.task)
    count_activations(**counting_arguments(snakemake, keep=keep, corpus=where))
