"""The rank store of one shard: which neurons were most active, in rank order, for each stored frame."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import zarr

from property_neurons.errors import StoreError
from property_neurons.ranks.sites import Site, active_neurons
from property_neurons.stores.zarr import RowWriter, add_array, add_empty_array, attributes, new_store, open_store

Frames = Literal["all", "segment_mid"]

_ROWS_PER_CHUNK = 1 << 15
_ATTRIBUTES = frozenset({"model", "utterances", "sites", "k", "lambda_max", "frames"})


@dataclass(frozen=True)
class RankStore:
    """The ranks of a shard's utterances. Arrays as long as the speech are read on demand, since shards are many.

    name: where it was read from, for messages.
    k: ids kept per row, for each site.
    frames: whether every frame was stored, or the middle ones of segments alone.
    offset: int64 [utterances + 1], first row of each utterance.
    """

    name: str
    model: str
    utterances: tuple[str, ...]
    sites: tuple[Site, ...]
    k: tuple[int, ...]
    lambda_max: float
    frames: Frames
    offset: np.ndarray
    store: zarr.Group

    @property
    def frame(self) -> np.ndarray:
        """int32 [rows], 20 ms frame of each row within its utterance, ascending; read anew each time."""
        return self.store["frame"][:]

    def ids(self, site: int, tau: int) -> np.ndarray:
        """The `tau` most active neurons of every row, most active first: uint16 [rows, tau]."""
        return self.store[f"ranks/{site:02d}"][:, :tau]

    def tied_rows(self, site: int, tau: int) -> int:
        """Rows in which ranks `tau` and `tau` + 1 have equal magnitude, so that the lowest id decided."""
        return int(self.store[f"ties/{site:02d}"][tau - 1])


@contextmanager
def new_ranks(
    path: str | Path,
    *,
    model: str,
    utterances: Sequence[str],
    sites: Sequence[Site],
    lambda_max: float,
    frames: Frames,
    offset: np.ndarray,
    frame: np.ndarray,
    ties: Sequence[np.ndarray],
) -> Iterator[RowWriter]:
    """Write a rank store and its manifest, whole or not at all; the block hands the ids to the writer.

    ties: for each site int64 [k]; read when the block has ended.

    Raises:
        StoreError: the block ended without the ids of every row.
    """
    rows = len(frame)
    kept = [len(site_ties) for site_ties in ties]
    with new_store(path) as store:
        add_array(store, "offset", np.asarray(offset, np.int64))
        add_array(store, "frame", np.asarray(frame, np.int32))
        size = min(max(1, rows), _ROWS_PER_CHUNK)
        writer = RowWriter(
            [
                add_empty_array(store, f"ranks/{site:02d}", (rows, k), np.uint16, (size, k))
                for site, k in enumerate(kept)
            ]
        )
        yield writer
        written = writer.finish()
        if kept and written != rows:
            raise StoreError(f"{path}: expected the ids of {rows} rows, found those of {written}; this is a bug")
        for site, site_ties in enumerate(ties):
            add_array(store, f"ties/{site:02d}", site_ties)
        store.attrs.update(
            {
                "model": model,
                "utterances": list(utterances),
                "sites": [asdict(site) for site in sites],
                "k": kept,
                "lambda_max": lambda_max,
                "frames": frames,
            }
        )


def open_ranks(path: str | Path) -> RankStore:
    """Open a rank store.

    Raises:
        StoreError: the store is absent, damaged, no rank store, or its parts do not fit together.
    """
    store = open_store(path)
    attrs = attributes(store, path, "a rank store", _ATTRIBUTES, "rank again")
    ranks = RankStore(
        name=str(path),
        model=attrs["model"],
        utterances=tuple(attrs["utterances"]),
        sites=tuple(Site(site["layer"], site["name"], site["width"]) for site in attrs["sites"]),
        k=tuple(attrs["k"]),
        lambda_max=attrs["lambda_max"],
        frames=attrs["frames"],
        offset=store["offset"][:],
        store=store,
    )
    frame = ranks.frame
    _check_rows(ranks, frame)
    _check_sites(ranks, len(frame))
    return ranks


def _check_rows(ranks: RankStore, frame: np.ndarray) -> None:
    offset, rows = ranks.offset, len(frame)
    spans = len(offset) == len(ranks.utterances) + 1 and offset[0] == 0 and offset[-1] == rows
    if not spans or (np.diff(offset) < 0).any():
        raise StoreError(
            f"{ranks.name}: expected offsets of {len(ranks.utterances)} utterances that rise from 0 to {rows} rows, "
            f"found {len(offset)} from {offset[:1]} to {offset[-1:]}; delete it and rank again"
        )
    rising = np.diff(frame) > 0
    first_rows = offset[1:-1]
    rising[first_rows[(first_rows > 0) & (first_rows < rows)] - 1] = True
    if not rising.all():
        row = int(np.argmin(rising)) + 1
        raise StoreError(
            f"{ranks.name}: expected frames that rise within each utterance, found frame {frame[row]} after "
            f"{frame[row - 1]} in row {row}; delete it and rank again"
        )


def _check_sites(ranks: RankStore, rows: int) -> None:
    for index, (site, k) in enumerate(zip(ranks.sites, ranks.k, strict=True)):
        ids, ties = ranks.store.get(f"ranks/{index:02d}"), ranks.store.get(f"ties/{index:02d}")
        found = [None if array is None else (array.dtype.name, array.shape) for array in (ids, ties)]
        expected = [("uint16", (rows, k)), ("int64", (k,))]
        if found != expected or k != active_neurons(ranks.lambda_max, site.width):
            raise StoreError(
                f"{ranks.name}: site {site.name}: expected ranks and ties of {expected}, with k = "
                f"{active_neurons(ranks.lambda_max, site.width)}, found {found}, with k = {k}; "
                "delete it and rank again"
            )
