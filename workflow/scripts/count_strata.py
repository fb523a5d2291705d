"""Count the activations of one model on one corpus for one property and the strata of a confound."""

from property_neurons.cache.counts import take_back_or_count
from property_neurons.counting.job import counting_arguments
from property_neurons.counting.strata import make_crossed
from property_neurons.counting.unit_count_store import open_unit_counts
from property_neurons.counting.unit_counts import count_units
from property_neurons.jobs.log import job_log

with job_log(snakemake) as log:
    arguments = counting_arguments(snakemake)
    crossed = make_crossed(arguments.pop("property_"), **snakemake.params.strata)
    take_back_or_count(snakemake, "count_strata.py", lambda: count_units(property_=crossed, **arguments), log)
    counts = open_unit_counts(snakemake.output.store)
    log.info("%s by %s: %d rows of a run and a stratum", crossed.name, ", ".join(counts.strata), len(counts.n))
