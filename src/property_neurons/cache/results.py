"""A result that a job makes, with all that it depends on."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from logging import Logger
from pathlib import Path
from typing import Any

from property_neurons.errors import StoreError, printable
from property_neurons.stores import files, manifests


@dataclass(frozen=True)
class Audio:
    """Audio that a result was made from: a folder, and the digest that the scan noted of each path below it."""

    root: Path
    digests: Mapping[str, str]

    def check(self) -> None:
        """Hold the files against their digests.

        Raises:
            StoreError: a file is another than the scan of the corpus read, or cannot be read.
        """
        for path, digest in self.digests.items():
            try:
                _, found = manifests.describe_file(self.root / path)
            except OSError as error:
                raise StoreError(f"{printable(error)}: expected the audio that it was made from, to compare") from None
            if found != digest:
                raise StoreError(
                    f"{printable(self.root / path)}: expected the file that the scan of the corpus read, found "
                    "another; run the scan again (snakemake -R, see config/README.md)"
                )


@dataclass(frozen=True)
class Result:
    """A folder that a job makes, with its manifest.

    kind: one of `entries.KINDS`.
    made_of: all that the result's bytes depend on, without names, as plain values; the key is their digest.
    folder, manifest: to write.
    noted: what the manifest says beside files and digest.
    put_names: writes this working directory's names into a folder that may have been made under others.
    audio: files that must still be those of `made_of` when the result is published.
    work: unfinished work of a killed job. It is set aside when the result comes from the cache.
    """

    kind: str
    made_of: Mapping[str, Any]
    folder: Path
    manifest: Path
    noted: Mapping[str, Any] = field(default_factory=dict)
    put_names: Callable[[Path], None] = lambda folder: None
    audio: Sequence[Audio] = ()
    work: Path | None = None

    @cached_property
    def key(self) -> str:
        """`KIND/` and 32 hexadecimal digits."""
        return f"{self.kind}/{manifests.digest_of(self.made_of)}"

    def description(self) -> dict[str, Any]:
        """What is kept beside a copy of the finished result: what it was made of, its digest and its files."""
        contents = manifests.read_manifest(self.manifest)
        return {"made_of": self.made_of, "digest": contents["digest"], "files": contents["files"]}

    def set_work_aside(self, log: Logger) -> None:
        """Set unfinished work aside, and say so."""
        if self.work is not None and self.work.exists():
            with suppress(OSError):
                aside = files.set_aside(self.work)
                log.warning("%s: left by a training that was not finished; moved to %s", self.work, aside)
