"""Counts that are taken back: a job may take hours, and Snakemake removes what a failed Slurm group has made."""

from collections.abc import Callable
from logging import Logger
from pathlib import Path
from typing import Any

from property_neurons.cache.keys import counts_result
from property_neurons.cache.take_or_make import take_or_make


def take_back_or_count(job: Any, script: str, count: Callable[[], Any], log: Logger) -> None:
    """Take back the counts of a job, or make them.

    Args:
        job: the `snakemake` object of a script that counts.
        script: the name of its file.
        count: writes the store of the job.

    Raises:
        CodeChangedError, StoreError: as `take_or_make`.
    """
    settings = {"wildcards": dict(job.wildcards.items()), "params": dict(job.params.items())}
    code, file = settings["params"].pop("code"), Path(job.scriptdir, script)
    take_or_make(
        None,
        lambda: counts_result(job.output.store, inputs=job.input, settings=settings, code=code, script=file),
        count,
        log,
        code=code,
    )
