"""Store the frames of one model on one corpus whose layers are probed."""

from pathlib import Path

import torch
from threadpoolctl import threadpool_limits

from property_neurons.corpus.gate import let_through
from property_neurons.corpus.recordings import recordings_of
from property_neurons.corpus.shards import read_shard_list
from property_neurons.jobs.devices import decoders, job_device
from property_neurons.jobs.log import job_log
from property_neurons.models.loading import load_encoder
from property_neurons.probing.frames import draw_frames
from property_neurons.probing.representations import write_representations
from property_neurons.stores.manifests import store_path

with job_log(snakemake), threadpool_limits(snakemake.threads):
    torch.set_num_threads(snakemake.threads)
    params, manifest = snakemake.params, Path(snakemake.input.model)
    keep = let_through(snakemake.input.checked)
    device = job_device(snakemake.config.get("device", "auto"), snakemake.resources)
    encoder = load_encoder(manifest.with_name(snakemake.wildcards.model), manifest=manifest, device=device)
    recordings = [recordings_of(read_shard_list(shard), params.root) for shard in snakemake.input.shards]
    frames = draw_frames(
        list(zip(recordings, map(store_path, snakemake.input.frames), strict=True)),
        max_frames=params.max_frames,
        seed=params.seed,
        keep=keep,
    )
    threads = decoders(device, snakemake.resources)
    write_representations(snakemake.output.folder, encoder, frames, decoders=threads)
