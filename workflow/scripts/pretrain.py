"""Pre-train one stage, or take its checkpoint from the cache."""

from pathlib import Path

import torch

from property_neurons import plan
from property_neurons.cache.keys import pretraining_result
from property_neurons.cache.take_or_make import take_or_make
from property_neurons.config.load import load_config
from property_neurons.jobs.devices import asked_gpus, job_device
from property_neurons.jobs.log import job_log
from property_neurons.pretraining.stage import PretrainingJob, run_pretraining
from property_neurons.stores.manifests import described_folder

with job_log(snakemake) as log:
    torch.set_num_threads(snakemake.threads)
    params, wildcards = snakemake.params, snakemake.wildcards
    config = load_config(snakemake.config)
    running = plan.pretraining.running_settings(config, wildcards.run, wildcards.stage)
    device = job_device(config.device, snakemake.resources)
    job = PretrainingJob(
        name=f"{wildcards.run}, stage {wildcards.stage}",
        log_mel=list(snakemake.input.log_mel),
        coded=list(snakemake.input.coded),
        targets=list(snakemake.input.targets),
        statistics=snakemake.input.statistics,
        architecture=params.architecture,
        validation_share=params.validation_share,
        training=params.training | running,
        folder=snakemake.output.folder,
        work=params.work,
        device=device,
        initial=str(described_folder(snakemake.input.initial)) if snakemake.input.initial else None,
        tensorboard=params.tensorboard,
        code=params.code,
    )
    script = Path(snakemake.scriptdir) / "pretrain.py"
    processes = asked_gpus(snakemake.resources) if device == "cuda" else 1
    if device == "cuda" and processes != config.pretraining[wildcards.run].gpus:
        # Possible where a profile replaces what the rule asks for, or has fewer.
        log.warning(
            "%s: expected %d GPUs (`gpus` of the run), the job has %d: it comes to the same by another time; see "
            "`pretrain` in the profile",
            job.name,
            config.pretraining[wildcards.run].gpus,
            processes,
        )
    take_or_make(
        config.cache,
        lambda: pretraining_result(job, processes=processes, threads=snakemake.threads, script=script),
        lambda: run_pretraining(job, processes=processes),
        log,
        code=params.code,
        before="set aside",
    )
