"""Draw Figure 4."""

from property_neurons.figures.fig4 import draw
from property_neurons.figures.tables import read_references, read_tables
from property_neurons.jobs.log import job_log

with job_log(snakemake):
    params = snakemake.params
    draw(
        read_tables(snakemake.input.silhouettes, params.models, params.properties),
        params.corpus,
        snakemake.output.figure,
        published=read_references(snakemake.input.published, params.published).get(params.models[0]),
    )
