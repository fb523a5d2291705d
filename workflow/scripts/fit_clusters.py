"""Fit the centroids of clusters of one corpus."""

from threadpoolctl import threadpool_limits

from property_neurons.clustering.codebook import write_codebook
from property_neurons.clustering.sampled_points import open_points
from property_neurons.jobs.log import job_log
from property_neurons.stores.manifests import store_path

with job_log(snakemake), threadpool_limits(snakemake.threads):
    points = open_points(store_path(snakemake.input.points))
    write_codebook(snakemake.output.codebook, points.fit(**snakemake.params.clusters))
