"""Draw Figure 7."""

from property_neurons.figures.fig7 import draw
from property_neurons.figures.tables import read_references, read_tables
from property_neurons.jobs.log import job_log

with job_log(snakemake):
    params = snakemake.params
    draw(
        read_tables(snakemake.input.summaries, params.models, params.properties),
        params.corpus,
        snakemake.output.figure,
        published=read_references(snakemake.input.published, params.published).get(params.models[0]),
    )
