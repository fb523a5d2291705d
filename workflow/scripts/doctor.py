"""Say what will not work with this configuration."""

import sys

from property_neurons.config.load import load_config
from property_neurons.doctor.examine import examine
from property_neurons.jobs.log import job_log

with job_log(snakemake) as log:
    report = examine(load_config(snakemake.config))
    log.info("%s", report)
sys.exit(report.fatal)
