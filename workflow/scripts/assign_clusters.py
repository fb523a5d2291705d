"""Write the clusters of one shard."""

import torch
from threadpoolctl import threadpool_limits

from property_neurons.clustering.assign import write_clusters
from property_neurons.clustering.codebook import read_codebook
from property_neurons.clustering.job import kept_frames
from property_neurons.clustering.points import points_of, represent_of
from property_neurons.corpus.recordings import recordings_of
from property_neurons.corpus.shards import read_shard_list
from property_neurons.jobs.log import job_log

with job_log(snakemake), threadpool_limits(snakemake.threads):
    torch.set_num_threads(snakemake.threads)
    params = snakemake.params
    (frames,) = kept_frames(snakemake)
    represent = represent_of(snakemake, params.layer)
    points = points_of(frames, recordings_of(read_shard_list(snakemake.input.shard), params.root), represent, params.of)
    write_clusters(snakemake.output.store, frames, points, read_codebook(snakemake.input.codebook), params.of)
