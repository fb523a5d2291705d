"""Keep the activation values of one model on the chosen utterances of one shard."""

from pathlib import Path

from property_neurons.activations.choice import chosen_utterances
from property_neurons.activations.extraction import store_activations
from property_neurons.jobs.devices import decoders, job_device
from property_neurons.jobs.log import job_log
from property_neurons.stores.files import read_table
from property_neurons.stores.manifests import described_folder, read_manifest, verify_files


def load():
    """The encoder and its decoding threads; its slow imports are not needed where a shard has no utterance to read."""
    import torch

    from property_neurons.models.loading import load_encoder

    torch.set_num_threads(snakemake.threads)
    device = job_device(snakemake.config.get("device", "auto"), snakemake.resources)
    return load_encoder(described_folder(model), manifest=model, device=device), decoders(device, snakemake.resources)


with job_log(snakemake):
    params, model = snakemake.params, snakemake.input.model
    corpus = Path(snakemake.input.checked).parent
    verify_files(corpus, snakemake.input.checked)
    chosen = chosen_utterances(read_table(corpus / "utterances.parquet"), params.minutes)
    of_shard = chosen[chosen["shard"] == snakemake.wildcards.shard]
    digest = read_manifest(model)["digest"]
    store, name = snakemake.output.store, snakemake.wildcards.model
    store_activations(load, of_shard, store, model=name, root=params.root, model_digest=digest)
