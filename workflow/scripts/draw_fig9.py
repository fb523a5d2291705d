"""Draw Figure 9."""

from property_neurons.figures.arms import read_bars
from property_neurons.figures.fig9 import draw
from property_neurons.jobs.log import job_log
from property_neurons.stores.files import read_table

with job_log(snakemake):
    params = snakemake.params
    draw(
        read_table(snakemake.input.runs),
        read_table(snakemake.input.comparisons),
        params.model,
        params.corpus,
        snakemake.output.figure,
        published=read_bars(snakemake.input.published, "fig9", params.published[params.model]),
    )
