"""Count the activations of one model on one corpus for one property."""

from pathlib import Path

from property_neurons.counting.count import count_activations
from property_neurons.counting.properties import make_property
from property_neurons.counting.sampling import Sampling
from property_neurons.jobs.log import job_log
from property_neurons.stores.files import read_table
from property_neurons.stores.manifests import store_path, verify_files

with job_log(snakemake) as log:
    wildcards, params = snakemake.wildcards, snakemake.params
    corpus = Path(snakemake.input.checked).parent
    verify_files(corpus, snakemake.input.checked)
    kept = read_table(corpus / "utterances.parquet", ["subset", "utterance"])
    counting = dict(params.counting)
    lambda_ = counting.pop("lambda_")
    counts = count_activations(
        [
            (store_path(ranks), store_path(frames))
            for ranks, frames in zip(snakemake.input.ranks, snakemake.input.frames, strict=True)
        ],
        make_property(wildcards.property, **params.property),
        Sampling(**counting),
        lambda_=lambda_,
        corpus=wildcards.corpus,
        output=snakemake.output.store,
        keep=set(zip(kept["subset"], kept["utterance"], strict=True)),
    )
    log.info(
        "%s: %d frames counted, %d without a frame of the model; rows tied at rank tau, by layer: %s",
        wildcards.property,
        counts.n.sum(),
        counts.unranked,
        ", ".join(map(str, counts.ties)),
    )
