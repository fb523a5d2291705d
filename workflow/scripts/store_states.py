"""Store the hidden states of one model on one corpus."""

from pathlib import Path

import torch
from threadpoolctl import threadpool_limits

from property_neurons.corpus.recordings import recordings_of
from property_neurons.jobs.devices import decoders, job_device
from property_neurons.jobs.log import job_log
from property_neurons.models.loading import load_encoder
from property_neurons.stores.files import read_table
from property_neurons.stores.manifests import described_folder, verify_files
from property_neurons.tasks.stored_states import write_states

with job_log(snakemake), threadpool_limits(snakemake.threads):
    torch.set_num_threads(snakemake.threads)
    params, corpus = snakemake.params, Path(snakemake.input.checked).parent
    verify_files(corpus, snakemake.input.checked)
    device = job_device(snakemake.config.get("device", "auto"), snakemake.resources)
    encoder = load_encoder(described_folder(snakemake.input.model), manifest=snakemake.input.model, device=device)
    utterances = read_table(corpus / "utterances.parquet").sort_values("utterance")
    recordings, threads = recordings_of(utterances, params.root), decoders(device, snakemake.resources)
    write_states(snakemake.output.folder, encoder, recordings, decoders=threads)
