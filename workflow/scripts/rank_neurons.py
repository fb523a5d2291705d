"""Rank the neurons of one model on one shard, or take the ranks from the cache."""

from pathlib import Path

from property_neurons.cache.keys import ranks_result
from property_neurons.cache.take_or_make import take_or_make
from property_neurons.config.load import load_config
from property_neurons.corpus.shards import read_shard_list
from property_neurons.counting.sampling import middle_frames_of
from property_neurons.jobs.devices import decoders, job_device
from property_neurons.jobs.log import job_log
from property_neurons.ranks.batching import seconds_at_once
from property_neurons.stores.manifests import described_folder, store_path


def rank() -> None:
    """Run the model; its slow imports are not needed where the ranks are taken."""
    import torch

    from property_neurons.corpus.recordings import recordings_of
    from property_neurons.models.loading import load_encoder
    from property_neurons.ranks.extraction import extract_ranks

    torch.set_num_threads(snakemake.threads)
    encoder = load_encoder(described_folder(model), manifest=model, device=device)
    threads = decoders(device, snakemake.resources)
    extract_ranks(encoder, recordings_of(shard_list, params.root), snakemake.output.store, decoders=threads, **settings)


with job_log(snakemake) as log:
    params, model = snakemake.params, snakemake.input.model
    config = load_config(snakemake.config)
    device = job_device(config.device, snakemake.resources)
    shard_list = read_shard_list(snakemake.input.shard)
    middle = params.frames == "segment_mid"
    settings = {
        "model": snakemake.wildcards.model,
        "lambda_max": params.lambda_max,
        "batch_seconds": seconds_at_once(config.ranks.batch_seconds, device),
        "middle_frames": (
            middle_frames_of(store_path(snakemake.input.frames[0]), params.equal_neighbours) if middle else None
        ),
    }
    job = {
        "device": device,
        "threads": snakemake.threads,
        "code": params.code,
        "script": Path(snakemake.scriptdir) / "rank_neurons.py",
    }
    take_or_make(
        config.cache,
        lambda: ranks_result(snakemake.output.store, model, shard_list, params.root, **settings, **job),
        rank,
        log,
        code=params.code,
    )
