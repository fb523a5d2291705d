"""A learning rate chosen out of several on held-out speech, as in SUPERB (Yang et al., Interspeech 2021).

With one rate for all, models could differ only because the rate suits one of them better.
"""

import logging
import math
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Protocol, TypeVar

from property_neurons.errors import DivergedError
from property_neurons.stores import files

log = logging.getLogger(__name__)

_KNOWN = "learning_rates.json"


class Job(Protocol):
    """A data class that describes a training; its field `settings`, or one of another name, has learning_rate."""

    name: str
    work: str
    tensorboard: str | None

    def identity(self) -> str:
        """A digest of what the result depends on."""


Training = TypeVar("Training", bound=Job)


def choose(
    job: Training, value_of: Callable[[Training], float], field: str = "settings"
) -> tuple[Training, dict[str, float | None]]:
    """The training of `job` with the learning rate of the least value; of equal ones the first.

    Each trial works in a folder of its own in `job.work`; the best one so far stays there. The result of a trial is
    written down, so that a killed job goes on with its current trial.

    Args:
        value_of: trains to the end, or goes on from the last checkpoint, and gives the value on held-out speech.
        field: of the job, which has learning_rate, one or several.

    Returns:
        the training to go on with; the value of each learning rate, None where the training diverged, empty where
        there was no choice

    Raises:
        DivergedError: all of them did.
    """
    work, several = Path(job.work), _are_several(job, field)
    _set_aside_others(work, several)
    if not several:
        return job, {}
    _set_aside_left_out(work, [Path(trial.work) for trial in _trials(job, field)])
    record = work / _KNOWN
    known = files.read_json(record) if record.is_file() else {}
    files.write_json(record, known)
    values: dict[str, float | None] = {}
    best, least = None, math.inf
    for trial in _trials(job, field):
        identity, rate = trial.identity(), str(getattr(trial, field)["learning_rate"])
        if identity not in known:
            try:
                known[identity] = value_of(trial)
            except DivergedError as error:
                log.warning("learning rate %s: %s", rate, error)
                known[identity] = None
            files.write_json(record, known)
        values[rate] = known[identity]
        worse, value = trial, known[identity]
        if value is not None and value < least:
            best, worse, least = trial, best, value
        if worse is not None:
            shutil.rmtree(worse.work, ignore_errors=True)
    if best is None:
        raise DivergedError(
            f"{job.name}: expected a learning rate at which the training does not diverge, found none among "
            f"{', '.join(values)}; give lower ones"
        )
    return best, values


def clear(job: Job, field: str = "settings") -> None:
    """Remove the unfinished work of a finished training; what was set aside there stays."""
    if not _are_several(job, field):
        shutil.rmtree(job.work, ignore_errors=True)
        return
    for trial in _trials(job, field):
        shutil.rmtree(trial.work, ignore_errors=True)
    (Path(job.work) / _KNOWN).unlink(missing_ok=True)
    with suppress(OSError):
        Path(job.work).rmdir()


def _are_several(job: Job, field: str) -> bool:
    return isinstance(getattr(job, field)["learning_rate"], list | tuple)


def _trials(job: Training, field: str) -> list[Training]:
    settings = dict(getattr(job, field))
    return [
        replace(
            job,
            work=f"{job.work}/{rate}",
            tensorboard=job.tensorboard and f"{job.tensorboard}/{rate}",
            **{field: settings | {"learning_rate": rate}},
        )
        for rate in settings["learning_rate"]
    ]


def _set_aside_others(work: Path, several: bool) -> None:
    """Set aside the work of a training with one learning rate before one with several, and the other way round."""
    left = any(work.glob("checkpoint-*")) if several else (work / _KNOWN).is_file()
    if left:
        log.warning("%s: of a training with other learning rates; moved to %s", work, files.set_aside(work))


def _set_aside_left_out(work: Path, trials: Sequence[Path]) -> None:
    """Set aside the trials of learning rates that are no longer in the list."""
    for folder in {checkpoint.parent for checkpoint in work.glob("*/checkpoint-*")} - set(trials):
        aside = files.set_aside(folder)
        log.warning("%s: of a learning rate that is no longer in the list; moved to %s", folder, aside)
