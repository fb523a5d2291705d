"""Tabulate what pruning costs, the seeds of each arm drawn together."""

from property_neurons.jobs.log import job_log
from property_neurons.pruning.report import pruning_table
from property_neurons.stores.files import read_table, write_table

with job_log(snakemake):
    write_table(snakemake.output.table, pruning_table([read_table(path) for path in snakemake.input.runs]))
