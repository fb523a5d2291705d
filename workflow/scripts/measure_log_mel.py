"""Measure the global statistics of log-Mel bins."""

from property_neurons.jobs.log import job_log
from property_neurons.pretraining.log_mel_statistics import measure_statistics
from property_neurons.pretraining.log_mel_store import open_log_mel, write_statistics

with job_log(snakemake):
    statistics = measure_statistics([open_log_mel(manifest) for manifest in snakemake.input.log_mel])
    write_statistics(snakemake.output.statistics, statistics)
