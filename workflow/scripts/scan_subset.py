"""Read and check every utterance of one subset."""

from pathlib import Path

from property_neurons.corpus.converted_audio import audio_copies
from property_neurons.corpus.phone_tables import phone_table
from property_neurons.corpus.report import SKIPPED
from property_neurons.corpus.scan import scan_subset
from property_neurons.corpus.shard_names import shard_names
from property_neurons.corpus.shards import write_segments, write_shard_list
from property_neurons.corpus.sources import open_subset
from property_neurons.corpus.transcripts import check_aligned
from property_neurons.jobs.log import job_log
from property_neurons.stores.files import write_table
from property_neurons.stores.manifests import describe_files, verify_described, write_manifest

with job_log(snakemake) as log:
    params, output = snakemake.params, snakemake.output
    verify_described(snakemake.input)
    if params.aligned:
        check_aligned(Path(params.source["root"]) / params.subset, params.aligned)
    listing, alignments = open_subset(params.kind, params.subset, params.source)
    with audio_copies(output.audio, params.subset, params.source.get("audio")) as conversion:
        scan = scan_subset(
            params.corpus,
            params.subset,
            listing,
            alignments=alignments,
            n_shards=params.n_shards,
            conversion=conversion,
            inventory=phone_table(**params.source.get("phones", {})).inventory,
            workers=snakemake.threads,
        )
    shards = shard_names(params.subset, params.n_shards)
    write_table(output.utterances, scan.utterances)
    write_segments(output.segments, scan.segments, shards)
    write_table(output.report, scan.report)
    for shard, path in zip(shards, output.shards, strict=True):
        write_shard_list(path, scan.utterances, shard)
    tables = [Path(path) for path in (output.utterances, output.segments, output.report)]
    made_of = {"source": params.source, "scanned": params.scanned}
    write_manifest(output.manifest, made_of | describe_files(tables[0].parent, tables))
    log.info(
        "%s/%s: %d utterances fit for use, %d refused",
        params.corpus,
        params.subset,
        len(scan.utterances),
        scan.report.loc[scan.report["action"] == SKIPPED, "utterance"].nunique(),
    )
