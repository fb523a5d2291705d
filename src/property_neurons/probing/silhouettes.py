"""How far apart the three phone classes lie in a representation."""

import numpy as np
from sklearn.metrics import silhouette_score

from property_neurons.corpus.phones import PHONE_CLASSES, PHONES

_CLASS_OF_PHONE = np.array(
    [next(number for number, phones in enumerate(PHONE_CLASSES.values()) if phone in phones) for phone in PHONES]
)


def phone_silhouette(values: np.ndarray, label: np.ndarray) -> float:
    """Mean silhouette, over their classes, of the mean vectors of the phones: Euclidean, in all dimensions.

    The classes are vowels, voiced and unvoiced consonants. NaN where it is undefined: phones of fewer than two
    classes, or no two of one class.

    Args:
        values: float32 [frames, width].
        label: index into `phones.PHONES`, [frames].
    """
    phones = np.unique(label)
    classes = _CLASS_OF_PHONE[phones]
    if not 2 <= len(np.unique(classes)) < len(phones):
        return float("nan")
    means = np.stack([values[label == phone].mean(axis=0, dtype=np.float64) for phone in phones])
    return float(silhouette_score(means, classes))
