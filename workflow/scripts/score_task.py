"""Write the metric of one training of a task."""

from property_neurons.jobs.log import job_log
from property_neurons.stores.files import write_json
from property_neurons.tasks.metrics import score_training

with job_log(snakemake):
    write_json(snakemake.output.metrics, score_training(snakemake.input.training, snakemake.input.data))
