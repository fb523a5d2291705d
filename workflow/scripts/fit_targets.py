"""Fit the codebook of one stage."""

import torch
from threadpoolctl import threadpool_limits

from property_neurons.jobs.devices import job_device
from property_neurons.jobs.log import job_log
from property_neurons.pretraining.codebook import write_codebook
from property_neurons.pretraining.fit_targets import fit_codebook
from property_neurons.pretraining.log_mel_store import open_log_mel
from property_neurons.pretraining.represent import load_represent

with job_log(snakemake, took_hours=True), threadpool_limits(snakemake.threads):
    torch.set_num_threads(snakemake.threads)
    targets = snakemake.params.targets
    represent = load_represent(
        snakemake.input.statistics,
        snakemake.input.model or None,
        layer=targets["layer"],
        centred=targets["centred"],
        device=job_device(snakemake.config.get("device", "auto"), snakemake.resources),
    )
    centroids = fit_codebook(
        [open_log_mel(manifest) for manifest in snakemake.input.log_mel],
        represent,
        clusters=targets["clusters"],
        hours=targets["fit_hours"],
        seed=snakemake.params.seed,
    )
    write_codebook(snakemake.output.codebook, centroids, represent.frame_ms)
