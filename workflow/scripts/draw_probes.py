"""Draw what each layer knows about phones."""

from property_neurons.figures.probes import draw
from property_neurons.jobs.log import job_log
from property_neurons.stores.files import read_table

with job_log(snakemake):
    params = snakemake.params
    tables = map(read_table, snakemake.input.probes)
    draw(dict(zip(params.models, tables, strict=True)), params.corpus, snakemake.output.figure)
