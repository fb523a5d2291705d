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
        try:
            link(output, kept_name(output))
        except OSError as error:
            log.warning(
                "%s is not kept for the day that it is made anew, as that takes hard links (%s); before you change its "
                "settings or the code, copy it elsewhere",
                output,
                # Of a folder, the troubles with each file of it.
                error.strerror or error.args[0][0][-1],
            )
            return False
    return True


def link(path: Path, to: Path) -> None:
    """Link a file, or all files of a folder, to another place, whole or not at all; what is there is replaced.

    Raises:
        OSError: the file system has no hard links, or no room for folders.
    """
    unfinished = to.with_name(f"{to.name}.tmp")
    try:
        to.parent.mkdir(exist_ok=True, parents=True)
        _remove(unfinished)
        if path.is_dir():
            shutil.copytree(path, unfinished, copy_function=os.link)
        else:
            os.link(path, unfinished)
        _remove(to)
        unfinished.rename(to)
    except OSError:
        _remove(unfinished)
        raise


def kept_name(output: Path) -> Path:
    """The second name of an output."""
    return output.with_name(".kept") / output.name


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    with suppress(OSError):
        path.unlink()
