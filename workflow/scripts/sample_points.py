"""Store the points of one corpus that clusters are fitted on."""

import torch
from threadpoolctl import threadpool_limits

from property_neurons.clustering.points import represent_of
from property_neurons.clustering.sampled_points import sample_points
from property_neurons.codebooks.sample import write_points
from property_neurons.corpus.frame_store import open_frames
from property_neurons.corpus.gate import let_through
from property_neurons.corpus.recordings import recordings_of
from property_neurons.corpus.shards import read_shard_list
from property_neurons.jobs.log import job_log
from property_neurons.stores.manifests import store_path

with job_log(snakemake), threadpool_limits(snakemake.threads):
    torch.set_num_threads(snakemake.threads)
    params, keep = snakemake.params, let_through(snakemake.input.checked)
    sampled = sample_points(
        [open_frames(store_path(manifest), keep) for manifest in snakemake.input.frames],
        [recordings_of(read_shard_list(shard), params.root) for shard in snakemake.input.shards],
        represent_of(snakemake, params.layer),
        of=params.of,
        hours=params.hours,
        seed=params.seed,
    )
    write_points(snakemake.output.folder, sampled.points, sampled.most, sampled.speakers)
