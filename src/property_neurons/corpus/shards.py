"""Shards: parts of a subset's utterances; one job reads and stores the utterances of one shard.

An utterance's shard depends on its id alone, so one utterance more or fewer changes only its own shard.
"""

import zlib
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from property_neurons.corpus.shard_names import shard_name
from property_neurons.errors import CorpusError, StoreError
from property_neurons.stores.files import atomic_path, read_table, write_table

SHARD_COLUMNS = ("utterance", "audio", "n_samples", "audio_digest")
_SEGMENT_SCHEMA = pa.schema(
    [
        ("shard", pa.string()),
        ("utterance", pa.string()),
        ("start_us", pa.int64()),
        ("end_us", pa.int64()),
        ("label", pa.int8()),
        ("mark", pa.dictionary(pa.int32(), pa.string())),
    ]
)


def shard_of(utterance: str, subset: str, n_shards: int) -> str:
    """The shard an utterance belongs to: crc32 of its id, modulo the number of shards."""
    return shard_name(subset, zlib.crc32(utterance.encode()) % n_shards)


def write_shard_list(path: str | Path, utterances: pd.DataFrame, shard: str) -> None:
    """Write the list of one shard, out of a table of utterances, as .tsv sorted by utterance.

    It holds what ranking depends on and nothing else: id, audio path, samples, digest of the file.
    """
    rows = utterances.loc[utterances["shard"] == shard, list(SHARD_COLUMNS)]
    write_table(path, rows.sort_values("utterance"))


def read_shard_list(path: str | Path) -> pd.DataFrame:
    """Read what `write_shard_list` wrote: utterance, audio, n_samples, audio_digest.

    Raises:
        CorpusError: the file is absent or has other columns.
    """
    try:
        table = read_table(path)
    except StoreError as error:
        raise CorpusError(f"{error} (this is a shard list: run the corpus rules again)") from None
    if tuple(table.columns) != SHARD_COLUMNS:
        raise CorpusError(
            f"{path}: expected the columns {', '.join(SHARD_COLUMNS)}, found {', '.join(table.columns)}; "
            "run the corpus rules again"
        )
    return table.astype({"n_samples": "int64"})


def write_segments(path: str | Path, segments: pd.DataFrame, shards: Sequence[str]) -> None:
    """Write a table of segments as parquet with one row group per shard, so that a shard reads only its own."""
    with atomic_path(path) as temporary, pq.ParquetWriter(temporary, _SEGMENT_SCHEMA, compression="zstd") as writer:
        for shard in shards:
            rows = segments[segments["shard"] == shard]
            writer.write_table(pa.Table.from_pandas(rows, schema=_SEGMENT_SCHEMA, preserve_index=False))


def read_segments(path: str | Path, shard: str) -> pd.DataFrame:
    """Read the segments of one shard: shard, utterance, start_us, end_us, label, mark.

    Raises:
        CorpusError: the file is absent or no such table.
    """
    try:
        return pq.read_table(path, filters=[("shard", "==", shard)]).to_pandas()
    except (OSError, pa.ArrowException) as error:
        raise CorpusError(f"{path}: expected a table of segments, found: {error}; run the corpus rules again") from None
