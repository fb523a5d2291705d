"""F0 that a shard's frame store had before: a corrected transcript or label moves none, and tracking it takes hours."""

from collections.abc import Mapping
from logging import Logger

import numpy as np

from property_neurons.cache.results import Result
from property_neurons.cache.take_or_make import kept_like
from property_neurons.corpus.frame_store import tracks_of_recordings

# What labels depend on, and F0 does not.
_OF_LABELS = frozenset({"speech", "inventory"})


def kept_tracks(result: Result, log: Logger) -> Mapping[str, np.ndarray]:
    """F0 of the recordings of the store that was kept, by the digest of the audio; none where F0 would be another.

    Args:
        result: of `keys.frames_result`.
        log: is told where tracks come from.
    """
    if result.made_of["pitch"]["method"] in ("bins", "none"):
        return {}
    content = kept_like(result, log, apart_from=_OF_LABELS)
    if content is None:
        return {}
    tracks = tracks_of_recordings(content)
    log.info("%s: F0 of %d recordings is taken from what was made before", result.folder, len(tracks))
    return tracks
