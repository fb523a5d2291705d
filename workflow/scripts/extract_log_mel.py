"""Write the log-Mel frames of one shard."""

from pathlib import Path

from property_neurons.corpus.recordings import Recording
from property_neurons.corpus.shards import read_shard_list
from property_neurons.jobs.log import job_log
from property_neurons.pretraining.log_mel import write_log_mel

with job_log(snakemake):
    root = Path(snakemake.params.root)
    shard_list = read_shard_list(snakemake.input.shard)
    write_log_mel(
        snakemake.output.folder,
        snakemake.output.manifest,
        [Recording(row.utterance, root / row.audio, row.n_samples) for row in shard_list.itertuples()],
        mp3=snakemake.params.mp3,
    )
