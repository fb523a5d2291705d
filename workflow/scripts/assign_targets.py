"""Write the targets of one shard."""

import torch

from property_neurons.codebooks.codebook import read_codebook
from property_neurons.jobs.devices import job_device
from property_neurons.jobs.log import job_log
from property_neurons.pretraining.assign_targets import write_targets
from property_neurons.pretraining.log_mel_store import open_log_mel
from property_neurons.pretraining.represent import load_represent

with job_log(snakemake):
    torch.set_num_threads(snakemake.threads)
    device = job_device(snakemake.config.get("device", "auto"), snakemake.resources)
    represent = load_represent(
        snakemake.input.statistics,
        snakemake.input.model or None,
        layer=snakemake.params.layer,
        centred=snakemake.params.centred,
        device=device,
    )
    codebook = read_codebook(snakemake.input.codebook)
    write_targets(snakemake.output.store, open_log_mel(snakemake.input.log_mel), represent, codebook, device)
