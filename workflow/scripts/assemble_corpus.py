"""Join the tables of a corpus's subsets."""

from pathlib import Path

from property_neurons.corpus.assemble import assemble
from property_neurons.jobs.log import job_log
from property_neurons.stores.files import read_table, write_table
from property_neurons.stores.manifests import verify_files

with job_log(snakemake):
    folders = [Path(manifest).parent for manifest in snakemake.input.manifests]
    for folder, manifest in zip(folders, snakemake.input.manifests, strict=True):
        verify_files(folder, manifest)
    utterances, report, duplicates = assemble(
        snakemake.wildcards.corpus,
        [read_table(folder / "utterances.parquet") for folder in folders],
        [read_table(folder / "report.tsv") for folder in folders],
    )
    write_table(snakemake.output.utterances, utterances)
    write_table(snakemake.output.report, report)
    write_table(snakemake.output.duplicates, duplicates)
