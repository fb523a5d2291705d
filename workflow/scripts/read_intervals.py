"""Write the intervals that the frames of one shard lie in, for one property."""

from pathlib import Path

from property_neurons.corpus.frame_intervals import write_intervals
from property_neurons.jobs.log import job_log
from property_neurons.stores.files import read_table
from property_neurons.stores.manifests import store_path, verify_files

with job_log(snakemake):
    tables = Path(snakemake.input.tables).parent
    verify_files(tables, snakemake.input.tables)
    write_intervals(
        snakemake.output.store,
        source=snakemake.params.source,
        frame_store=store_path(snakemake.input.frames),
        utterances=read_table(tables / "utterances.parquet", ["utterance", "transcript"]),
    )
