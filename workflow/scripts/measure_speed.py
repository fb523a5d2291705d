"""Time the models of a pruning study against the whole one."""

from functools import partial

from property_neurons.jobs.log import job_log
from property_neurons.models.loading import load_encoder
from property_neurons.pruning.speed import measure_speed
from property_neurons.stores.files import write_table
from property_neurons.stores.manifests import described_folder

with job_log(snakemake):

    def loading(manifest):
        return partial(load_encoder, described_folder(manifest), manifest=manifest)

    models = {described_folder(manifest).name: loading(manifest) for manifest in snakemake.input.models}
    write_table(snakemake.output.speed, measure_speed(loading(snakemake.input.reference)(), models))
