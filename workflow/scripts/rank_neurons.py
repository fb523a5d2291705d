"""Rank the neurons of one model on one shard."""

from pathlib import Path

import torch

from property_neurons.corpus.audio import read_audio
from property_neurons.corpus.shards import read_shard_list
from property_neurons.devices import job_device
from property_neurons.joblog import job_log
from property_neurons.models.loading import load_encoder
from property_neurons.ranks.extraction import Recording, extract_ranks
from property_neurons.sampling import middle_frames_of
from property_neurons.storage import store_path

with job_log(snakemake.log[0], snakemake.input, snakemake.output):
    torch.set_num_threads(snakemake.threads)
    params, manifest = snakemake.params, Path(snakemake.input.model)
    encoder = load_encoder(
        manifest.with_name(snakemake.wildcards.model),
        manifest=manifest,
        device=job_device(snakemake.config.get("device", "auto"), snakemake.resources),
        normalise=params.normalise,
    )
    shard_list = read_shard_list(snakemake.input.shard)
    extract_ranks(
        encoder,
        [Recording(row.utterance, Path(params.root) / row.audio, row.n_samples) for row in shard_list.itertuples()],
        read_audio,
        snakemake.output.store,
        model=snakemake.wildcards.model,
        lambda_max=params.lambda_max,
        middle_frames=(
            middle_frames_of(store_path(snakemake.input.frames[0]), params.equal_neighbours)
            if params.frames == "segment_mid"
            else None
        ),
    )
