"""Which moments of speech show what a neuron reacts to: every way of choosing examples."""

from collections.abc import Iterable

import numpy as np

NO_PAGE = "no"
"""In place of the reason why a neuron was chosen: it was not, and has no page and no examples."""
KINDS = ("strongest", "quarter 4", "quarter 3", "quarter 2", "quarter 1", "random", "counter-example")
N_CURVE = 20
"""Frames before and after an example whose activation is kept with it."""
STRONGEST, FROM_EACH_QUARTER, AT_RANDOM, COUNTER = 8, 4, 4, 4
_PER_UTTERANCE, _PER_SPEAKER = 1, 2
# Candidates that are gone through in search of other utterances and speakers.
_MOST_CANDIDATES = 2000


def most_probable(p_phone: np.ndarray, enough: np.ndarray) -> np.ndarray:
    """Phones by how probably a neuron is active in them, the most probable first: int64 [..., phones].

    Phones without enough frames come after all others: of a handful of frames one hit is a high probability.

    Args:
        p_phone: float [..., phones], NaN without frames.
        enough: bool [phones], see `enough_frames`.
    """
    known = np.nan_to_num(np.asarray(p_phone, np.float64), nan=-1)
    return np.argsort(-np.where(enough, known, known - 2), axis=-1, kind="stable")


def enough_frames(n: np.ndarray, lambda_: float) -> np.ndarray:
    """Which phones have 1/lambda frames or more, in which a neuron picked blindly is active once: bool [phones]."""
    return n * lambda_ >= 1 - 1e-9


def reacted_to(label: np.ndarray, phone: int, groups: Iterable[np.ndarray] = ()) -> np.ndarray:
    """The frames of what a neuron reacts to, its most probable phone in its groups: int64, ascending.

    Args:
        label: int [frames], index into the labels of an inventory, phones first.
        phone: its most probable one.
        groups: bool [frames], who is in each group whose neuron it is. One without a frame of the phone is passed over.
    """
    right = label == phone
    for in_group in groups:
        if (right & in_group).any():
            right &= in_group
    return np.flatnonzero(right)


def choose_examples(
    value: np.ndarray,
    active: np.ndarray,
    right: np.ndarray,
    utterance: np.ndarray,
    speaker: np.ndarray,
    rng: np.random.Generator,
) -> list[tuple[str, int]]:
    """The examples of one neuron: (kind, frame), kinds in the order of `KINDS`.

    Each kind takes at most one example from an utterance and two from a speaker. Strength is the magnitude of the
    activation. Quarters divide the frames in which the neuron is active by strength, as many frames in each; 4 is the
    strongest. In a counter-example the label is the one that the neuron reacts to, and the neuron is not active.

    Args:
        value: float [frames]. active: int64, ascending, the frames in which the neuron is active. right: the same of
            the frames with the label that the neuron reacts to. utterance, speaker: int [frames].
    """
    strength = np.abs(value[active])
    order = active[np.argsort(-strength, kind="stable")]
    quarters = np.array_split(order, 4)
    silent = np.setdiff1d(right, active, assume_unique=True)
    candidates = {
        "strongest": (order, STRONGEST),
        **{f"quarter {4 - index}": (_shuffled(part, rng), FROM_EACH_QUARTER) for index, part in enumerate(quarters)},
        "random": (_shuffled(active, rng), AT_RANDOM),
        "counter-example": (_shuffled(silent, rng), COUNTER),
    }
    return [
        (kind, frame)
        for kind, (frames, wanted) in candidates.items()
        for frame in _spread(frames[:_MOST_CANDIDATES].tolist(), wanted, utterance, speaker)
    ]


def _shuffled(frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rng.choice(frames, min(len(frames), _MOST_CANDIDATES), replace=False)


def _spread(frames: Iterable[int], wanted: int, utterance: np.ndarray, speaker: np.ndarray) -> list[int]:
    chosen: list[int] = []
    seen: dict[tuple[str, int], int] = {}
    for frame in frames:
        own = (("utterance", int(utterance[frame])), ("speaker", int(speaker[frame])))
        if seen.get(own[0], 0) >= _PER_UTTERANCE or seen.get(own[1], 0) >= _PER_SPEAKER:
            continue
        for key in own:
            seen[key] = seen.get(key, 0) + 1
        chosen.append(frame)
        if len(chosen) == wanted:
            break
    return chosen
