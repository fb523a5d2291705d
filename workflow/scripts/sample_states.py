"""Store the frames of a hidden layer that the codebook of one stage is fitted on."""

import torch

from property_neurons.codebooks.sample import write_points
from property_neurons.jobs.devices import job_device
from property_neurons.jobs.log import job_log
from property_neurons.pretraining.log_mel_store import open_log_mel
from property_neurons.pretraining.represent import load_represent
from property_neurons.pretraining.sampled_frames import sample_frames

with job_log(snakemake):
    torch.set_num_threads(snakemake.threads)
    targets = snakemake.params.targets
    represent = load_represent(
        snakemake.input.statistics,
        snakemake.input.model,
        layer=targets["layer"],
        centred=targets["centred"],
        device=job_device(snakemake.config.get("device", "auto"), snakemake.resources),
    )
    shards = [open_log_mel(manifest) for manifest in snakemake.input.log_mel]
    sampled = sample_frames(shards, represent, hours=targets["fit_hours"], seed=snakemake.params.seed)
    write_points(snakemake.output.folder, *sampled)
