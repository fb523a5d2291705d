"""The separation of phone classes in a representation."""

import numpy as np
from sklearn.metrics import silhouette_score


def phone_silhouette(values: np.ndarray, label: np.ndarray, phone_class: np.ndarray) -> float:
    """Mean silhouette, over their classes, of the mean vectors of the phones: Euclidean, in all dimensions.

    Phones without a class are left out. NaN where it is undefined: phones of fewer than two classes, or no two of one
    class.

    Args:
        values: float32 [frames, width].
        label: index of the phone, [frames].
        phone_class: the class of that phone, str [frames]; "" for none.
    """
    phones, first = np.unique(label, return_index=True)
    classes = phone_class[first]
    phones, classes = phones[classes != ""], classes[classes != ""]
    if not 2 <= len(np.unique(classes)) < len(phones):
        return float("nan")
    means = np.stack([values[label == phone].mean(axis=0, dtype=np.float64) for phone in phones])
    return float(silhouette_score(means, classes))
