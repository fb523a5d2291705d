"""Draw the learning curves of a pre-training run."""

from pathlib import Path

from property_neurons.figures.pretraining import draw
from property_neurons.jobs.log import job_log
from property_neurons.stores.files import read_json, read_table
from property_neurons.stores.manifests import described_folder, verify_files

with job_log(snakemake):
    stages = []
    for manifest in map(Path, snakemake.input.stages):
        folder = described_folder(manifest)
        verify_files(folder, manifest)
        stages.append((read_table(folder / "curves.tsv"), read_json(folder / "metrics.json")))
    draw(stages, snakemake.wildcards.run, snakemake.params.corpus, snakemake.output.figure)
