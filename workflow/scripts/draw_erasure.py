"""Draw an erasure study."""

from property_neurons.figures.erasure import draw_cells, draw_doses, read_table1
from property_neurons.jobs.log import job_log
from property_neurons.stores.files import read_table

with job_log(snakemake):
    params = snakemake.params
    named = {"model": params.model, "corpus": params.corpus}
    cells = read_table(snakemake.input.table)
    published = read_table1(snakemake.input.published) if params.published[params.model] else {}
    draw_cells(cells, out=snakemake.output.figure, published=published, **named)
    draw_doses(read_table(snakemake.input.curves), out=snakemake.output.dose, **named)
