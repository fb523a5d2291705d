"""Zarr stores that are complete or absent: written under a temporary name, closed, checked, renamed, then described."""

from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import DTypeLike
from zarr.abc.store import ByteRequest
from zarr.codecs import BloscCodec
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import LocalStore

from property_neurons.errors import StoreError, printable
from property_neurons.stores.manifests import manifest_path, new_described_folder, verify_files

# In the keys of chunks, as zarr's format 3 names them: ranks/00/c/0/0.
_CHUNK = "/c/"
# An array of zeros takes an 8000th of its size.
_MOST_TIMES_SMALLER = 2**15
_ANEW = "Do not use this store unless you made it; delete it and its manifest, and run again"
_COMPRESSOR = BloscCodec(cname="zstd", clevel=5, shuffle="bitshuffle")
# Names of axes, which xarray asks for; {} is the array's own name, as layers may differ in width.
_DIMENSIONS = {
    "counts": ("cell", "neuron_{}"),
    "n": ("cell",),
    "ranks": ("row", "rank"),
    "frame": ("row",),
    "ties": ("tie_{}",),
    "values": ("row_{}", "neuron_{}"),
    "label": ("frame",),
    "segment": ("frame",),
    "segment_start": ("segment",),
    "segment_end": ("segment",),
    "segment_mark": ("segment",),
    "f0": ("pitch_frame",),
    "frame_offset": ("boundary",),
    "pitch_offset": ("boundary",),
    "offset": ("boundary",),
    "rows": ("unit_row",),
}


@contextmanager
def new_store(path: str | Path) -> Iterator[zarr.Group]:
    """Create a zarr store that appears at `path`, with its manifest, only when the block ends well.

    Raises:
        StoreError: some chunk of some array was never written.
    """
    path = Path(path)
    with new_described_folder(path, manifest_path(path)) as folder:
        with zarr.config.set({"array.write_empty_chunks": True}):
            group = zarr.open_group(folder, mode="w", zarr_format=3)
            yield group
        _check_complete(group, path)


def add_array(group: zarr.Group, name: str, values: np.ndarray, chunks: Sequence[int] | None = None) -> None:
    """Add a compressed array to a store that is being written; one chunk unless told otherwise."""
    values = np.asarray(values)
    chunks = tuple(chunks) if chunks is not None else tuple(max(1, length) for length in values.shape)
    array = add_empty_array(group, name, values.shape, values.dtype, chunks)
    if values.size:
        array[...] = values


def add_empty_array(
    group: zarr.Group, name: str, shape: Sequence[int], dtype: DTypeLike, chunks: Sequence[int]
) -> zarr.Array:
    """Add a compressed array; all its chunks must still be written."""
    return group.create_array(
        name,
        shape=tuple(shape),
        dtype=dtype,
        chunks=tuple(chunks),
        compressors=_COMPRESSOR,
        fill_value=0,
        dimension_names=_dimensions(name, len(shape)),
    )


def _dimensions(name: str, n: int) -> list[str]:
    family, _, own = name.partition("/")
    names = _DIMENSIONS.get(family, ())[:n]
    return [axis.format(own) for axis in names] + [f"{name}_{axis}" for axis in range(len(names), n)]


class RowWriter:
    """Writes arrays with the same number of rows, some rows at a time; holds one chunk of rows of each.

    Args:
        arrays: of equally many rows, and as many to a chunk, each chunk as wide as its array.
    """

    def __init__(self, arrays: Sequence[zarr.Array]):
        self._arrays = arrays
        self._chunk = [np.empty(array.chunks, array.dtype) for array in arrays]
        self._rows = 0

    def append(self, values: Sequence[np.ndarray]) -> None:
        """Add the next rows: for each array [rows, width], the same number of rows for all."""
        added = 0
        while self._chunk and added < len(values[0]):
            size = len(self._chunk[0])
            start = self._rows % size
            n = min(len(values[0]) - added, size - start)
            for chunk, of_array in zip(self._chunk, values, strict=True):
                chunk[start : start + n] = of_array[added : added + n]
            added += n
            self._rows += n
            if start + n == size:
                self._write(size)

    def finish(self) -> int:
        """Write what is left, and return the number of rows."""
        if self._chunk and self._rows % len(self._chunk[0]):
            self._write(self._rows % len(self._chunk[0]))
        return self._rows

    def _write(self, n: int) -> None:
        for array, chunk in zip(self._arrays, self._chunk, strict=True):
            array[self._rows - n : self._rows] = chunk[:n]


def attributes(
    group: zarr.Group, path: str | Path, kind: str, expected: Collection[str], remedy: str
) -> dict[str, Any]:
    """The attributes of these names of a store.

    Args:
        path, kind, remedy: for the message: where the store is, its expected kind, and what to do.

    Raises:
        StoreError: some attributes are missing.
    """
    found = dict(group.attrs)
    if not found.keys() >= set(expected):
        raise StoreError(f"{path}: expected {kind} with {sorted(expected)}, found {sorted(found)}; {remedy}")
    return found


def open_store(path: str | Path) -> zarr.Group:
    """Open a finished store for reading, after holding every file in it against the manifest.

    Raises:
        StoreError: the store or its manifest is absent, or a file in it is missing or altered; later, from whatever
            reads an array: a file has gone since.
    """
    described = verify_files(path, manifest_path(path))
    shown = printable(path)
    try:
        # Of format 3 alone: the one before may name a codec that unpickles what it reads.
        group = zarr.open_group(_WholeStore(Path(path), described["files"]), mode="r", zarr_format=3)
        _check_sizes(group, "", described["files"], shown)
    except (ValueError, TypeError, LookupError, AttributeError, OSError, RecursionError) as error:
        raise StoreError(f"{shown}: expected a zarr store of format 3, found {printable(error)}; {_ANEW}") from None
    return group


def _check_sizes(group: zarr.Group, below: str, files: Mapping[str, Sequence[Any]], shown: str) -> None:
    """Check that no array claims more than its chunks can hold: readers allocate memory by the claimed shape."""
    for name, array in group.arrays():
        key = f"{below}{name}{_CHUNK}"
        sizes = [size for file, (size, _) in files.items() if file.startswith(key)]
        if array.size and (len(sizes) != array.nchunks or array.nbytes > _MOST_TIMES_SMALLER * sum(sizes)):
            raise StoreError(
                f"{shown}: expected {printable(below + name)} to be as large as its {len(sizes)} chunks of "
                f"{sum(sizes)} bytes can hold, found the shape {array.shape} in {array.nchunks} chunks. {_ANEW}"
            )
    for name, child in group.groups():
        _check_sizes(child, f"{below}{name}/", files, shown)


class _WholeStore(LocalStore):
    """A store that raises an error when one of its files disappears: zarr would read the missing chunk as zeros."""

    def __init__(self, root: Path, files: Collection[str]) -> None:
        super().__init__(root, read_only=True)
        self._files = files

    async def get(
        self, key: str, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        return self._there(key, await super().get(key, prototype, byte_range))

    def get_sync(
        self, key: str, *, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        return self._there(key, super().get_sync(key, prototype=prototype, byte_range=byte_range))

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """Without Snakemake's time stamp, about which zarr would warn."""
        async for name in super().list_dir(prefix):
            if not name.startswith("."):
                yield name

    def _there(self, key: str, found: Buffer | None) -> Buffer | None:
        if found is None and (key in self._files or _CHUNK in key):
            raise StoreError(
                f"{self.root}: {key} was there when the store was opened and is gone; is another workflow making it "
                "anew, or someone deleting it? Wait for that to end and run again"
            )
        return found


def _check_complete(group: zarr.Group, path: Path) -> None:
    for name, array in group.arrays():
        if array.size and array.nchunks_initialized != array.nchunks:
            raise StoreError(
                f"{path}: array {name} has {array.nchunks} chunks, only {array.nchunks_initialized} were written; "
                "this is a bug in the code that writes it"
            )
    for _, child in group.groups():
        _check_complete(child, path)
