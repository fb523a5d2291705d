"""Summing up, cell by cell, which neurons are among the most active of each frame."""

import numpy as np

# Cells are counted in blocks whose counts stay in the processor's cache, rows in pieces of bounded size.
_BLOCK_COUNTERS = 1 << 18
_PIECE_ROWS = 1 << 16


def add_rows(counts: np.ndarray, ids: np.ndarray, rows: np.ndarray, cells: np.ndarray) -> None:
    """Add one for each id of each row to `counts` [cells, neurons], in place.

    Args:
        ids: [rows of a store, tau].
        rows, cells: int64 [counted], of each the cell, which ascends.
    """
    width = counts.shape[1]
    block = max(1, _BLOCK_COUNTERS // width)
    for first in range(0, len(counts), block):
        start, end = np.searchsorted(cells, (first, first + block))
        size = min(block, len(counts) - first)
        for piece in range(start, end, _PIECE_ROWS):
            chosen = slice(piece, min(piece + _PIECE_ROWS, end))
            keys = (cells[chosen, np.newaxis] - first) * width + ids[rows[chosen]]
            counts[first : first + size] += np.bincount(keys.ravel(), minlength=size * width).reshape(size, width)
