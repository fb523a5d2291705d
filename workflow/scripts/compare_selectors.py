"""Compare ways of choosing the neurons of one property."""

from property_neurons.counting.unit_count_store import open_unit_counts
from property_neurons.jobs.log import job_log
from property_neurons.neurons.definition import SetDefinition
from property_neurons.neurons.statistics.activation_values import stored_values
from property_neurons.neurons.statistics.selector_comparison import compare_selectors
from property_neurons.stores.files import write_table
from property_neurons.stores.manifests import store_path
from property_neurons.tasks.trained_utterances import trained_utterances

with job_log(snakemake):
    units, params = open_unit_counts(store_path(snakemake.input.units)), snakemake.params
    definition = SetDefinition(**params.definition)
    data = snakemake.input.get("data")
    values = stored_values(snakemake, units, trained_utterances(data) if data else None)
    comparison, neurons = compare_selectors(
        units, definition, halves=params.halves, seed=params.seed, values=values, balance=params.balance
    )
    write_table(snakemake.output.table, comparison)
    write_table(snakemake.output.neurons, neurons)
