"""Train a pruned model to give the hidden states of the whole one."""

from pathlib import Path

import torch
from threadpoolctl import threadpool_limits

from property_neurons import plan
from property_neurons.config.load import load_config
from property_neurons.jobs.devices import job_device
from property_neurons.jobs.log import job_log
from property_neurons.pruning.distillation import DistillationJob, distil
from property_neurons.stores.files import read_table
from property_neurons.stores.manifests import verify_files

with job_log(snakemake, took_hours=True), threadpool_limits(snakemake.threads):
    torch.set_num_threads(snakemake.threads)
    params, model = snakemake.params, snakemake.wildcards.model
    config, corpus = load_config(snakemake.config), Path(snakemake.input.checked).parent
    verify_files(corpus, snakemake.input.checked)
    job = DistillationJob(
        name=model,
        model=snakemake.input.model,
        teacher=snakemake.input.teacher,
        corpus=snakemake.input.checked,
        validation_share=params.validation_share,
        settings=params.settings | plan.pruning.distillation_running_settings(config, model),
        folder=snakemake.output.folder,
        manifest=snakemake.output.manifest,
        work=params.work,
        device=job_device(config.device, snakemake.resources),
        tensorboard=params.tensorboard,
        code=params.code,
    )
    distil(job, read_table(corpus / "utterances.parquet"), plan.corpora.root(config, config.models[model].corpus))
