"""Model input kept in memory, for passes that go over the same utterances again and again."""

from typing import Any

from property_neurons.tasks.examples import Source


class Remembered:
    """Another source's pieces, decoded once: later requests come from memory, as long as there is room.

    Pieces beyond that are decoded each time: a long test part of Whisper, say, which takes 1 MB for each utterance of
    30 s or less.

    Args:
        source: of `windows` and `rows`.
        limit: bytes of `windows` that are kept.
    """

    def __init__(self, source: Source, limit: int):
        self._source = source
        self._room = limit
        self._pieces: dict[tuple[int, int, int | None], dict[str, Any]] = {}

    def n_frames(self, index: int) -> int:
        """20 ms frames of utterance `index`."""
        return self._source.n_frames(index)

    def __call__(self, index: int, first: int, frames: int | None) -> dict[str, Any]:
        """windows and rows, not to be written to."""
        known = self._pieces.get((index, first, frames))
        if known is not None:
            return known
        made = self._source(index, first, frames)
        size = sum(window.values.nbytes for window in made["windows"])
        if size <= self._room:
            self._room -= size
            self._pieces[index, first, frames] = made
        return made
