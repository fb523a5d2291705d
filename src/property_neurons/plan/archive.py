"""Pack what the tables and figures of a finished study are made from, without any model; and unpack it.

`python -m property_neurons.plan.archive whisper-phones FILE.tar.xz --configfile config/claims.yaml`. The same with
`--unpack` and `--config results=FOLDER` makes a folder of results, in which Snakemake makes the tables and figures of
the study and trains nothing.
"""

import argparse
import lzma
import os
import shutil
import sys
import tarfile
import time
from collections.abc import Sequence
from pathlib import Path

from property_neurons.config.load import load_files
from property_neurons.config.root import Config
from property_neurons.errors import ConfigError, PropertyNeuronsError, StoreError, printable_lines, some_of
from property_neurons.plan import erasure, paths, pruning
from property_neurons.stores.files import atomic_path, new_folder
from property_neurons.stores.manifests import store_path


def archived_files(config: Config, study: str) -> list[Path]:
    """The files that the tables and figures of a study are made from: scores of every test utterance, manifests, sizes.

    Sorted. A file that is not there yet is among them.

    Raises:
        ConfigError: the configuration has no such study.
    """
    studies = config.pruning.by_name()
    if study not in (*studies, *config.erasure):
        known = ", ".join([*studies, *config.erasure]) or "none"
        raise ConfigError(f"archive: expected a study among {known}, found {study!r}; correct the name")
    files = map(Path, (_of_pruning if study in studies else _of_erasure)(config, study))
    return sorted({file for path in files for file in _with_companions(path)})


def pack(config: Config, study: str, file: str | Path) -> int:
    """Write the files of a study to a .tar.xz, named from the folder of results on; returns their number.

    The same files give the same bytes.

    Raises:
        ConfigError: the configuration has no such study.
        StoreError: the study is not finished, or something is at `file`.
    """
    files = archived_files(config, study)
    if absent := [file for file in files if not file.exists()]:
        raise StoreError(
            f"study {study}: expected {len(files)} files of it, found {len(files) - len(absent)}; {absent[0]} is "
            "absent: run the study to its end first"
        )
    if os.path.lexists(file):
        raise StoreError(f"{file}: expected nothing there, found a file or folder; delete it, or choose another name")
    with atomic_path(Path(file)) as temporary, tarfile.open(temporary, "w:xz", dereference=True) as archive:
        for one in files:
            archive.add(one, one.relative_to(config.results), recursive=False, filter=_anonymous)
    return len(files)


def unpack(config: Config, study: str, file: str | Path) -> int:
    """Make the folder of results out of an archive of `pack`, whole or not at all; returns the number of files.

    Files and folders get the time of now: Snakemake takes none for older than another, or than the script of its rule.

    Raises:
        ConfigError: the configuration has no such study.
        StoreError: the archive is damaged, or not of this study in this configuration; or there are results already.
    """
    with new_folder(config.results) as results:
        try:
            with tarfile.open(file, "r:xz") as archive:
                for entry in archive:
                    _extract(archive, entry, results)
        except (tarfile.TarError, lzma.LZMAError, EOFError, ValueError) as error:
            raise StoreError(
                f"{file}: expected a whole archive of a study, found {error}; fetch or pack it again"
            ) from None
        found = {path for path in results.rglob("*") if path.is_file()}
        expected = set(archived_files(config.model_copy(update={"results": str(results)}), study))
        if differing := sorted(str(path.relative_to(results)) for path in found ^ expected):
            raise StoreError(
                f"{file}: expected the files of study {study} in this configuration, found {len(expected - found)} of "
                f"them absent and {len(found - expected)} others there: {some_of(differing)}; give the study and the "
                "configuration that were packed"
            )
        now = time.time()
        for path in results.rglob("*"):
            os.utime(path, (now, now))
    return len(found)


def _extract(archive: tarfile.TarFile, entry: tarfile.TarInfo, folder: Path) -> None:
    target = folder / entry.name
    content = archive.extractfile(entry) if entry.isreg() else None
    if content is None or not target.resolve().is_relative_to(folder.resolve()):
        raise tarfile.TarError(f"{entry.name}, which is no file of a folder of results")
    target.parent.mkdir(parents=True, exist_ok=True)
    with content, target.open("wb") as copy:
        shutil.copyfileobj(content, copy)


def _of_pruning(config: Config, study: str) -> list[str]:
    trainings = pruning.trainings(config, study)
    recoveries = [pruning.recovery(config, study, run.model) for run in pruning.runs(config, study)]
    return [
        *trainings,
        *(f"{manifest.removesuffix('.manifest.json')}/scores.tsv" for manifest in trainings),
        *pruning.metrics(config, study),
        *pruning.scored_models(config, study),
        *(recovery for recovery in recoveries if recovery is not None),
        *pruning.cells(config, study).values(),
        paths.speed(config, study),
    ]


def _of_erasure(config: Config, study: str) -> list[str]:
    folders = [paths.erased(config, study, seed) for seed in config.erasure[study].seeds]
    counts = erasure.counts_shown(config, study)
    return [counts, str(store_path(counts)), *map(paths.manifest, folders), *folders]


def _with_companions(path: Path) -> list[Path]:
    """A file with its digest where it has one; a folder's files."""
    if path.is_dir():
        return sorted(file for file in path.rglob("*") if file.is_file())
    digest = path.with_name(f".{path.name}.digest")
    return [path, digest] if digest.exists() else [path]


def _anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mtime, entry.mode = 0, 0o644
    return entry


def main(arguments: Sequence[str] | None = None) -> int:
    """Pack or unpack a study; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m property_neurons.plan.archive", description=__doc__)
    parser.add_argument("study", help="one of erasure or of pruning.studies")
    parser.add_argument("file", type=Path, metavar="FILE.tar.xz")
    parser.add_argument("--unpack", action="store_true", help="make the folder of results, which must not be there yet")
    parser.add_argument("--configfile", nargs="+", default=["config/config.yaml"], metavar="FILE")
    parser.add_argument("--config", nargs="+", default=[], metavar="KEY=VALUE", help="as Snakemake takes them")
    options = parser.parse_args(arguments)
    try:
        config = load_files(options.configfile, options.config)
        number = (unpack if options.unpack else pack)(config, options.study, options.file)
    except PropertyNeuronsError as error:
        print(printable_lines(error))
        return 1
    except OSError as error:
        asked = f"to unpack it into {config.results}" if options.unpack else "to write it"
        place = f" ({error.filename})" if error.filename else ""
        print(
            printable_lines(
                f"{options.file}: expected {asked}, found {error.strerror}{place}; mend that, or choose another path"
            )
        )
        return 1
    size = options.file.stat().st_size / 1e6
    print(f"{config.results if options.unpack else options.file}: {number} files, {size:.1f} MB packed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
