"""Make the demo corpus."""

from pathlib import Path

from property_neurons.corpus.demo import make_demo_corpus
from property_neurons.jobs.log import job_log
from property_neurons.stores.manifests import describe_files, write_manifest

with job_log(snakemake) as log:
    source = Path(snakemake.output.source)
    summary = make_demo_corpus(
        source,
        voices=snakemake.params.voices,
        minutes=snakemake.params.minutes,
        seed=snakemake.params.seed,
        sentences=snakemake.input.sentences,
    )
    write_manifest(snakemake.output.manifest, describe_files(source))
    log.info("demo corpus: %s", summary)
