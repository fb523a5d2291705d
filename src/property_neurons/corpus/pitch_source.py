"""Where the pitch of a corpus comes from: an estimator, or ready-made bins."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from property_neurons.corpus.framewise import read_pitch_bins


@dataclass(frozen=True, eq=False)
class Pitch:
    """Where the pitch of a corpus comes from.

    method: an F0 estimator, or "bins" for ready-made pitch bins, or "none".
    floor_hz, ceiling_hz: the range in which F0 is looked for.
    bins: {utterance: int8 [frames]} of -1 (unvoiced), 0, 1, 2, for the method "bins".
    """

    method: Literal["yaapt", "praat", "pyin", "bins", "none"]
    floor_hz: float = 71.0
    ceiling_hz: float = 800.0
    bins: Mapping[str, np.ndarray] | None = None


def pitch_source(method: str, floor_hz: float, ceiling_hz: float, path: str | None = None) -> Pitch:
    """Where F0 comes from; `path` names the file of pitch bins of method "bins".

    Raises:
        CorpusError: the file of pitch bins is absent or of another form.
    """
    return Pitch(method, floor_hz, ceiling_hz, bins=read_pitch_bins(path) if method == "bins" else None)
