"""Erase the groups of a property in a fine-tuned model and score its task."""

import torch
from threadpoolctl import threadpool_limits

from property_neurons import plan
from property_neurons.config.load import load_config
from property_neurons.counting.count_store import open_counts
from property_neurons.erasure.study import Erasure, erase_groups
from property_neurons.jobs.devices import job_device
from property_neurons.jobs.log import job_log
from property_neurons.neurons.definition import SetDefinition
from property_neurons.stores.files import read_table
from property_neurons.stores.manifests import store_path

with job_log(snakemake, took_hours=True), threadpool_limits(snakemake.threads):
    torch.set_num_threads(snakemake.threads)
    params, wildcards = snakemake.params, snakemake.wildcards
    config = load_config(snakemake.config)
    task = config.erasure[wildcards.erasure].task
    erase_groups(
        snakemake.output.folder,
        params.work,
        snakemake.input.training,
        snakemake.input.model,
        open_counts(store_path(snakemake.input.counts)),
        Erasure(**params.erasure | {"definition": SetDefinition(**params.erasure["definition"])}),
        selected=read_table(snakemake.input.selected) if snakemake.input.selected else None,
        frames=[store_path(manifest) for manifest in snakemake.input.frames],
        roots={name: plan.corpora.root(config, name) for name in plan.tasks.corpora_of(config, task)},
        device=job_device(config.device, snakemake.resources),
        seed=int(wildcards.seed),
        code=params.code,
    )
