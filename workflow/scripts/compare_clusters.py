"""Compare the clusters of one corpus with phones, speakers and genders."""

from property_neurons.clustering.compare import agreements, contingency
from property_neurons.corpus.frame_values import open_frame_files
from property_neurons.corpus.gate import let_through
from property_neurons.counting.job import frame_files
from property_neurons.jobs.log import job_log
from property_neurons.stores.files import write_table

with job_log(snakemake):
    keep = let_through(snakemake.input.checked)
    files = frame_files(snakemake.input.frames, snakemake.input.clusters)
    table = contingency((open_frame_files(one, keep) for one in files), snakemake.params.of)
    write_table(snakemake.output.contingency, table)
    write_table(snakemake.output.agreement, agreements(table))
