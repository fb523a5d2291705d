"""Masking of MelHuBERT's pre-training: spans of frames whose input is replaced by zeros."""

import numpy as np


def span_mask(n_frames: int, share: float, span: int, rng: np.random.Generator, at_least: int = 2) -> np.ndarray:
    """Which frames are masked: n = int(share * n_frames / span + U[0, 1)) spans, at least `at_least`.

    Spans start at different frames and may overlap, so that fewer than `share` of the frames are masked:
    about 1 - (1 - share / span) ** span of them, 53 % at share 0.7 and span 5.

    Args:
        n_frames: frames of the utterance or crop.
        share: of the frames, if spans did not overlap.
        span: frames of a span; of a shorter crop, all frames are masked.
        rng: decides.

    Returns:
        bool [n_frames]
    """
    mask = np.zeros(n_frames, dtype=bool)
    span = min(span, n_frames)
    places = n_frames - span + 1
    count = max(int(share * n_frames / span + rng.random()), at_least) if n_frames else 0
    starts = rng.choice(places, size=min(count, places), replace=False) if n_frames else []
    for start in starts:
        mask[start : start + span] = True
    return mask
