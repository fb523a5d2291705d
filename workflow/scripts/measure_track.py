"""Measure one track of the frames of one shard."""

from property_neurons.corpus.measure_track import write_track
from property_neurons.corpus.shards import read_shard_list
from property_neurons.jobs.log import job_log
from property_neurons.stores.manifests import store_path

with job_log(snakemake):
    write_track(
        snakemake.output.store,
        track=snakemake.wildcards.track,
        frame_store=store_path(snakemake.input.frames),
        shard_list=read_shard_list(snakemake.input.shard),
        root=snakemake.params.root,
    )
