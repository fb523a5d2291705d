"""Fetch, convert or re-initialise one model."""

from property_neurons.jobs.log import job_log
from property_neurons.models.prepare import model_source, prepare_model
from property_neurons.stores.manifests import verify_described

with job_log(snakemake):
    verify_described(snakemake.input)
    prepare_model(snakemake.output.folder, snakemake.output.manifest, model_source(**snakemake.params.source))
