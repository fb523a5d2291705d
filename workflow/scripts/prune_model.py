"""Cut one model out of another."""

from pathlib import Path

from property_neurons.counting.count_store import open_counts
from property_neurons.jobs.log import job_log
from property_neurons.pruning.prune import Cut, prune_model
from property_neurons.stores.files import read_table
from property_neurons.stores.manifests import store_path

with job_log(snakemake):
    counts = [open_counts(store_path(manifest)) for manifest in snakemake.input.counts]
    prune_model(
        snakemake.output.folder,
        snakemake.output.manifest,
        snakemake.input.model,
        Cut(**snakemake.params.cut),
        neurons={Path(table).stem: read_table(table) for table in snakemake.input.neurons},
        sizes_of=snakemake.input.sizes_of or None,
        counts=counts[0] if counts else None,
        calibration=read_table(snakemake.input.calibration[0]) if snakemake.input.calibration else None,
        replace=True,
    )
