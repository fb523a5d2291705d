"""Fit the codebook of one stage."""

import torch
from threadpoolctl import threadpool_limits

from property_neurons.jobs.log import job_log
from property_neurons.pretraining.codebook import write_codebook
from property_neurons.pretraining.fit_targets import fit_codebook
from property_neurons.pretraining.log_mel_store import open_log_mel
from property_neurons.pretraining.represent import load_represent
from property_neurons.pretraining.sampled_frames import open_sample, sample_frames

with job_log(snakemake, took_hours=True), threadpool_limits(snakemake.threads):
    torch.set_num_threads(snakemake.threads)
    targets, seed = snakemake.params.targets, snakemake.params.seed
    if snakemake.input.sample:
        frames, frame_ms = open_sample(snakemake.input.sample)
    else:
        represent = load_represent(snakemake.input.statistics, None, layer=None, centred=targets["centred"])
        shards = [open_log_mel(manifest) for manifest in snakemake.input.log_mel]
        frames, frame_ms = sample_frames(shards, represent, hours=targets["fit_hours"], seed=seed), represent.frame_ms
    centroids = fit_codebook(frames, clusters=targets["clusters"], seed=seed)
    write_codebook(snakemake.output.codebook, centroids, frame_ms)
