"""Held-out silhouettes: whether the patterns of a group lie together between two halves of the speakers."""

import numpy as np


def half_silhouettes(patterns: np.ndarray, group_of_row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Silhouettes in the full binary space, of each row, within either half of the speakers and across the halves.

    Within a half: the usual silhouette (Rousseeuw 1987), in which the patterns of a group also lie together because its
    phones were spoken by the same people. Across: each row's distances are to the rows of the other half, so that
    nobody was heard in both. A row's own cell is left out, as in the usual silhouette; so both have the same floor of
    about -1/phones for groups with alike patterns.

    Args:
        patterns: bool [rows, neurons, 2 * splits], columns 2i and 2i + 1 from the two halves of one split.
        group_of_row: int [rows]

    Returns:
        float64 [rows, splits] each, means of the two halves; 0 for a row that is a group of its own. NaN where a
        silhouette is undefined: fewer than two groups, or every group a single row (single phones).
    """
    rows, _, n_halves = patterns.shape
    within, across = np.full((2, rows, n_halves // 2), np.nan)
    if not 2 <= len(np.unique(group_of_row)) < rows:
        return within, across
    for split in range(n_halves // 2):
        first, second = (patterns[:, :, 2 * split + half].astype(np.float32) for half in (0, 1))
        between = _distances(first, second)
        within[:, split] = _silhouettes(np.stack([_distances(one, one) for one in (first, second)]), group_of_row)
        across[:, split] = _silhouettes(np.stack([between, between.T]), group_of_row)
    return within, across


def _distances(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Euclidean, between binary rows: whole numbers under the root, exact in single precision."""
    shared = (one @ other.T).astype(np.float64)
    return np.sqrt(one.sum(axis=1)[:, np.newaxis] + other.sum(axis=1) - 2 * shared)


def _silhouettes(distances: np.ndarray, group_of_row: np.ndarray) -> np.ndarray:
    """Of each row, its own column left out, mean of the halves: float64 [halves, rows, rows] -> [rows]."""
    groups, group = np.unique(group_of_row, return_inverse=True)
    member = group[:, np.newaxis] == np.arange(len(groups))
    sizes = member.sum(axis=0)
    to_group = distances @ member.astype(np.float64)
    own_self = np.diagonal(distances, axis1=1, axis2=2)
    with np.errstate(invalid="ignore", divide="ignore"):
        own = (to_group[:, member] - own_self) / (sizes[group] - 1)
        nearest = np.where(member, np.inf, to_group / sizes).min(axis=2)
        # Neither together nor apart are patterns that are all alike, and one without others of its group (NaN).
        largest = np.maximum(own, nearest)
        silhouette = np.where(largest > 0, (nearest - own) / largest, 0.0)
    return silhouette.mean(axis=0)
