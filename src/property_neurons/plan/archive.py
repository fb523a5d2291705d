"""Pack what the tables and figures of a finished study are made from, without any model.

`python -m property_neurons.plan.archive whisper-phones FILE.tar.xz --configfile config/claims.yaml`. Unpack the file
into a folder of results; Snakemake then makes the tables and figures of the study there, and trains nothing.
"""

import argparse
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path

from property_neurons.config.load import load_files
from property_neurons.config.root import Config
from property_neurons.errors import ConfigError, PropertyNeuronsError, StoreError, printable_lines
from property_neurons.plan import erasure, paths, pruning
from property_neurons.stores.files import atomic_path
from property_neurons.stores.manifests import store_path


def archived_files(config: Config, study: str) -> list[Path]:
    """The files that the tables and figures of a study are made from: scores of every test utterance, manifests, sizes.

    Raises:
        ConfigError: the configuration has no such study.
        StoreError: the study is not finished.
    """
    studies = config.pruning.by_name()
    if study not in (*studies, *config.erasure):
        known = ", ".join([*studies, *config.erasure]) or "none"
        raise ConfigError(f"archive: expected a study among {known}, found {study!r}; correct the name")
    files = [Path(file) for file in (_of_pruning if study in studies else _of_erasure)(config, study)]
    files = list(dict.fromkeys(file for path in files for file in _with_companions(path)))
    if absent := [file for file in files if not file.exists()]:
        raise StoreError(
            f"study {study}: expected {len(files)} files of it, found {len(files) - len(absent)}; {absent[0]} is "
            "absent: run the study to its end first"
        )
    return files


def pack(config: Config, study: str, file: str | Path) -> int:
    """Write the files of a study to a .tar.xz, named from the folder of results on; returns their number.

    Raises:
        ConfigError, StoreError: as `archived_files`.
    """
    files = archived_files(config, study)
    with atomic_path(Path(file)) as temporary, tarfile.open(temporary, "w:xz") as archive:
        for one in files:
            archive.add(one, one.relative_to(config.results), recursive=False, filter=_anonymous)
    return len(files)


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
    return entry


def main(arguments: Sequence[str] | None = None) -> int:
    """Pack a study; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m property_neurons.plan.archive", description=__doc__)
    parser.add_argument("study", help="one of erasure or of pruning.studies, finished")
    parser.add_argument("file", type=Path, metavar="FILE.tar.xz")
    parser.add_argument("--configfile", nargs="+", default=["config/config.yaml"], metavar="FILE")
    parser.add_argument("--config", nargs="+", default=[], metavar="KEY=VALUE", help="as Snakemake takes them")
    options = parser.parse_args(arguments)
    try:
        number = pack(load_files(options.configfile, options.config), options.study, options.file)
    except (PropertyNeuronsError, OSError) as error:
        print(printable_lines(error))
        return 1
    print(f"{options.file}: {number} files, {options.file.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
