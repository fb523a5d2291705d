"""Draw a figure: `params.figure` names its module in property_neurons.figures."""

from importlib import import_module

from property_neurons.figures import style
from property_neurons.jobs.log import job_log

with job_log(snakemake), style.theme():
    module = import_module(f"property_neurons.figures.{snakemake.params.figure}")
    figure, table = module.draw(**module.read(snakemake.input, snakemake.params))
    style.save(figure, table, snakemake.output.figure)
