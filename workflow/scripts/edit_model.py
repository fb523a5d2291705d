"""Write an edit of group neurons into a model's weights."""

from property_neurons.editing.saved import Edit, save_edited
from property_neurons.jobs.log import job_log
from property_neurons.stores.files import read_table

with job_log(snakemake):
    edit = dict(snakemake.params.edit)
    save_edited(
        snakemake.output.folder,
        snakemake.output.manifest,
        snakemake.input.model,
        Edit(groups=tuple(edit.pop("groups")), **edit),
        read_table(snakemake.input.neurons),
        name=snakemake.input.neurons,
        replace=True,
    )
