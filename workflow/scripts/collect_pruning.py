"""Draw the scores of pruned models together, and hold arm against arm."""

from pathlib import Path

from property_neurons.jobs.log import job_log
from property_neurons.pruning.report import Run, collect_runs, compare_runs
from property_neurons.stores.files import read_table, write_table
from property_neurons.stores.manifests import described_folder, verify_files

with job_log(snakemake):
    runs = []
    for manifest, metrics, run in zip(
        snakemake.input.trainings, snakemake.input.metrics, snakemake.params.runs, strict=True
    ):
        folder = described_folder(manifest)
        # Not the weights, which nothing here reads and an archive of the study lacks.
        verify_files(folder, manifest, only=["scores.tsv"])
        runs.append(Run(**run, metrics=Path(metrics), scores=folder / "scores.tsv"))
    models = {described_folder(manifest).name: Path(manifest) for manifest in snakemake.input.models}
    calibration, speed = snakemake.params.calibration, read_table(snakemake.input.speed)
    write_table(snakemake.output.runs, collect_runs(runs, models, speed, calibration))
    write_table(snakemake.output.comparisons, compare_runs(runs))
