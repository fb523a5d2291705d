"""Write the frame store of one shard."""

from pathlib import Path

from property_neurons.cache.keys import frames_result
from property_neurons.cache.take_or_make import take_or_make
from property_neurons.cache.tracks import kept_tracks
from property_neurons.corpus.build_frames import write_frame_store
from property_neurons.corpus.phone_tables import phone_table
from property_neurons.corpus.pitch_source import pitch_source
from property_neurons.corpus.shards import read_segments, read_shard_list
from property_neurons.jobs.log import job_log
from property_neurons.stores.files import read_table
from property_neurons.stores.manifests import verify_files

with job_log(snakemake) as log:
    tables, params, store = Path(snakemake.input.tables).parent, snakemake.params, snakemake.output.store
    verify_files(tables, snakemake.input.tables)
    speech = {
        "shard_list": read_shard_list(snakemake.input.shard),
        "segments": read_segments(tables / "segments.parquet", snakemake.wildcards.shard),
        "utterances": read_table(tables / "utterances.parquet"),
        "root": params.root,
        "inventory": phone_table(**params.phones).inventory,
    }
    script = Path(snakemake.scriptdir) / "build_frames.py"
    result = frames_result(store, pitch=params.pitch, code=params.code, script=script, **speech)
    # Before a new store takes its place.
    tracked = kept_tracks(result, log)
    take_or_make(
        None,
        lambda: result,
        lambda: write_frame_store(store, pitch=pitch_source(**params.pitch), tracked=tracked, **speech),
        log,
        code=params.code,
        before="replaced",
    )
