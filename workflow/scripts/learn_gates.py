"""Learn the gates by which a model is pruned."""

from pathlib import Path

import torch
from threadpoolctl import threadpool_limits

from property_neurons import plan
from property_neurons.config.load import load_config
from property_neurons.jobs.devices import job_device
from property_neurons.jobs.log import job_log
from property_neurons.pruning.gates import gates_of_corpus, gates_of_task
from property_neurons.stores.files import read_table, write_table
from property_neurons.stores.manifests import verify_files

with job_log(snakemake, took_hours=True), threadpool_limits(snakemake.threads):
    torch.set_num_threads(snakemake.threads)
    config, name, model = load_config(snakemake.config), snakemake.wildcards.model, snakemake.input.model
    speech = plan.pruning.calibration_on(config, name)
    roots = plan.pruning.calibration_roots(config, config.models[name].of, speech)
    settings = snakemake.params.learning | {"device": job_device(config.device, snakemake.resources)}
    if snakemake.input.training:
        table = gates_of_task(snakemake.input.training, model, roots, **settings)
    else:
        corpus = Path(snakemake.input.checked[0]).parent
        verify_files(corpus, snakemake.input.checked[0])
        utterances = read_table(corpus / "utterances.parquet")
        table = gates_of_corpus(model, utterances, roots[speech], name=speech, **settings)
    write_table(snakemake.output.table, table)
