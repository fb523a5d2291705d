"""The rank store of one shard: which neurons were most active, in rank order, for each stored frame."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import zarr

from property_neurons.errors import StoreError
from property_neurons.storage import add_array, new_store, open_store

Frames = Literal["all", "segment_mid"]

_ROWS_PER_CHUNK = 1 << 15
_ATTRIBUTES = frozenset({"model", "utterances", "sites", "k", "lambda_max", "frames"})


def active_neurons(lambda_: float, width: int) -> int:
    """tau: how many of `width` neurons count as active in a frame (section 3.1)."""
    return max(1, round(lambda_ * width))


@dataclass(frozen=True)
class Site:
    """A place where neurons were ranked: Transformer block (from 1), name ("3", or "3.1"), number of neurons."""

    layer: int
    name: str
    width: int


@dataclass(frozen=True)
class RankStore:
    """The ranks of a shard's utterances; those of each site are read when asked for.

    name: where it was read from, for messages.
    k: ids kept per row, for each site.
    frames: whether every frame was stored, or the middle ones of segments alone.
    offset: int64 [utterances + 1], first row of each utterance.
    frame: int32 [rows], 20 ms frame within the utterance, ascending.
    """

    name: str
    model: str
    utterances: tuple[str, ...]
    sites: tuple[Site, ...]
    k: tuple[int, ...]
    lambda_max: float
    frames: Frames
    offset: np.ndarray
    frame: np.ndarray
    store: zarr.Group

    def ids(self, site: int, tau: int) -> np.ndarray:
        """The `tau` most active neurons of every row, most active first: uint16 [rows, tau]."""
        return self.store[f"ranks/{site:02d}"][:, :tau]

    def tied_rows(self, site: int, tau: int) -> int:
        """Rows in which ranks `tau` and `tau` + 1 have equal magnitude, so that the lowest id decided."""
        return int(self.store[f"ties/{site:02d}"][tau - 1])


def write_ranks(
    path: str | Path,
    *,
    model: str,
    utterances: Sequence[str],
    sites: Sequence[Site],
    lambda_max: float,
    frames: Frames,
    offset: np.ndarray,
    frame: np.ndarray,
    ids: Sequence[np.ndarray],
    ties: Sequence[np.ndarray],
) -> None:
    """Write a rank store and its manifest, whole or not at all.

    ids, ties: for each site uint16 [rows, k] and int64 [k].
    """
    with new_store(path) as store:
        add_array(store, "offset", np.asarray(offset, np.int64))
        add_array(store, "frame", np.asarray(frame, np.int32))
        for site, (site_ids, site_ties) in enumerate(zip(ids, ties, strict=True)):
            rows, k = site_ids.shape
            add_array(store, f"ranks/{site:02d}", site_ids, chunks=(min(max(1, rows), _ROWS_PER_CHUNK), k))
            add_array(store, f"ties/{site:02d}", site_ties)
        store.attrs.update(
            {
                "model": model,
                "utterances": list(utterances),
                "sites": [asdict(site) for site in sites],
                "k": [site_ids.shape[1] for site_ids in ids],
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
    attrs = dict(store.attrs)
    if not attrs.keys() >= _ATTRIBUTES:
        raise StoreError(f"{path}: expected a rank store with {sorted(_ATTRIBUTES)}, found {sorted(attrs)}; rank again")
    ranks = RankStore(
        name=str(path),
        model=attrs["model"],
        utterances=tuple(attrs["utterances"]),
        sites=tuple(Site(site["layer"], site["name"], site["width"]) for site in attrs["sites"]),
        k=tuple(attrs["k"]),
        lambda_max=attrs["lambda_max"],
        frames=attrs["frames"],
        offset=store["offset"][:],
        frame=store["frame"][:],
        store=store,
    )
    _check_rows(ranks)
    _check_sites(ranks)
    return ranks


def _check_rows(ranks: RankStore) -> None:
    offset, rows = ranks.offset, len(ranks.frame)
    spans = len(offset) == len(ranks.utterances) + 1 and offset[0] == 0 and offset[-1] == rows
    if not spans or (np.diff(offset) < 0).any():
        raise StoreError(
            f"{ranks.name}: expected offsets of {len(ranks.utterances)} utterances that rise from 0 to {rows} rows, "
            f"found {len(offset)} from {offset[:1]} to {offset[-1:]}; delete it and rank again"
        )
    rising = np.diff(ranks.frame) > 0
    first_rows = offset[1:-1]
    rising[first_rows[(first_rows > 0) & (first_rows < rows)] - 1] = True
    if not rising.all():
        row = int(np.argmin(rising)) + 1
        raise StoreError(
            f"{ranks.name}: expected frames that rise within each utterance, found frame {ranks.frame[row]} after "
            f"{ranks.frame[row - 1]} in row {row}; delete it and rank again"
        )


def _check_sites(ranks: RankStore) -> None:
    rows = len(ranks.frame)
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
