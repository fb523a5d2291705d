"""Measure what a model's neurons do on calibration speech."""

from pathlib import Path

import torch
from threadpoolctl import threadpool_limits

from property_neurons import plan
from property_neurons.config.load import load_config
from property_neurons.jobs.devices import job_device
from property_neurons.jobs.log import job_log
from property_neurons.pruning.calibrate import calibrate_on_corpus, calibrate_on_task
from property_neurons.stores.files import read_table, write_table
from property_neurons.stores.manifests import verify_files

with job_log(snakemake), threadpool_limits(snakemake.threads):
    torch.set_num_threads(snakemake.threads)
    wildcards, model = snakemake.wildcards, snakemake.input.model
    config = load_config(snakemake.config)
    roots = plan.pruning.calibration_roots(config, wildcards.model, wildcards.speech)
    settings = snakemake.params.calibration | {"device": job_device(config.device, snakemake.resources)}
    if snakemake.input.training:
        table = calibrate_on_task(snakemake.input.training, model, roots, **settings)
    else:
        corpus = Path(snakemake.input.checked).parent
        verify_files(corpus, snakemake.input.checked)
        utterances = read_table(corpus / "utterances.parquet")
        table = calibrate_on_corpus(model, utterances, roots[wildcards.speech], name=wildcards.speech, **settings)
    write_table(snakemake.output.table, table)
