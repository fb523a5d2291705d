"""Fit the centroids of clusters of one corpus."""

from functools import partial

import torch
from threadpoolctl import threadpool_limits

from property_neurons.clustering.codebook import fit_on_corpus, write_codebook
from property_neurons.clustering.job import kept_frames
from property_neurons.clustering.points import points_of, represent_of
from property_neurons.corpus.recordings import recordings_of
from property_neurons.corpus.shards import read_shard_list
from property_neurons.jobs.log import job_log

with job_log(snakemake), threadpool_limits(snakemake.threads):
    torch.set_num_threads(snakemake.threads)
    settings, root = snakemake.params.clusters, snakemake.params.root
    codebook = fit_on_corpus(
        kept_frames(snakemake),
        [recordings_of(read_shard_list(shard), root) for shard in snakemake.input.shards],
        partial(points_of, represent=represent_of(snakemake, settings["layer"]), of=settings["of"]),
        hours=settings["fit_hours"],
        clusters=settings["clusters"],
        seed=settings["seed"],
        standardise=settings["layer"] is None,
    )
    write_codebook(snakemake.output.codebook, codebook)
