"""Text beside the points of a scatter plot, placed so that it hides neither points nor other text.

Not by adjustText: it keeps off the coordinates of points and not off their markers, so that narrow letters vanish
behind markers. Told to keep a greater distance, it takes minutes for Figure 3.
"""

import numpy as np
from matplotlib.axes import Axes

_ANGLES = 24
# Distances of a label's nearest edge from its point, in points (1/72 inch); beyond the first a line leads back.
_DISTANCES = (0.0, 3.0, 6.0, 9.0, 13.0, 18.0, 24.0, 32.0, 42.0, 54.0)
# Points (1/72 inch) kept free between a label and what stands beside it.
_GAP = 1.0
_SWEEPS = 12
# What a square point of covered ink, and a point beyond the panel, cost against a point of distance.
_COVERED = 20.0
_OUTSIDE = 200.0


def label_points(axes: Axes, xy: np.ndarray, texts: list[str], colours: list[str], size: float, marker: float) -> None:
    """Write `texts` beside the points `xy`.

    Each label takes the best of a ring of places around its point, given where the others are, until none
    moves: no overlap first, then nearness. Deterministic.

    Args:
        axes: the panel, its limits and its place in the figure final.
        xy: [points, 2] in data coordinates.
        texts: [points].
        colours: [points].
        size: font size in points (1/72 inch).
        marker: diameter of the points' markers in points.
    """
    if not len(xy):
        return
    unit = axes.get_figure().dpi / 72
    centres = axes.transData.transform(xy) / unit
    window = axes.get_window_extent()
    bounds = np.array([window.x0, window.y0, window.x1, window.y1]) / unit
    extents = _extents(axes, texts, size) / unit + (_GAP, 0)
    offsets = _choose(centres, extents, bounds, marker)
    for point, text, colour, (dx, dy) in zip(xy, texts, colours, offsets, strict=True):
        far = np.hypot(dx, dy) > marker / 2 + extents[:, 0].max() / 2 + _DISTANCES[1]
        label = axes.annotate(
            text,
            point,
            (dx, dy),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=size,
            color=colour,
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.4, "shrinkA": 0, "shrinkB": 0, "alpha": 0.7}
            if far
            else None,
        )
        # Labels stay within the panel, so the layout need not measure them again at every drawing.
        label.set_in_layout(False)


def _extents(axes: Axes, texts: list[str], size: float) -> np.ndarray:
    """Width and height of each text in pixels, [texts, 2]."""
    probe = axes.text(0, 0, "", fontsize=size)
    boxes = []
    for text in texts:
        probe.set_text(text)
        box = probe.get_window_extent()
        boxes.append((box.width, box.height))
    probe.remove()
    return np.array(boxes)


def _choose(centres: np.ndarray, extents: np.ndarray, bounds: np.ndarray, marker: float) -> np.ndarray:
    """The offset of each label's centre from its point, [points, 2]."""
    candidates, penalties = _candidates(extents, marker)
    half = extents / 2
    markers = _boxes(centres, np.full_like(extents, marker / 2))
    # Start nearest; the cost of covering markers and leaving the panel does not depend on the other labels.
    fixed = np.empty(candidates.shape[:2])
    for index, centre in enumerate(centres):
        places = _boxes(centre + candidates[index], half[index])
        beyond = np.concatenate([bounds[:2] - places[:, :2], places[:, 2:] - bounds[2:]], 1)
        outside = np.clip(beyond, 0, None).sum(1)
        fixed[index] = _COVERED * _overlap(places, markers).sum(1) + _OUTSIDE * outside + penalties
    chosen = fixed.argmin(1)
    for _ in range(_SWEEPS):
        before = chosen.copy()
        for index, centre in enumerate(centres):
            rest = np.arange(len(centres)) != index
            others = _boxes(centres[rest] + candidates[rest, chosen[rest]], half[rest])
            places = _boxes(centre + candidates[index], half[index])
            chosen[index] = (fixed[index] + _COVERED * _overlap(places, others).sum(1)).argmin()
        if (chosen == before).all():
            break
    return candidates[np.arange(len(centres)), chosen]


def _candidates(extents: np.ndarray, marker: float) -> tuple[np.ndarray, np.ndarray]:
    """Offsets of label centres, [labels, places, 2], and what each place costs for its distance, [places]."""
    angles = np.arange(_ANGLES) * (2 * np.pi / _ANGLES)
    direction = np.stack([np.cos(angles), np.sin(angles)], 1)
    places, penalties = [], []
    for distance in _DISTANCES:
        reach = extents[:, None, :] / 2 + marker / 2 + 0.3 + distance
        # The rectangle around the marker on which a label's centre keeps that distance.
        scale = (reach / np.maximum(np.abs(direction), 1e-9)).min(2, keepdims=True)
        places.append(scale * direction)
        penalties.append(np.full(_ANGLES, distance))
    return np.concatenate(places, 1), np.concatenate(penalties)


def _boxes(centres: np.ndarray, half: np.ndarray) -> np.ndarray:
    return np.concatenate([centres - half, centres + half], -1)


def _overlap(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Area that each box of `one` [n, 4] shares with each of `other` [m, 4]: [n, m]."""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    sides = np.clip(high - low, 0, None)
    return sides[..., 0] * sides[..., 1]
