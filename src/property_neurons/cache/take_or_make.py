"""What was made before: here, or in the cache. A job first looks there for its result.

A job links what it has made under `.kept` beside it (`jobs.kept`), with a description. Should Snakemake run it again,
because a file is newer or another shard has an utterance more, it takes that back. Else it looks in the cache
(`entries`).
"""

import os
import shutil
from collections.abc import Callable, Collection
from contextlib import suppress
from logging import Logger
from pathlib import Path
from typing import Literal

from property_neurons.cache.entries import publish, take
from property_neurons.cache.results import Result
from property_neurons.errors import StoreError, printable
from property_neurons.jobs import kept
from property_neurons.jobs.fingerprint import check_code
from property_neurons.stores import manifests


def take_or_make(
    cache: str | Path | None,
    describe: Callable[[], Result],
    make: Callable[[], None],
    log: Logger,
    *,
    code: str,
    before: Literal["removed", "set aside", "replaced"] = "removed",
) -> None:
    """Take a result that was made before, or make it, publish it and keep it.

    Args:
        cache: the shared folder, or None.
        describe: says what the result is.
        make: writes the result's folder and manifest.
        log: is told where the result comes from, and why what was made before was of no use.
        code: the fingerprint that the job was planned with.
        before: what becomes of another result that was kept here, where this one is made: it is removed first, set
            aside, or replaced once this one is there.

    Raises:
        CodeChangedError: the code was edited meanwhile; nothing was published or kept.
        StoreError: this very result is kept here, and cannot be taken back.
    """
    result = describe()
    if _take_back(result, log):
        return
    if cache is not None and not _is_there(Path(cache).is_dir):
        log.warning(
            "cache: expected a folder at %s, found none; make it (mkdir -p) or correct `cache`; going on without", cache
        )
        cache = None
    outputs = [result.folder, result.manifest]
    if before != "replaced":
        _kept_description(result).unlink(missing_ok=True)
        (kept.set_kept_aside if before == "set aside" else kept.remove_kept)(outputs, log)
    if cache is None or not take(cache, result, log):
        make()
        check_code(code)
        if cache is not None:
            publish(cache, result, log)
    _keep(result, log)


def _kept_description(result: Result) -> Path:
    folder = kept.kept_name(result.folder)
    return folder.with_name(f"{folder.name}.entry.json")


def _keep(result: Result, log: Logger) -> None:
    """Link a finished result under `.kept`, and describe it."""
    try:
        for audio in result.audio:
            audio.check()
        _kept_description(result).unlink(missing_ok=True)
        if kept.keep([result.folder, result.manifest], log):
            manifests.write_manifest(_kept_description(result), result.description())
    except (OSError, StoreError) as error:
        log.warning("%s is not kept for the day that this job runs again: %s", result.folder, error)


def _take_back(result: Result, log: Logger) -> bool:
    """Link a result from `.kept` to its place; returns whether this very one was kept, whole.

    Raises:
        StoreError: it was, and cannot be linked. To make it anew would be the waste that keeping it is to save.
    """
    content = kept_like(result, log)
    if content is None:
        return False
    try:
        with manifests.new_described_folder(result.folder, result.manifest, noted=result.noted) as temporary:
            shutil.copytree(content, temporary, copy_function=os.link, dirs_exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"{printable(result.folder)}: expected to take back what was made before with the same settings, found "
            f"{printable(error.strerror or error)}; free space, or delete {printable(content)} to make it anew"
        ) from None
    result.set_work_aside(log)
    log.info("taken from results kept here %s", result.key)
    return True


def kept_like(result: Result, log: Logger, *, apart_from: Collection[str] = ()) -> Path | None:
    """What an earlier run of a job kept, if it is whole and was made of the same; None otherwise.

    Args:
        log: is told of what is damaged.
        apart_from: entries of `made_of` that may differ.
    """
    content, description = kept.kept_name(result.folder), _kept_description(result)
    if not _is_there(description.is_file):
        return None
    try:
        described = manifests.read_manifest(description)
        before, now = (
            manifests.digest_of({name: value for name, value in (made_of or {}).items() if name not in apart_from})
            for made_of in (described.get("made_of"), result.made_of)
        )
        if before != now:
            return None
        manifests.verify_content(content, described, description)
    except StoreError as error:
        log.warning("what was kept here of %s is damaged, and not used: %s", result.key, error)
        return None
    return content


def _is_there(question: Callable[[], bool]) -> bool:
    """The answer to `is_dir` or `is_file`; False where the path cannot be looked at."""
    with suppress(OSError):
        return question()
    return False
