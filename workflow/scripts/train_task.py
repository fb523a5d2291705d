"""Train one task on one model, or take the training from the cache."""

from pathlib import Path

import torch
from threadpoolctl import threadpool_limits

from property_neurons import plan
from property_neurons.cache.keys import task_result
from property_neurons.cache.take_or_make import take_or_make
from property_neurons.config.load import load_config
from property_neurons.jobs.devices import job_device
from property_neurons.jobs.log import job_log
from property_neurons.stores.manifests import described_folder
from property_neurons.tasks.job import TaskJob
from property_neurons.tasks.train import train_task

with job_log(snakemake) as log, threadpool_limits(snakemake.threads):
    torch.set_num_threads(snakemake.threads)
    params, wildcards = snakemake.params, snakemake.wildcards
    config = load_config(snakemake.config)
    job = TaskJob(
        task=wildcards.task,
        model_name=wildcards.model,
        mode=params.mode,
        data=snakemake.input.data,
        model=snakemake.input.model,
        roots={name: plan.corpora.root(config, name) for name in plan.tasks.corpora_of(config, wildcards.task)},
        settings=params.settings | plan.tasks.running_settings(config, wildcards.task) | {"seed": int(wildcards.seed)},
        folder=snakemake.output.folder,
        work=params.work,
        states={described_folder(manifest).name: manifest for manifest in snakemake.input.get("states", [])},
        initial=str(described_folder(snakemake.input.initial)) if snakemake.input.get("initial") else None,
        device=job_device(config.device, snakemake.resources),
        tensorboard=params.tensorboard,
        code=params.code,
    )
    script = Path(snakemake.scriptdir) / "train_task.py"
    take_or_make(
        config.cache,
        lambda: task_result(job, threads=snakemake.threads, script=script),
        lambda: train_task(job),
        log,
        code=params.code,
        before="set aside",
    )
