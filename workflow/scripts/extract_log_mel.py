"""Write the log-Mel frames of one shard."""

from pathlib import Path

from property_neurons.cache.keys import log_mel_result
from property_neurons.cache.take_or_make import take_or_make
from property_neurons.corpus.recordings import recordings_of
from property_neurons.corpus.shards import read_shard_list
from property_neurons.jobs.log import job_log
from property_neurons.pretraining.log_mel import write_log_mel
from property_neurons.stores.files import read_table
from property_neurons.stores.manifests import verify_files

with job_log(snakemake) as log:
    tables, params = Path(snakemake.input.tables).parent, snakemake.params
    verify_files(tables, snakemake.input.tables)
    speaker = read_table(tables / "utterances.parquet", ["utterance", "speaker"]).set_index("utterance")["speaker"]
    duplicates, listed = read_table(snakemake.input.duplicates), read_shard_list(snakemake.input.shard)
    again = duplicates.loc[duplicates["subset"] == tables.name, "utterance"]
    listed = listed[~listed["utterance"].isin(again)]
    speakers = listed["utterance"].map(speaker).tolist()
    to = snakemake.output.folder, snakemake.output.manifest
    script = Path(snakemake.scriptdir) / "extract_log_mel.py"
    take_or_make(
        None,
        lambda: log_mel_result(
            *to,
            shard_list=listed,
            speakers=speakers,
            root=params.root,
            coded=params.coded,
            code=params.code,
            script=script,
        ),
        lambda: write_log_mel(*to, recordings_of(listed, params.root), speakers, coded=params.coded),
        log,
        code=params.code,
        before="replaced",
    )
