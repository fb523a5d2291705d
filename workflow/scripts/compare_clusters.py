"""Compare the clusters of one corpus with phones, speakers and genders."""

from dataclasses import replace

from property_neurons.clustering.compare import agreements, contingency
from property_neurons.clustering.job import kept_frames
from property_neurons.corpus.frame_values import open_values
from property_neurons.jobs.log import job_log
from property_neurons.stores.files import write_table
from property_neurons.stores.manifests import store_path

with job_log(snakemake):
    shards = (
        replace(frames, values=open_values(store_path(clusters), frames.utterances, frames.offset))
        for frames, clusters in zip(kept_frames(snakemake), snakemake.input.clusters, strict=True)
    )
    table = contingency(shards, snakemake.params.of)
    write_table(snakemake.output.contingency, table)
    write_table(snakemake.output.agreement, agreements(table))
