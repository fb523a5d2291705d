"""Apply `on_bad_utterance` to a corpus."""

from pathlib import Path

from property_neurons.corpus.check import check_report, describe
from property_neurons.jobs.log import job_log
from property_neurons.stores.files import read_table
from property_neurons.stores.manifests import describe_files, write_manifest

with job_log(snakemake) as log:
    summary = check_report(
        read_table(snakemake.input.report),
        n_utterances=len(read_table(snakemake.input.utterances)),
        corpus=snakemake.wildcards.corpus,
        policy=snakemake.params.policy,
        max_skipped_share=snakemake.params.max_skipped_share,
        report_path=snakemake.input.report,
    )
    # What is counted depends on the table of utterances through this small file, which Snakemake can checksum. It
    # says nothing of what was left out, which changes no count.
    table = Path(snakemake.input.utterances)
    write_manifest(snakemake.output.checked, describe_files(table.parent, [table]))
    log.info(describe(summary))
