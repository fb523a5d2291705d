"""Write the log-Mel frames of one shard."""

from pathlib import Path

from property_neurons.corpus.recordings import recordings_of
from property_neurons.corpus.shards import read_shard_list
from property_neurons.jobs.log import job_log
from property_neurons.pretraining.log_mel import write_log_mel
from property_neurons.stores.files import read_table
from property_neurons.stores.manifests import verify_files

with job_log(snakemake):
    tables = Path(snakemake.input.tables).parent
    verify_files(tables, snakemake.input.tables)
    speaker = read_table(tables / "utterances.parquet", ["utterance", "speaker"]).set_index("utterance")["speaker"]
    duplicates, listed = read_table(snakemake.input.duplicates), read_shard_list(snakemake.input.shard)
    again = duplicates.loc[duplicates["subset"] == tables.name, "utterance"]
    listed = listed[~listed["utterance"].isin(again)]
    write_log_mel(
        snakemake.output.folder,
        snakemake.output.manifest,
        recordings_of(listed, snakemake.params.root),
        listed["utterance"].map(speaker).tolist(),
        coded=snakemake.params.coded,
    )
