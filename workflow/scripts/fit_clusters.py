"""Fit the centroids of clusters of one corpus."""

from threadpoolctl import threadpool_limits

from property_neurons.codebooks.codebook import write_codebook
from property_neurons.codebooks.kmeans import fit_codebook
from property_neurons.codebooks.sample import open_points
from property_neurons.jobs.log import job_log

with job_log(snakemake), threadpool_limits(snakemake.threads):
    points, speakers = open_points(snakemake.input.points)
    codebook = fit_codebook(points, **snakemake.params.clusters, speakers=speakers)
    write_codebook(snakemake.output.codebook, codebook)
