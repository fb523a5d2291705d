"""Fit the codebook of one stage."""

import torch
from threadpoolctl import threadpool_limits

from property_neurons.codebooks.codebook import write_codebook
from property_neurons.codebooks.kmeans import fit_codebook
from property_neurons.codebooks.sample import gather, open_points
from property_neurons.jobs.log import job_log
from property_neurons.pretraining.log_mel_store import open_log_mel
from property_neurons.pretraining.represent import load_represent
from property_neurons.pretraining.sampled_frames import sample_frames

with job_log(snakemake, took_hours=True), threadpool_limits(snakemake.threads):
    torch.set_num_threads(snakemake.threads)
    targets, seed = snakemake.params.targets, snakemake.params.seed
    if snakemake.input.sample:
        frames, _ = open_points(snakemake.input.sample)
    else:
        represent = load_represent(snakemake.input.statistics, None, layer=None, centred=targets["centred"])
        shards = [open_log_mel(manifest) for manifest in snakemake.input.log_mel]
        frames = gather(*sample_frames(shards, represent, hours=targets["fit_hours"], seed=seed))
    write_codebook(snakemake.output.codebook, fit_codebook(frames, clusters=targets["clusters"], seed=seed))
