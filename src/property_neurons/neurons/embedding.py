"""Activation patterns in the plane, and how well the groups separate there (method, section 2)."""

from collections.abc import Sequence
from operator import itemgetter

import numpy as np
import pandas as pd
from sklearn.metrics import pairwise_distances, silhouette_score
from threadpoolctl import threadpool_limits

from property_neurons.counting.count_store import Counts
from property_neurons.neurons.definition import SetDefinition
from property_neurons.neurons.patterns import site_patterns
from property_neurons.progress import progress

# As in method.md, section 2: scikit-learn's settings of the paper's time, which have changed since.
_STARTS, _MOST_STEPS, _LEAST_GAIN = 4, 300, 1e-6


def pattern_distances(patterns: np.ndarray) -> np.ndarray:
    """Euclidean distances between binary patterns: bool [rows, neurons] -> float64 [rows, rows]."""
    return pairwise_distances(patterns.astype(np.float64), metric="euclidean")


def embed(distances: np.ndarray, *, seed: int) -> np.ndarray:
    """Metric SMACOF in two dimensions, the best of four random starts.

    Rows that are all alike carry no shape to draw: they get the origin.

    Args:
        distances: float64 [rows, rows]

    Returns:
        float64 [rows, 2]
    """
    if not distances.any():
        return np.zeros((len(distances), 2))
    # The generator that scikit-learn's random_state makes of a seed.
    random = np.random.RandomState(seed)
    # More threads are no faster on so few rows, and the order of their sums is not promised.
    with threadpool_limits(limits=1):
        found = [_smacof(distances, random.uniform(size=(len(distances), 2))) for _ in range(_STARTS)]
    return min(found, key=itemgetter(1))[0]


def _smacof(distances: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, float]:
    """From a start, float64 [rows, 2], to points and their stress, by Guttman transforms.

    These are scikit-learn's own steps, to the bit; its checks of the arguments, made anew in each of thousands of
    steps, took three quarters of the time.
    """
    diagonal = np.arange(len(points))
    between = _plane_distances(points)
    last = None
    for _ in range(_MOST_STEPS):
        between[between == 0] = 1e-5
        ratio = distances / between
        transform = -ratio
        transform[diagonal, diagonal] += ratio.sum(axis=1)
        points = 1.0 / len(points) * np.dot(transform, points)
        between = _plane_distances(points)
        stress = ((between - distances).ravel() ** 2).sum() / 2
        if last is not None and (last - stress) / ((between.ravel() ** 2).sum() / 2) < _LEAST_GAIN:
            break
        last = stress
    return points, stress


def _plane_distances(points: np.ndarray) -> np.ndarray:
    squares = np.einsum("ij,ij->i", points, points)[:, np.newaxis]
    distances = -2 * (points @ points.T)
    distances += squares
    distances += squares.T
    np.maximum(distances, 0, out=distances)
    np.fill_diagonal(distances, 0)
    return np.sqrt(distances, out=distances)


def group_silhouette(distances: np.ndarray, group_of_row: np.ndarray) -> float:
    """Mean silhouette of the rows over their groups.

    NaN where it is undefined: fewer than two groups, or every group a single row (single phones).
    0 where all rows coincide.

    Args:
        distances: float64 [rows, rows]
        group_of_row: int [rows]
    """
    if not 2 <= len(np.unique(group_of_row)) < len(group_of_row):
        return float("nan")
    return float(silhouette_score(distances, group_of_row, metric="precomputed"))


def embedding_tables(
    counts: Counts, definition: SetDefinition, *, seeds: Sequence[int]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Points and silhouettes of every layer and seed.

    Returns:
        points: layer, site, seed, group, phone, x, y
        silhouettes: layer, site, seed, silhouette (of the points), silhouette_full (of the binary patterns
            themselves, the same for all seeds), n_points
    """
    groups = [counts.cells[cell][0] for cell in counts.phone_cells]
    phones = [counts.cells[cell][1] for cell in counts.phone_cells]
    group_of_row = counts.phone_cell_groups
    points, silhouettes = [], []
    sites = progress(list(enumerate(counts.sites)), what=f"MDS of {counts.property_name}", unit="layer")
    for index, site in sites:
        distances = pattern_distances(site_patterns(counts, index, definition))
        silhouette_full = group_silhouette(distances, group_of_row)
        for seed in seeds:
            plane = embed(distances, seed=seed)
            place = {"layer": index + 1, "site": site.name, "seed": seed}
            points.append(pd.DataFrame(place | {"group": groups, "phone": phones, "x": plane[:, 0], "y": plane[:, 1]}))
            silhouettes.append(
                place
                | {
                    "silhouette": group_silhouette(pairwise_distances(plane), group_of_row),
                    "silhouette_full": silhouette_full,
                    "n_points": len(plane),
                }
            )
    return pd.concat(points, ignore_index=True), pd.DataFrame(silhouettes)
