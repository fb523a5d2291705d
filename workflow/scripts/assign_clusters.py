"""Write the clusters of one shard."""

import torch
from threadpoolctl import threadpool_limits

from property_neurons.clustering.assign import write_clusters, write_speakers_clusters
from property_neurons.clustering.points import points_of, represent_of, utterances_of
from property_neurons.codebooks.codebook import read_codebook
from property_neurons.corpus.frame_store import open_frames
from property_neurons.corpus.recordings import recordings_of
from property_neurons.corpus.shards import read_shard_list
from property_neurons.jobs.log import job_log
from property_neurons.stores.manifests import store_path

with job_log(snakemake), threadpool_limits(snakemake.threads):
    torch.set_num_threads(snakemake.threads)
    params, store = snakemake.params, snakemake.output.store
    frames = open_frames(store_path(snakemake.input.frames))
    codebook = read_codebook(snakemake.input.codebook)
    if params.of == "speakers":
        write_speakers_clusters(store, frames, codebook)
    else:
        utterances = utterances_of(frames, recordings_of(read_shard_list(snakemake.input.shard), params.root))
        points = points_of(utterances, represent_of(snakemake, params.layer), params.of)
        write_clusters(store, frames, points, codebook, params.of)
