"""Draw Figure 2."""

from property_neurons.figures.fig2 import draw
from property_neurons.jobs.log import job_log
from property_neurons.stores.manifests import store_path

with job_log(snakemake):
    draw(store_path(snakemake.input.counts), snakemake.params.phone, snakemake.output.figure)
