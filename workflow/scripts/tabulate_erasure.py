"""Draw the conditions of an erasure study together."""

from pathlib import Path

from property_neurons.erasure.markdown import markdown_table
from property_neurons.erasure.report import erasure_tables
from property_neurons.erasure.specificity import selector_table
from property_neurons.jobs.log import job_log
from property_neurons.stores.files import atomic_path, write_table
from property_neurons.stores.manifests import described_folder, verify_files

with job_log(snakemake):
    folders = [described_folder(manifest) for manifest in snakemake.input.runs]
    for folder, manifest in zip(folders, snakemake.input.runs, strict=True):
        verify_files(folder, manifest)
    cells, curves = erasure_tables(snakemake.wildcards.erasure, folders)
    write_table(snakemake.output.table, cells)
    write_table(snakemake.output.curves, curves)
    write_table(snakemake.output.selectors, selector_table(snakemake.wildcards.erasure, folders))
    with atomic_path(Path(snakemake.output.rendered)) as path:
        path.write_text(markdown_table(cells), encoding="utf-8")
