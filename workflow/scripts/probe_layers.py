"""Probe the layers of one model on one corpus."""

from threadpoolctl import threadpool_limits

from property_neurons.jobs.log import job_log
from property_neurons.probing.probe import probe_representations
from property_neurons.stores.files import write_table

with job_log(snakemake, took_hours=True), threadpool_limits(snakemake.threads):
    table = probe_representations(
        snakemake.input.layers,
        model=snakemake.wildcards.model,
        clusters=snakemake.params.clusters,
        seed=snakemake.params.seed,
    )
    write_table(snakemake.output.table, table)
