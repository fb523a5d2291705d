"""A second name for results that took hours, which survives when Snakemake deletes the first.

Snakemake deletes what a rule has made before the rule runs again, whether its code, a setting or an input changed. So a
job that trains links its finished files under `.kept` beside them (hard links: no room on disk), and the job that makes
them anew first moves those to `.old`, with their date, and says so.
"""

import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from logging import Logger
from pathlib import Path

from property_neurons.stores.files import set_all_aside


def set_kept_aside(outputs: Iterable[Path], log: Logger) -> None:
    """Move the results of an earlier run of this job, which Snakemake has deleted, from `.kept` to `.old`."""
    made_before = [output for output in outputs if kept_name(output).exists()]
    for folder in dict.fromkeys(output.parent for output in made_before):
        mine = [output for output in made_before if output.parent == folder]
        for output, aside in zip(mine, set_all_aside(map(kept_name, mine), folder / ".old"), strict=True):
            log.warning("%s is made anew; the one before is now %s: delete it if you do not need it", output, aside)


def remove_kept(outputs: Iterable[Path], log: Logger) -> None:
    """Remove the results of an earlier run of this job, where they would take their room twice."""
    for output in outputs:
        _remove(kept_name(output))


def keep(outputs: Iterable[Path], log: Logger) -> bool:
    """Link finished files and folders under `.kept`; returns False where the file system has no hard links."""
    for output in outputs:
        kept = kept_name(output)
        unfinished = kept.with_name(f"{kept.name}.tmp")
        try:
            kept.parent.mkdir(exist_ok=True)
            _remove(unfinished)
            if output.is_dir():
                shutil.copytree(output, unfinished, copy_function=os.link)
            else:
                os.link(output, unfinished)
            _remove(kept)
            unfinished.rename(kept)
        except OSError as error:
            _remove(unfinished)
            log.warning(
                "%s is not kept for the day that it is made anew, as that takes hard links (%s); before you change its "
                "settings or the code, copy it elsewhere",
                output,
                # Of a folder, the troubles with each file of it.
                error.strerror or error.args[0][0][-1],
            )
            return False
    return True


def kept_name(output: Path) -> Path:
    """The second name of an output."""
    return output.with_name(".kept") / output.name


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    with suppress(OSError):
        path.unlink()
