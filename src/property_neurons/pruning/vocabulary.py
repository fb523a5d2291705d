"""Words of pruning that the config, the library and figures share; nothing is imported here."""

from typing import Literal

SCORES = ("norm", "l2", "frequency", "magnitude", "wanda", "taylor", "fisher", "l0", "random")
"""By what neurons are scored; see `criteria.CRITERIA`."""
SHIELDS = ("protect", "random_protect")
"""What goes last, whatever its score: the property neurons, or random sets in their place."""
_BEHIND = tuple(score for score in SCORES if score not in ("norm", "l0", "random"))
_PROTECT, _RANDOM_PROTECT = ((shield, *(f"{shield}_{score}" for score in _BEHIND)) for shield in SHIELDS)
CRITERIA = ("protect", *SCORES[:-1], *_PROTECT[1:], *_RANDOM_PROTECT, "random")
"""In which order neurons go: `protect_wanda` protects property neurons, and takes the others by `wanda`."""

Criterion = Literal[CRITERIA]
"""See `CRITERIA` and `prune.Cut`."""
Match = Literal["per_layer", "uniform", "global"]
"""What of the sizes of the layers is kept to; see `selection.select`."""
RandomSets = Literal["matched", "size"]
"""What random sets have in common with the sets that they are held against, beside layer and number."""

ARMS = ("unpruned", "fine_tuned", *CRITERIA)
"""What a study holds against what, in the order of tables and figures."""
UNCUT = ("unpruned", "fine_tuned")
"""The arms that keep every neuron."""


def score_of(criterion: str) -> str:
    """The score of a criterion: `protect` and `protect_norm` go by the norm."""
    if (shield := shield_of(criterion)) is None:
        return criterion
    return criterion.removeprefix(shield).removeprefix("_") or "norm"


def shield_of(criterion: str) -> str | None:
    """One of `SHIELDS`; None for a criterion that protects nothing."""
    return next((shield for shield in SHIELDS if criterion == shield or criterion.startswith(f"{shield}_")), None)


def needs_calibration(criterion: str) -> bool:
    """Whether a criterion scores neurons by what they do on calibration speech."""
    return score_of(criterion) in ("magnitude", "wanda", "taylor", "fisher", "l0")
