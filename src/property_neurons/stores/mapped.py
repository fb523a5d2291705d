"""Arrays that are mapped from disk, and passed to another process as a file and a place in it."""

import mmap
from typing import Any

import numpy as np


class MappedArray(np.memmap):
    """A memory map, or a contiguous part of one; pickled as file, place and shape, and mapped again by the receiver.

    numpy would copy all values into the pickle, and each spawned data worker would get the whole corpus.
    """

    def __reduce__(self) -> Any:
        if self.filename is None or self._mmap is None or not self.flags.c_contiguous or not self.size:
            return np.array(self).__reduce__()
        # What is mapped begins at a whole page; the address says how far behind it this part lies.
        page = self.offset - self.offset % mmap.ALLOCATIONGRANULARITY
        start = page + self.ctypes.data - np.frombuffer(self._mmap, np.uint8).ctypes.data
        return _map_again, (str(self.filename), self.dtype.str, start, self.shape)


def _map_again(filename: str, dtype: str, start: int, shape: tuple[int, ...]) -> MappedArray:
    return np.memmap(filename, dtype, "r", start, shape).view(MappedArray)
