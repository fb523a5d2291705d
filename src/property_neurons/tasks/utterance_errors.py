"""From the output of a head to the error of each utterance (method, section 5)."""

from collections.abc import Sequence

import numpy as np
from rapidfuzz.distance import Levenshtein
from scipy.special import log_softmax

from property_neurons.tasks.heads import BLANK, UNLABELLED
from property_neurons.tasks.table import Kind


def utterance_error(
    kind: Kind, outputs: np.ndarray, length: int, labels: np.ndarray
) -> tuple[float, float, float, float]:
    """Error and weight of one utterance and, for F0, the sums of its targets and of their squares (else 0).

    Args:
        outputs: of the head, filled up beyond `length` frames.
        labels: its reference, filled up; see `Head.loss`.
    """
    if kind == "phone_recognition":
        reference, hypothesis = decoded(outputs[:length], labels)
        return edits(reference, hypothesis), len(reference), 0.0, 0.0
    if kind == "speaker_identification":
        return float(outputs.argmax() != labels.item()), 1, 0.0, 0.0
    voiced = ~np.isnan(labels[:length])
    targets = labels[:length][voiced].astype(np.float64)
    squared = np.square(outputs[:length][voiced] - targets).sum()
    return squared, int(voiced.sum()), targets.sum(), np.square(targets).sum()


def log_likelihoods(outputs: np.ndarray) -> np.ndarray:
    """ln p of each speaker, from outputs [speakers]; the sum over an utterance's clips scores the utterance."""
    return log_softmax(np.asarray(outputs, np.float64))


def decoded(outputs: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The units of a padded reference, and the units that outputs [frames, units + 1] decode to."""
    return labels[labels != UNLABELLED], collapse(outputs.argmax(-1), BLANK) - 1


def collapse(ids: np.ndarray, blank: int) -> np.ndarray:
    """Greedy CTC decoding: the most likely output of each frame [frames] to units [units].

    Repeats are merged first and blanks dropped then, so that a blank keeps two equal units apart.
    """
    ids = np.asarray(ids)
    changed = np.ones(len(ids), dtype=bool)
    changed[1:] = ids[1:] != ids[:-1]
    return ids[changed & (ids != blank)]


def edits(reference: Sequence[int] | np.ndarray, hypothesis: Sequence[int] | np.ndarray) -> int:
    """The least number of substitutions, deletions and insertions that make the hypothesis of the reference."""
    return Levenshtein.distance(np.asarray(reference).tolist(), np.asarray(hypothesis).tolist())
