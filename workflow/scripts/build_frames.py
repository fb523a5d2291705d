"""Write the frame store of one shard."""

from pathlib import Path

from property_neurons.corpus.build_frames import write_frame_store
from property_neurons.corpus.phone_tables import phone_table
from property_neurons.corpus.pitch_source import pitch_source
from property_neurons.corpus.shards import read_segments, read_shard_list
from property_neurons.jobs.log import job_log
from property_neurons.stores.files import read_table
from property_neurons.stores.manifests import verify_files

with job_log(snakemake):
    tables = Path(snakemake.input.tables).parent
    verify_files(tables, snakemake.input.tables)
    write_frame_store(
        snakemake.output.store,
        shard_list=read_shard_list(snakemake.input.shard),
        segments=read_segments(tables / "segments.parquet", snakemake.wildcards.shard),
        utterances=read_table(tables / "utterances.parquet"),
        root=snakemake.params.root,
        pitch=pitch_source(**snakemake.params.pitch),
        inventory=phone_table(**snakemake.params.phones).inventory,
    )
