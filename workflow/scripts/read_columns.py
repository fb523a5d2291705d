"""Join the columns of the user's tables to the utterances of a corpus."""

import pandas as pd

from property_neurons.corpus.check import check_report
from property_neurons.corpus.table_columns import check_scanned, table_columns
from property_neurons.jobs.log import job_log
from property_neurons.stores.files import read_table, write_table

with job_log(snakemake) as log:
    params, inputs, output = snakemake.params, snakemake.input, snakemake.output
    check_scanned(inputs.scans, params.scanned)
    found = table_columns(snakemake.wildcards.corpus, read_table(inputs.utterances), **params.tables)
    # Of a job that fails nothing stays but its log.
    for detail in found.report["detail"].unique():
        log.info(detail)
    check_report(
        pd.concat([read_table(inputs.report), found.report], ignore_index=True),
        n_utterances=len(found.columns),
        corpus=snakemake.wildcards.corpus,
        policy=params.policy,
        max_skipped_share=params.max_skipped_share,
        report_path=f"{snakemake.log} (of recordings {inputs.report})" if len(found.report) else inputs.report,
    )
    write_table(output.report, found.report)
    write_table(output.columns, found.columns)
    log.info("%d utterances with %s", len(found.columns), ", ".join(found.columns))
