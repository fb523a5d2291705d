"""Draw Figure 8."""

from property_neurons.figures.fig8 import draw
from property_neurons.figures.tables import read_references, read_tables
from property_neurons.jobs.log import job_log

with job_log(snakemake):
    params = snakemake.params
    draw(
        read_tables(snakemake.input.neurons, [params.model], params.properties)[params.model],
        read_tables(snakemake.input.summaries, [params.model], params.properties)[params.model],
        params.layer,
        params.model,
        params.corpus,
        snakemake.output.figure,
        published=read_references(snakemake.input.published, params.published).get(params.model),
    )
