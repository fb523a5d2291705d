"""Make the pages of the neuron browser."""

from pathlib import Path

from property_neurons.browser.page_inputs import read_examples, read_site
from property_neurons.browser.pages import make_pages, write_entry
from property_neurons.jobs.log import job_log
from property_neurons.stores.files import new_folder, read_table

with job_log(snakemake) as log:
    site = read_site(snakemake)
    neurons, examples = read_table(snakemake.input.neurons), read_examples(snakemake.input.examples)
    with new_folder(snakemake.output.pages, replace=True) as folder:
        make_pages(folder, neurons, examples, site, Path(snakemake.params.root))
    write_entry(snakemake.output.index)
    log.info("open %s in a browser", snakemake.output.index)
