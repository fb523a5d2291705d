"""Align one subset's transcripts with PocketSphinx."""

from pathlib import Path

from property_neurons.corpus.forced_alignment import align_subset
from property_neurons.corpus.transcripts import transcript_digests
from property_neurons.jobs.locks import sole_process
from property_neurons.jobs.log import job_log
from property_neurons.stores.files import write_table
from property_neurons.stores.manifests import describe_files, write_manifest

with job_log(snakemake, took_hours=True, again=False) as log:
    output = snakemake.output
    # Before the hours in which somebody may change them.
    made_of = {"transcripts": transcript_digests(Path(snakemake.params.root) / snakemake.wildcards.subset)}
    alignments = Path(output.alignments)
    finished = alignments.with_name(f".{alignments.name}.finished")
    with sole_process(finished):
        report = align_subset(
            snakemake.params.root,
            snakemake.wildcards.subset,
            alignments,
            workers=snakemake.threads,
            finished=finished,
            code=snakemake.params.code,
        )
    write_table(output.report, report)
    write_manifest(output.manifest, made_of | describe_files(output.alignments))
    log.info("%s: %d utterances could not be aligned", snakemake.wildcards.subset, len(report))
