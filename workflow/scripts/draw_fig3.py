"""Draw Figure 3."""

from property_neurons.figures.fig3 import draw
from property_neurons.figures.tables import read_tables
from property_neurons.jobs.log import job_log

with job_log(snakemake):
    params = snakemake.params
    draw(
        read_tables(snakemake.input.points, [params.model], params.properties)[params.model],
        read_tables(snakemake.input.silhouettes, [params.model], params.properties)[params.model],
        params.model,
        params.corpus,
        snakemake.output.figure,
    )
