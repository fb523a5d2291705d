"""Write the log-Mel frames of one shard."""

from property_neurons.corpus.recordings import recordings_of
from property_neurons.corpus.shards import read_shard_list
from property_neurons.jobs.log import job_log
from property_neurons.pretraining.log_mel import write_log_mel

with job_log(snakemake):
    write_log_mel(
        snakemake.output.folder,
        snakemake.output.manifest,
        recordings_of(read_shard_list(snakemake.input.shard), snakemake.params.root),
        mp3=snakemake.params.mp3,
    )
