"""How far alignments agree."""

from collections.abc import Iterable
from difflib import SequenceMatcher

import numpy as np

from property_neurons.corpus.alignments import Alignment
from property_neurons.corpus.frame_labels import frame_labels
from property_neurons.corpus.phones import SILENCE_ID, SPOKEN_NOISE_ID


def agreement(pairs: Iterable[tuple[Alignment, Alignment]]) -> tuple[float, float, float]:
    """Hold alignments of utterances against others of the same, over the time that both label.

    Returns:
        share of the 20 ms cells that have the same label; the same where the first alignment has a phone; median
        absolute difference in ms of the starts of phones that both have in the same order
    """
    same, speech, errors = [], [], []
    for reference, other in pairs:
        n_labels = min(reference.n_labels, other.n_labels)
        expected, found = (frame_labels(one.starts, one.ends, one.labels, n_labels)[0] for one in (reference, other))
        same.append(expected == found)
        speech.append(_is_phone(expected))
        errors += _boundary_errors(reference, other)
    cells, of_speech = np.concatenate(same), np.concatenate(speech)
    return cells.mean(), cells[of_speech].mean(), float(np.median(errors)) / 1000


def _is_phone(labels: np.ndarray) -> np.ndarray:
    return (labels != SILENCE_ID) & (labels != SPOKEN_NOISE_ID)


def _boundary_errors(reference: Alignment, other: Alignment) -> list[int]:
    mine, yours = _is_phone(reference.labels), _is_phone(other.labels)
    starts, their_starts = reference.starts[mine], other.starts[yours]
    matcher = SequenceMatcher(None, reference.labels[mine].tolist(), other.labels[yours].tolist(), autojunk=False)
    return [
        abs(starts[block.a + index] - their_starts[block.b + index])
        for block in matcher.get_matching_blocks()
        for index in range(block.size)
    ]
