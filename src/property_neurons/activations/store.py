"""The activation store of one shard: the value of every neuron in every frame of some utterances.

Values have half precision, rounded to 5 bits of the mantissa (to 1.6 % of the value). This halves their room on disk.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import zarr

from property_neurons.errors import StoreError
from property_neurons.ranks.sites import Site
from property_neurons.stores.zarr import RowWriter, add_array, add_empty_array, attributes, new_store, open_store

_ROWS_PER_CHUNK = 1 << 12
_ATTRIBUTES = frozenset({"model", "sites", "utterances", "root", "audio"})
_LARGEST = 64_512.0
CODES = 1 << 11
"""How many values there are: a sign, 5 bits of exponent, 5 of mantissa."""


@dataclass(frozen=True)
class ActivationStore:
    """The activation values of a shard's utterances, read site by site.

    model_digest: of the model's manifest; "" where that is not known.
    root, audio: the folder that audio lies below, as the job knew it, and each utterance's file in it.
    offset: int64 [utterances + 1], first row of each utterance; a row is a 20 ms frame, all frames follow each other.
    """

    name: str
    model: str
    model_digest: str
    sites: tuple[Site, ...]
    utterances: tuple[str, ...]
    root: str
    audio: tuple[str, ...]
    offset: np.ndarray
    store: zarr.Group

    def values(self, site: int) -> np.ndarray:
        """The input of the second feed-forward linear, with its sign: float16 [rows, neurons]."""
        return self.store[f"values/{site:02d}"][:]

    def blocks(self, site: int) -> Iterator[tuple[int, np.ndarray]]:
        """The same, some rows at a time: the first row and its float16 [rows, neurons]."""
        values = self.store[f"values/{site:02d}"]
        for first in range(0, int(self.offset[-1]), _ROWS_PER_CHUNK):
            yield first, values[first : first + _ROWS_PER_CHUNK]


def rounded(values: np.ndarray) -> np.ndarray:
    """Round to float16 with 5 bits of mantissa, in the shape of `values`; larger values become 64512."""
    half = np.clip(values, -_LARGEST, _LARGEST).astype(np.float16)
    bits = half.view(np.uint16)
    return ((bits + 0x0F + ((bits >> 5) & 1)) & np.uint16(0xFFE0)).view(np.float16)


def codes_of(values: np.ndarray) -> np.ndarray:
    """The code of each value that `rounded` gave, one of `CODES`: int64, shape of `values`."""
    return (values.view(np.uint16) >> 5).astype(np.int64)


def values_of_codes() -> np.ndarray:
    """The value of each code: float64 [CODES], in no order; some codes stand for no number."""
    return (np.arange(CODES, dtype=np.uint16) << np.uint16(5)).view(np.float16).astype(np.float64)


@contextmanager
def new_activations(
    path: str | Path,
    *,
    model: str,
    sites: Sequence[Site],
    utterances: Sequence[str],
    root: str,
    audio: Sequence[str],
    offset: np.ndarray,
    model_digest: str = "",
) -> Iterator[RowWriter]:
    """Write an activation store and its manifest, whole or not at all; the block hands the values to the writer.

    Raises:
        StoreError: the block ended without the values of every row.
    """
    rows = int(offset[-1])
    with new_store(path) as store:
        size = min(max(1, rows), _ROWS_PER_CHUNK)
        writer = RowWriter(
            [
                add_empty_array(store, f"values/{index:02d}", (rows, site.width), np.float16, (size, site.width))
                for index, site in enumerate(sites)
            ]
        )
        yield writer
        if (written := writer.finish()) != rows:
            raise StoreError(f"{path}: expected the values of {rows} rows, found those of {written}; this is a bug")
        add_array(store, "offset", np.asarray(offset, np.int64))
        store.attrs.update(
            {
                "model": model,
                "model_digest": model_digest,
                "sites": [asdict(site) for site in sites],
                "utterances": list(utterances),
                "root": root,
                "audio": list(audio),
            }
        )


def open_activations(path: str | Path) -> ActivationStore:
    """Open an activation store.

    Raises:
        StoreError: the store is absent, damaged or of another kind.
    """
    store = open_store(path)
    attrs = attributes(store, path, "an activation store", _ATTRIBUTES, "give the path of such a store")
    return ActivationStore(
        name=str(path),
        model=attrs["model"],
        model_digest=attrs.get("model_digest", ""),
        sites=tuple(Site(**site) for site in attrs["sites"]),
        utterances=tuple(attrs["utterances"]),
        root=attrs["root"],
        audio=tuple(attrs["audio"]),
        offset=store["offset"][:],
        store=store,
    )
