"""Read and check every utterance of VoxCeleb1."""

from property_neurons.corpus.report import SKIPPED
from property_neurons.corpus.voxceleb import scan_voxceleb
from property_neurons.jobs.log import job_log
from property_neurons.stores.files import write_table

with job_log(snakemake) as log:
    utterances, report = scan_voxceleb(
        snakemake.wildcards.corpus,
        snakemake.params.root,
        snakemake.input.split,
        snakemake.input.meta,
        workers=snakemake.threads,
    )
    write_table(snakemake.output.utterances, utterances)
    write_table(snakemake.output.report, report)
    refused = report.loc[report["action"] == SKIPPED, "utterance"].nunique()
    log.info("%s: %d utterances fit for use, %d refused", snakemake.wildcards.corpus, len(utterances), refused)
