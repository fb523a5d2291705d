"""Divide the utterances of a task and give each its reference."""

from pathlib import Path

from property_neurons.jobs.log import job_log
from property_neurons.stores.files import read_table
from property_neurons.stores.manifests import store_path, verify_files
from property_neurons.tasks.make_table import divide, write_task_data

with job_log(snakemake):
    params = snakemake.params
    corpora = [Path(checked).parent for checked in snakemake.input.checked]
    for folder, checked in zip(corpora, snakemake.input.checked, strict=True):
        verify_files(folder, checked)
    tables = {folder.name: read_table(folder / "utterances.parquet") for folder in corpora}
    references = [Path(manifest) for manifest in snakemake.input.get("references", [])]
    by_f0 = params.kind == "f0_reconstruction"
    # Frame stores are held against theirs when they are opened.
    for manifest in [] if by_f0 else references:
        verify_files(manifest.parent, manifest)
    write_task_data(
        snakemake.output.table,
        divide(tables, params.split, params.kind),
        params.kind,
        phones=params.phones,
        segments=[]
        if by_f0
        else [(manifest.parent.name, manifest.with_name("segments.parquet")) for manifest in references],
        frames=[store_path(manifest) for manifest in references] if by_f0 else [],
        lexicon=snakemake.input.get("lexicon") or None,
    )
