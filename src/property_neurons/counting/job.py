"""The arguments that all counting jobs share: the shards, the property and the sampling of frames."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from property_neurons.corpus.frame_values import FrameFiles
from property_neurons.corpus.gate import let_through
from property_neurons.counting.properties import make_property
from property_neurons.counting.sampling import Sampling
from property_neurons.stores.files import read_table
from property_neurons.stores.manifests import store_path


def counting_arguments(
    job: Any, *, keep: Collection[tuple[str, str]] | None = None, corpus: str | None = None
) -> dict[str, Any]:
    """The arguments of `count_activations` and `count_units`, from the `snakemake` object of a script.

    Args:
        keep: the (subset, utterance) pairs to count; None = all that the corpus's gate lets through.
        corpus: what the counts say they are of; None = the job's corpus.

    Raises:
        StoreError: the corpus's tables are not as they were written.
    """
    keep = let_through(job.input.checked) if keep is None else keep
    counting = dict(job.params.counting)
    lambda_ = counting.pop("lambda_")
    columns = OwnColumns.read(job.input.get("columns", []))
    beside = [job.input.get(what, []) for what in ("values", "units", "confound")]
    frames = frame_files(job.input.frames, *beside, columns=columns)
    return {
        "shards": [(store_path(ranks), files) for ranks, files in zip(job.input.ranks, frames, strict=True)],
        "property_": make_property(job.wildcards.property, **job.params.property),
        "sampling": Sampling(**counting),
        "lambda_": lambda_,
        "corpus": corpus or job.wildcards.corpus,
        "output": job.output.store,
        "keep": columns.kept(keep),
    }


@dataclass(frozen=True, eq=False)
class OwnColumns:
    """The columns of users' tables, as the rule `read_columns` writes them.

    tables: {folder of a corpus: its columns by utterance}.
    refused: the (subset, utterance) pairs whose entries contradict each other.
    """

    tables: Mapping[Path, pd.DataFrame]
    refused: frozenset[tuple[str, str]]

    @classmethod
    def read(cls, paths: Sequence[str | Path]) -> "OwnColumns":
        """Of the tables of columns, .parquet, and their reports, .tsv; of none, where corpora have no such tables."""
        tables = {Path(path).parent: read_table(path) for path in paths if Path(path).suffix == ".parquet"}
        reports = [read_table(path) for path in paths if Path(path).suffix == ".tsv"]
        pairs = (pair for report in reports for pair in zip(report["subset"], report["utterance"], strict=True))
        return cls({folder: table.set_index("utterance") for folder, table in tables.items()}, frozenset(pairs))

    def kept(self, keep: Collection[tuple[str, str]]) -> Collection[tuple[str, str]]:
        """The (subset, utterance) pairs of these that are not refused."""
        return set(keep) - self.refused if self.refused else keep

    def of(self, frames: str | Path) -> pd.DataFrame | None:
        """Of the corpus of a frame store, by its manifest; None where it has no such table."""
        return self.tables.get(Path(frames).parents[1])


def frame_files(
    frames: Sequence[str],
    values: Sequence[str] = (),
    units: Sequence[str] = (),
    confound: Sequence[str] = (),
    *,
    columns: Sequence[str] | OwnColumns = (),
) -> list[FrameFiles]:
    """The frame stores of corpora with what a property reads beside them, from manifests; see `FrameFiles`.

    Args:
        values, units, confound: none, or one for each of `frames`.
        columns: what the users' tables say, or the files of it.
    """
    own = columns if isinstance(columns, OwnColumns) else OwnColumns.read(columns)
    of_shards = [[store_path(one) for one in found] or [None] * len(frames) for found in (values, units, confound)]
    return [
        FrameFiles(store_path(store), *beside, columns=own.of(store))
        for store, *beside in zip(frames, *of_shards, strict=True)
    ]
