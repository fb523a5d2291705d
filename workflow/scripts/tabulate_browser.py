"""Make the tables of the neuron browser: neurons and examples."""

from property_neurons.browser.neighbours import feed_forward_weights
from property_neurons.browser.table_inputs import open_derived, open_properties, open_shards
from property_neurons.browser.tables import Choice, browser_tables
from property_neurons.counting.sampling import Sampling
from property_neurons.jobs.log import job_log
from property_neurons.stores.files import write_table
from property_neurons.stores.manifests import described_folder, read_manifest, verify_files

with job_log(snakemake) as log:
    params, model = snakemake.params, snakemake.input.model
    verify_files(described_folder(model), model)
    properties = open_properties(snakemake)
    neurons, examples, speech = browser_tables(
        open_shards(snakemake),
        properties,
        feed_forward_weights(described_folder(model)),
        Sampling(**params.sampling),
        Choice(**params.choice),
        open_derived(snakemake, properties),
    )
    examples.attrs = {"model_digest": read_manifest(model)["digest"]}
    write_table(snakemake.output.neurons, neurons)
    write_table(snakemake.output.examples, examples)
    log.info("%d neurons, %d examples from %d utterances", len(neurons), len(examples), len(speech.utterances))
