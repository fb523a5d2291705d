"""Embed the activation patterns of one property in the plane."""

from property_neurons.counting.count_store import open_counts
from property_neurons.jobs.log import job_log
from property_neurons.neurons.definition import SetDefinition
from property_neurons.neurons.embedding import embedding_tables
from property_neurons.stores.files import write_table
from property_neurons.stores.manifests import store_path

with job_log(snakemake):
    points, silhouettes = embedding_tables(
        open_counts(store_path(snakemake.input.counts)),
        SetDefinition(**snakemake.params.patterns),
        seeds=snakemake.params.seeds,
    )
    write_table(snakemake.output.points, points)
    write_table(snakemake.output.silhouettes, silhouettes)
